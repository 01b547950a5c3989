import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseRunbook } from "./parse.ts";

/** What is watched, and what is told about limits: one line each, with the line of the file. */
function rulesOf(text: string): string[] {
  const { runbook, diagnostics } = parseRunbook(text, "RUNBOOK.md");
  const rules = runbook.thresholds.map((one) => {
    const { line, metric, percentile, comparison, value, unit, holdMs, level } = one;
    const which = percentile === undefined ? metric : `${metric} p${percentile}`;
    const how = [level, holdMs === undefined ? undefined : `for ${holdMs / 1000} s`].filter(Boolean).join(" ");
    return `${line} ${which} ${comparison} ${value} ${unit} ${how}`.trim();
  });
  const told = diagnostics
    .filter(({ code }) => /^RB(?:30[135]|121)$/.test(code))
    .map((one) => `${one.line} ${one.code}`);
  return [...rules, ...told];
}

const below = (heading: string, lines: string): string[] => rulesOf(`# R\n## ${heading}\n${lines}\n`);

test("for how long a limit has to be broken is read from its column of the table", () => {
  const rows = "| CPU | < 75 % | 10 min |\n| Memory | > 90 % | |\n| Queue length | > 1000 | for 2m |\n";
  for (const header of ["Limit | Window", "Value | Duration"]) {
    const text = `# R\n\n## Limits\n\n| Signal | ${header} |\n|---|---|---|\n${rows}`;
    assert.deepEqual(
      parseRunbook(text, "RUNBOOK.md").runbook.thresholds.map(({ metric, value, holdMs }) => [metric, value, holdMs]),
      [
        ["cpu", 75, 600_000],
        ["memory", 90, undefined],
        ["queue-length", 1000, 120_000],
      ],
      header,
    );
  }
});

describe("the unit of a table's limits", () => {
  for (const header of ["Limit (ms)", "Limit [ms]", "Limit in ms", "Limit, ms", "Limit / ms"]) {
    test(`is read from its header: ${header}`, () => {
      const table = `| Signal | ${header} | For (min) |\n|---|---|---|\n| p50 latency | 100 | 5 |`;
      assert.deepEqual(below("Alert thresholds", table), ["5 response-time p50 > 100 ms for 300 s"]);
    });
  }

  test("is read from a column of its own", () => {
    const table =
      "| Metric | Unit | Warn | Crit |\n|---|---|---|---|\n| p95 latency | ms | 300 | 600 |\n| Errors | % | > 0.5 | > 1 |";
    assert.deepEqual(below("Alert thresholds", table), [
      "5 response-time p95 > 300 ms warning",
      "5 response-time p95 > 600 ms critical",
      "6 error-rate > 0.5 % warning",
      "6 error-rate > 1 % critical",
    ]);
  });
});

const READ: readonly (readonly [string, string, readonly string[]])[] = [
  ["Alert thresholds", "We stop when the error rate exceeds 0.5 %.", ["error-rate > 0.5 %"]],
  [
    "Alert thresholds",
    "Roll back when the error rate exceeds 1 % or p95 latency is above 500 ms.",
    ["error-rate > 1 %", "response-time p95 > 500 ms"],
  ],
  ["Monitoring", "If CPU usage stays above 85 % for seven minutes, we abort.", ["cpu > 85 % for 420 s"]],
  ["Alert thresholds", "Error rate above one percent for half an hour.", ["error-rate > 1 % for 1800 s"]],
  [
    "SLOs",
    "The p95 latency must stay below 400 ms, and CPU below 80 %.",
    ["response-time p95 >= 400 ms", "cpu >= 80 %"],
  ],
  ["SLOs", "Availability stays above 99.9 %.", ["error-rate >= 0.1 %"]],
  ["Alert thresholds", "The error rate must not be above 1 %.", ["error-rate > 1 %"]],
  ["Alert thresholds", "**Queue length > 500**", ["queue-length > 500 count"]],
  ["Alert thresholds", "Queue length > 500:", ["queue-length > 500 count"]],
  ["Alert thresholds", "> Memory usage must never exceed 2 GiB.", ["memory > 2147483648 bytes"]],
  ["Rollback", "Roll back when p99 latency exceeds 900 ms.", ["response-time p99 > 900 ms"]],
  ["Deployment", "If the error rate goes above 5 %, roll back.", ["error-rate > 5 %"]],
];

describe("a sentence that can mean one thing only is a rule", () => {
  for (const [heading, sentence, rules] of READ) {
    test(sentence, () => {
      assert.deepEqual(
        below(heading, sentence),
        rules.map((rule) => `3 ${rule}`),
      );
    });
  }
});

