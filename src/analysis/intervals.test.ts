import assert from "node:assert/strict";
import { test } from "node:test";
import { buildInterval, weightNote } from "./intervals.ts";
import type { HostReading, HostSample } from "./metrics.ts";
import type { Observation, Rule } from "./rule.ts";

const errors: Rule = { id: "e", title: "Errors", kind: "error-rate", share: 1, limit: 0.01 };
const slow: Rule = { id: "l", title: "p95", kind: "latency", share: 1, edgeSeconds: 0.5, percentile: 95, limit: 0.05 };
const cpu: Rule = { id: "c", title: "CPU", kind: "usage", resource: "cpu", share: 1, limit: 0.8 };
const memory: Rule = { id: "m", title: "Memory", kind: "usage", resource: "memory", share: 1, limit: 0.85 };

const T = 1_000_000;
const arms = { canary: ["a"], baseline: ["b"] };

function sample(host: string, at: number, figures: Partial<HostSample> = {}): HostSample {
  return { host, at, mode: "cumulative", requests: 100, errors: 1, ...figures };
}

/** What the canary host "a" shows after two readings. */
function canary(rule: Rule, first: HostReading, second: HostReading, now = T + 1000): Observation {
  const before = buildInterval([rule], arms, {}, [first], T).samples;
  return buildInterval([rule], arms, before, [second], now).intervals[0]!.canary;
}

const reason = (observation: Observation): string => {
  assert.equal(observation.kind, "blind");
  return observation.kind === "blind" ? observation.reason : "";
};

test("an interval counts what was added since the reading before", () => {
  assert.deepEqual(canary(errors, sample("a", T), sample("a", T + 1000, { requests: 150, errors: 4 })), {
    kind: "counts",
    requests: 50,
    bad: [3],
  });
});

test("a counter that was reset counts from zero", () => {
  assert.deepEqual(canary(errors, sample("a", T), sample("a", T + 1000, { requests: 20, errors: 2 })), {
    kind: "counts",
    requests: 20,
    bad: [2],
  });
});

test("after a restart every counter counts from zero, also one that has overtaken its old value", () => {
  const first = sample("a", T, { requests: 100, errors: 0, startedAtSeconds: 5 });
  const second = sample("a", T + 1000, { requests: 130, errors: 9, startedAtSeconds: 990 });
  assert.deepEqual(canary(errors, first, second), { kind: "counts", requests: 130, bad: [9] });
});

test("a counter that goes back without a restart makes the host blind, not reset", () => {
  const first = sample("a", T, { startedAtSeconds: 5 });
  const second = sample("a", T + 1000, { requests: 20, errors: 0, startedAtSeconds: 5 });
  assert.match(reason(canary(errors, first, second)), /went back although it did not restart/);
});

const broken: readonly [string, Partial<HostSample>, RegExp][] = [
  ["NaN", { requests: Number.NaN }, /a reports NaN requests/],
  ["a negative count", { requests: -5 }, /a reports -5 requests/],
  ["infinity", { errors: Infinity }, /a reports Infinity errors/],
];
for (const [what, figures, expected] of broken) {
  test(`${what} is no count: the arm is blind`, () => {
    assert.match(reason(canary(errors, sample("a", T), sample("a", T + 1000, figures))), expected);
  });
}

test("a broken figure leaves the host's other figures alone", () => {
  const latency = { edges: [0.5], counts: [9], total: 10 };
  const later = { edges: [0.5], counts: [18], total: 20 };
  const second = sample("a", T + 1000, { requests: Number.NaN, latency: later });
  assert.deepEqual(canary(slow, sample("a", T, { latency }), second), {
    kind: "counts",
    requests: 10,
    bad: [1],
    percentileMs: 500,
  });
});

test("a series that is gone makes the arm blind, not free of errors", () => {
  const { requests: _, errors: __, ...bare } = sample("a", T + 1000);
  assert.match(reason(canary(errors, sample("a", T), bare)), /a reports no requests/);
});

