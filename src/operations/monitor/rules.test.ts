import assert from "node:assert/strict";
import { test } from "node:test";
import { isSunnyError } from "../../errors.ts";
import type { ThresholdInput } from "./rules.ts";
import { buildRules, rulesFromThreshold } from "./rules.ts";

const responseTime: ThresholdInput = { metric: "response-time", comparison: ">", value: 500, unit: "ms" };
const errorRate: ThresholdInput = {
  metric: "error-rate",
  comparison: ">",
  value: 1,
  unit: "%",
  text: "Error rate > 1%",
};
const cpu: ThresholdInput = { metric: "cpu", comparison: ">", value: 80, unit: "%" };
const memory: ThresholdInput = { metric: "memory", comparison: ">", value: 85, unit: "%" };

test("a response time is the part of requests slower than it, at the stated percentile", () => {
  const [rule] = rulesFromThreshold({ ...responseTime, percentile: 99.9 });
  assert.deepEqual(rule, {
    id: "latency-p99.9",
    title: "response-time > 500 ms",
    share: 0,
    kind: "latency",
    edgeSeconds: 0.5,
    percentile: 99.9,
    limit: 0.001,
  });
});

test("a response time without percentile means p95, and says so", () => {
  const notes: string[] = [];
  const [rule] = rulesFromThreshold(responseTime, notes);
  assert.equal(rule?.kind === "latency" && rule.limit, 0.05);
  assert.match(notes[0]!, /names no percentile: p95 is meant/);
});

test("four thresholds become six rules with the comparisons, errors having half of the evidence", () => {
  const past = { edges: [0.1, 0.25, 0.5], counts: [600, 950, 990], total: 1000 };
  const { rules } = buildRules([responseTime, errorRate, cpu, memory], past);
  assert.deepEqual(
    rules.map(({ id, share }) => [id, share]),
    [
      ["latency-p95", 0.125],
      ["error-rate", 0.25],
      ["cpu", 0.125],
      ["memory", 0.125],
      ["errors-versus-baseline", 0.25],
      ["latency-versus-baseline", 0.125],
    ],
  );
});

test("comparisons that are switched off are no rules, and leave their evidence to the runbook's limits", () => {
  const past = { edges: [0.1, 0.25, 0.5], counts: [600, 950, 990], total: 1000 };
  const none = { errors: false, errorRatio: 1, latency: false };
  assert.deepEqual(
    buildRules([responseTime, errorRate], past, none).rules.map(({ id, share }) => [id, share]),
    [
      ["latency-p95", 0.5],
      ["error-rate", 0.5],
    ],
  );
  const { rules } = buildRules([responseTime, errorRate], past, { ...none, errors: true, errorRatio: 1.5 });
  const compared = rules.find(({ kind }) => kind === "errors-versus-baseline");
  assert.equal(compared?.kind === "errors-versus-baseline" && compared.tolerate, 1.5);
  assert.equal(rules.length, 3);
});

test("a histogram that is too coarse leaves the comparison out and says so", () => {
  const { rules, notes } = buildRules([responseTime], { edges: [0.5], counts: [10], total: 10 });
  assert.deepEqual(
    rules.map(({ id }) => id),
    ["latency-p95"],
  );
  assert.match(notes.join(), /not compared with the baseline/);
});

test("CPU and memory on one line are two rules", () => {
  assert.deepEqual(
    rulesFromThreshold({ ...cpu, metric: "cpu-memory" }).map(({ id }) => id),
    ["cpu", "memory"],
  );
});

test("of a warning and a critical level the critical one decides", () => {
  const warning: ThresholdInput = { ...errorRate, value: 0.5, level: "warning" };
  const { rules, notes } = buildRules([warning, { ...errorRate, level: "critical" }], null);
  assert.equal(rules.filter(({ kind }) => kind === "error-rate").length, 1);
  assert.equal(rules[0]!.kind === "error-rate" && rules[0]!.limit, 0.01);
  assert.match(notes[0]!, /is a warning level/);
});

test("two limits of one metric are two rules", () => {
  const { rules } = buildRules([cpu, { ...cpu, value: 90 }], null);
  assert.deepEqual(
    rules.map(({ id }) => id),
    ["cpu", "cpu-2"],
  );
});

test("queue lengths and connections must hold for the stated time", () => {
  const [queue] = rulesFromThreshold({
    metric: "queue-length",
    comparison: ">",
    value: 1000,
    unit: "count",
    holdMs: 300_000,
  });
  assert.equal(queue?.kind === "gauge" && queue.holdMs, 300_000);
  const notes: string[] = [];
  const [connections] = rulesFromThreshold({ metric: "db-connections", comparison: ">=", value: 90, unit: "%" }, notes);
  assert.ok(
    connections?.kind === "gauge" && connections.relative && connections.limit === 0.9 && connections.holdMs === 60_000,
  );
  assert.match(notes[0]!, /does not say for how long: 60 s is meant/);
});

test("CPU and memory must hold for the stated time as well, where one is stated", () => {
  const notes: string[] = [];
  const rules = rulesFromThreshold({ ...cpu, metric: "cpu-memory", holdMs: 300_000 }, notes);
  assert.deepEqual(
    rules.map((rule) => [rule.id, rule.kind, rule.kind === "gauge" && [rule.gauge, rule.relative, rule.holdMs]]),
    [
      ["cpu", "gauge", ["cpu", true, 300_000]],
      ["memory", "gauge", ["memory", true, 300_000]],
    ],
  );
  assert.deepEqual(notes, []);
});

test("a time stated with a limit on errors or response times is not waited for, and the plan says so", () => {
  for (const threshold of [errorRate, responseTime]) {
    const notes: string[] = [];
    const [rule] = rulesFromThreshold({ ...threshold, percentile: 95, holdMs: 300_000 }, notes);
    assert.notEqual(rule?.kind, "gauge");
    assert.match(notes.join(), /the evidence decides how long to look/);
  }
});

const refused: readonly [string, ThresholdInput, RegExp][] = [
  ["a mean response time", { ...responseTime, aggregate: "mean" }, /mean of response times cannot be tested/],
  ["a response time in per cent", { ...responseTime, unit: "%" }, /needs a unit of time/],
  ["low response times", { ...responseTime, comparison: "<" }, /would call low values bad/],
  ["an error rate per second", { ...errorRate, unit: "per-second" }, /it is in per-second, a share is needed/],
  ["an error rate of 100 %", { ...errorRate, value: 100 }, /between 0 and 100 %/],
  ["memory in bytes", { ...memory, unit: "bytes", value: 1e9 }, /it is in bytes/],
  [
    "a queue in per cent",
    { metric: "queue-length", comparison: ">", value: 5, unit: "%" },
    /no limit to take a part of/,
  ],
  ["an unknown metric", { metric: "other", comparison: ">", value: 5, unit: "count" }, /none of the figures/],
];
for (const [what, threshold, message] of refused) {
  test(`${what} is refused with its place and a remedy`, () => {
    assert.throws(
      () => rulesFromThreshold({ ...threshold, line: 7, column: 3 }),
      (error) =>
        isSunnyError(error, "THRESHOLD_UNSUPPORTED") &&
        message.test(error.message) &&
        error.hint !== "" &&
        error.place?.line === 7,
    );
  });
}