const TOLD: readonly (readonly [string, string, string])[] = [
  ["Alert thresholds", "Stop if the error rate is above 2 % and p95 latency is above 1 s.", "RB305"],
  ["Alert thresholds", "Do not roll back unless the error rate exceeds 3 %.", "RB305"],
  ["Alert thresholds", "Error rates are normally below 0.2 %.", "RB305"],
  ["Alert thresholds", "During peak hours p95 latency must stay below 800 ms.", "RB305"],
  ["Alert thresholds", "Alert when latency doubles.", "RB305"],
  ["Alert thresholds", "Last year the error rate was above 10 %.", "RB305"],
  ["Alert thresholds", "Roll back when the error rate does not stay below 2 %.", "RB305"],
  ["Alert thresholds", "CPU stays under 70 %; nobody is paged for it.", "RB305"],
  ["Deployment", "If the error rate goes above 5 %, stop here.", "RB121"],
  ["Rollback", "The error rate must be below 1 % again.", "RB121"],
  ["Gradual rollback", "Roll back when the error rate exceeds 0.5 %.", "RB121"],
];

describe("a sentence that may mean several things is told at its line", () => {
  for (const [heading, sentence, code] of TOLD) {
    test(sentence, () => assert.deepEqual(below(heading, sentence), [`3 ${code}`]));
  }
});

test("the place of a sentence is its own, also on a later line of its paragraph", () => {
  const text =
    "# R\n## Alert thresholds\nWe look at everything. It\nis calm. **Roll back** when\nthe error rate exceeds 1 %.\n";
  const [rule] = parseRunbook(text, "RUNBOOK.md").runbook.thresholds;
  assert.deepEqual([rule?.line, rule?.column], [4, 12]);
});

test("what is no limit is not told", () => {
  const text = "Deployments run for 20 minutes. The on-call engineer must answer within 5 minutes. We have 12 hosts.";
  assert.deepEqual(below("Alert thresholds", text), []);
  assert.deepEqual(below("Deployment", "Wait 10 minutes. Use at most 4 workers per host."), []);
});

test("a limit with remarks below it is read, and the remarks are none", () => {
  const list =
    "- Alerts\n  - Error rate > 1 %\n    - tell the DBA\n    - wait 10 minutes\n- Queue length: 500\n  1. call";
  assert.deepEqual(below("Alert thresholds", list), ["4 error-rate > 1 %", "7 queue-length > 500 count"]);
});

test("a number beside a metric without a comparison is told", () => {
  assert.deepEqual(below("Monitoring", "- Queue length: 500\n- CPU > 80 %"), ["4 cpu > 80 %", "3 RB305"]);
});

test("lines that say only how much are about what stands over them", () => {
  const list =
    "- Response time\n  - warning: p95 > 300 ms\n  - critical: p95 > 500 ms\n\n### CPU\n\n- above 80 % for nine minutes";
  assert.deepEqual(below("Alert thresholds", list), [
    "4 response-time p95 > 300 ms warning",
    "5 response-time p95 > 500 ms critical",
    "9 cpu > 80 % for 540 s",
  ]);
  const levels = "### Warning\n\n- Queue length > 100\n\n### Critical\n\n- Queue length > 500";
  assert.deepEqual(below("Alert thresholds", levels), [
    "5 queue-length > 100 count warning",
    "9 queue-length > 500 count critical",
  ]);
});

test("a time that stands over a list holds for its lines", () => {
  const list = "Roll back when any of these holds for ten minutes:\n\n- Error rate > 1.5 %\n- CPU > 90 % for 1 minute";
  const expected = ["5 error-rate > 1.5 % for 600 s", "6 cpu > 90 % for 60 s"];
  assert.deepEqual(below("Alert thresholds", list), expected);
  assert.deepEqual(below("Rollback", list), expected, "also in the section that says how");
});

test("of an alert with several limits each is a rule, where any of them is enough", () => {
  const list = "- p50 > 150ms or p99 > 2s\n- p50 > 100 ms, p99 > 1 s\n- CPU > 80 % or somebody complains";
  assert.deepEqual(below("Alert thresholds", list), [
    "3 response-time p50 > 150 ms",
    "3 response-time p99 > 2000 ms",
    "5 cpu > 80 %",
    "4 RB305",
  ]);
});

test("a table without a header has its first limit where the header would be", () => {
  const table = "| p95 latency | 500 ms |\n|---|---|\n| CPU | 80 % |";
  assert.deepEqual(below("Alert thresholds", table), ["3 response-time p95 > 500 ms", "5 cpu > 80 %"]);
});

test("how long something waits in a queue is not the length of the queue, and 10k is a number", () => {
  const list = "- Time in queue (p90) > 30 s\n- Queue depth > 10k\n- Queue length: 2.5k messages";
  assert.deepEqual(below("Alert thresholds", list), [
    "3 other p90 > 30000 ms",
    "4 queue-length > 10000 count",
    "5 queue-length > 2500 count",
  ]);
});