const times: readonly [string, number, RegExp][] = [
  ["a duplicate timestamp", T, /is the one before/],
  ["a timestamp out of order", T - 5000, /is older than the one before/],
  ["a timestamp in the future", T + 60_000, /lies 59 s in the future/],
  ["no timestamp", Number.NaN, /no valid timestamp/],
];
for (const [what, at, expected] of times) {
  test(`${what} is refused, and its counts come with the next good reading`, () => {
    const before = buildInterval([errors], arms, {}, [sample("a", T)], T).samples;
    const refused = buildInterval([errors], arms, before, [sample("a", at, { requests: 140 })], T + 1000);
    assert.match(reason(refused.intervals[0]!.canary), expected);
    assert.match(refused.notes[0]!, expected);
    const next = buildInterval([errors], arms, refused.samples, [sample("a", T + 2000, { requests: 150 })], T + 2000);
    assert.deepEqual(next.intervals[0]!.canary, { kind: "counts", requests: 50, bad: [0] });
  });
}

test("a host that fails does not blind its arm while another answers", () => {
  const both = { canary: ["a", "c"], baseline: ["b"] };
  const before = buildInterval([errors], both, {}, [sample("a", T), sample("c", T), sample("b", T)], T).samples;
  const readings = [sample("a", T + 1000, { requests: 110 }), { host: "c", failed: "c is down" }];
  const built = buildInterval([errors], both, before, readings, T + 1000);
  assert.deepEqual(built.intervals[0]!.canary, { kind: "counts", requests: 10, bad: [0] });
  assert.equal(reason(built.intervals[0]!.baseline), "no reading of b");
});

test("the first reading of a host is a base and no data", () => {
  const built = buildInterval([errors], arms, {}, [sample("a", T)], T);
  assert.equal(reason(built.intervals[0]!.canary), "first reading of a");
  assert.deepEqual(built.notes, ["no reading of b"]);
});

test("zero traffic is data: no requests and no errors", () => {
  assert.deepEqual(canary(errors, sample("a", T), sample("a", T + 1000)), { kind: "counts", requests: 0, bad: [0] });
});

test("an arm without hosts is absent by intention, not blind", () => {
  const built = buildInterval([errors], { canary: [], baseline: ["b"] }, {}, [sample("b", T)], T);
  assert.deepEqual(built.intervals[0]!.canary, { kind: "absent" });
});

test("a host that joins the canary brings none of the baseline's requests along, unless its process is new", () => {
  const before = buildInterval(
    [errors],
    { canary: [], baseline: ["a"] },
    {},
    [sample("a", T, { startedAtSeconds: 5 })],
    T,
  );
  const now = { canary: ["a"], baseline: [] };
  const same = sample("a", T + 1000, { requests: 200, startedAtSeconds: 5 });
  assert.equal(
    reason(buildInterval([errors], now, before.samples, [same], T + 1000).intervals[0]!.canary),
    "a has just joined",
  );
  const fresh = sample("a", T + 1000, { requests: 7, errors: 0, startedAtSeconds: 1000 });
  assert.deepEqual(buildInterval([errors], now, before.samples, [fresh], T + 1000).intervals[0]!.canary, {
    kind: "counts",
    requests: 7,
    bad: [0],
  });
});

test("a histogram without the needed edge makes the rule blind and says which edge", () => {
  const latency = { edges: [0.25, 1], counts: [5, 9], total: 10 };
  const later = { edges: [0.25, 1], counts: [10, 18], total: 20 };
  const observation = canary(slow, sample("a", T, { latency }), sample("a", T + 1000, { latency: later }));
  assert.match(reason(observation), /no edge at 500 ms/);
});

test("a histogram that shows no buckets before the first request counts from zero", () => {
  const empty = { edges: [], counts: [], total: 0 };
  const first = canary(slow, sample("a", T, { latency: empty }), sample("a", T + 1000, { latency: empty }));
  assert.deepEqual(first, { kind: "counts", requests: 0, bad: [0] });
  const latency = { edges: [0.5], counts: [3], total: 4 };
  const second = canary(slow, sample("a", T, { latency: empty }), sample("a", T + 1000, { latency }));
  assert.deepEqual(second, { kind: "counts", requests: 4, bad: [1], percentileMs: 500 });
});

test("a histogram that changes its edges is blind for one interval", () => {
  const first = sample("a", T, { latency: { edges: [0.5], counts: [3], total: 4 } });
  const second = sample("a", T + 1000, { latency: { edges: [0.5, 1], counts: [3, 4], total: 4 } });
  assert.match(reason(canary(slow, first, second)), /changed its edges/);
});

test("CPU is the part of what the service may use, by the host's own time", () => {
  const first = sample("a", T, { cpuSeconds: 10, cpuLimitCores: 2 });
  const second = sample("a", T + 2000, { cpuSeconds: 13, cpuLimitCores: 2 });
  assert.deepEqual(canary(cpu, first, second, T + 2000), { kind: "level", value: 0.75 });
  const { cpuLimitCores: _, ...unknown } = second;
  assert.match(reason(canary(cpu, first, unknown, T + 2000)), /not known how much CPU/);
});

test("a share that must hold for a time is read as one that is bet on", () => {
  const held = (gauge: "cpu" | "memory"): Rule => ({
    id: gauge,
    title: gauge,
    kind: "gauge",
    gauge,
    share: 0,
    side: "above",
    relative: true,
    limit: 0.8,
    holdMs: 300_000,
  });
  const first = sample("a", T, { cpuSeconds: 10, cpuLimitCores: 2 });
  const second = sample("a", T + 1000, { cpuSeconds: 11.5, cpuLimitCores: 2, memoryShare: 0.5 });
  assert.deepEqual(canary(held("cpu"), first, second), { kind: "level", value: 0.75 });
  assert.deepEqual(canary(held("memory"), first, second), { kind: "level", value: 0.5 });
});

test("memory is a level of its own", () => {
  assert.deepEqual(canary(memory, sample("a", T), sample("a", T + 1000, { memoryShare: 0.5 })), {
    kind: "level",
    value: 0.5,
  });
});

test("windowed counts are taken as they are", () => {
  const windowed = { ...sample("a", T + 1000, { requests: 60, errors: 6 }), mode: "windowed" as const };
  const built = buildInterval([errors], arms, {}, [windowed], T + 1000);
  assert.deepEqual(built.intervals[0]!.canary, { kind: "counts", requests: 60, bad: [6] });
});

test("a thousand hosts make one interval, each with its part", () => {
  const hosts = Array.from({ length: 1000 }, (_, i) => `h${i}`);
  const many = { canary: hosts.slice(0, 100), baseline: hosts.slice(100) };
  const edges = Array.from({ length: 12 }, (_, i) => 2 ** (i - 10));
  edges[9] = 0.5;
  const reading = (host: string, n: number): HostSample => ({
    ...sample(host, T + n, { requests: n, errors: 0, cpuSeconds: n, cpuLimitCores: 1, memoryShare: 0.3 }),
    latency: { edges, counts: edges.map(() => n), total: n },
  });
  const rules = [errors, slow, cpu, memory];
  let samples = buildInterval(
    rules,
    many,
    {},
    hosts.map((host) => reading(host, 1)),
    T + 9000,
  ).samples;
  for (let n = 2; n < 5; n++) {
    const readings = hosts.map((host) => reading(host, n));
    const built = buildInterval(rules, many, samples, readings, T + 9000);
    samples = built.samples;
    const [counted] = built.intervals;
    assert.deepEqual(counted?.canary, { kind: "counts", requests: 100, bad: [0] });
    assert.deepEqual(counted?.baseline, { kind: "counts", requests: 900, bad: [0] });
  }
});

test("the real weight of the canary is compared after a thousand requests", () => {
  assert.equal(weightNote(0.1, 300, 900), null);
  assert.equal(weightNote(0.1, 120, 1200), null);
  assert.equal(weightNote(0.1, 600, 2000), "the canary gets 30 % of the requests, the weight that was set is 10 %");
  assert.match(weightNote(0.5, 200, 2000)!, /gets 10 %/);
});
