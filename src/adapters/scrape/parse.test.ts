import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMetrics } from "./parse.ts";

test("names, labels, values and timestamps are read as the format has them", () => {
  const { series, malformed } = parseMetrics(
    [
      "# HELP http_requests_total All of them.",
      "# TYPE http_requests_total counter",
      'http_requests_total{method="post",code="200"} 1027 1395066363000',
      'http_requests_total{method="post",code="400",} 3',
      "  spaced_out  1.5e+3",
      "minimal +Inf",
      "lowest -Inf",
      "nothing NaN",
      "",
    ].join("\r\n"),
  );
  assert.equal(malformed, 0);
  assert.deepEqual(series.get("http_requests_total"), [
    { labels: { method: "post", code: "200" }, value: 1027 },
    { labels: { method: "post", code: "400" }, value: 3 },
  ]);
  assert.equal(series.get("spaced_out")?.[0]?.value, 1500);
  assert.equal(series.get("minimal")?.[0]?.value, Infinity);
  assert.equal(series.get("lowest")?.[0]?.value, -Infinity);
  assert.ok(Number.isNaN(series.get("nothing")?.[0]?.value));
});

test("escapes in labels are undone, and braces and commas inside them are text", () => {
  const { series } = parseMetrics(String.raw`m{path="C:\\DIR\\FILE",error="no \"x\"\nfor {a},{b}"} 1`);
  assert.deepEqual(series.get("m")?.[0]?.labels, { path: "C:\\DIR\\FILE", error: 'no "x"\nfor {a},{b}' });
});

test("exemplars of OpenMetrics are left aside", () => {
  const { series, malformed } = parseMetrics('h_bucket{le="0.5"} 7 # {trace_id="abc"} 0.43 1520879607.789\n# EOF\n');
  assert.deepEqual(series.get("h_bucket"), [{ labels: { le: "0.5" }, value: 7 }]);
  assert.equal(malformed, 0);
});

test("a metric that is declared but has no sample yet is an empty list", () => {
  const { series } = parseMetrics("# TYPE h histogram\n# TYPE c counter\n");
  assert.deepEqual([...series.keys()], ["h_bucket", "h_count", "h_sum", "c"]);
  assert.deepEqual(series.get("c"), []);
});

test("broken lines are counted and do not hide the others", () => {
  const text = ['m{a="1} 2', "m{a=1} 2", "m", 'm{a="1"}', "m 0x10", "m 1 2", "<html>", "9m 3", "ok 4"].join("\n");
  const { series, malformed } = parseMetrics(text);
  assert.equal(malformed, 7);
  assert.deepEqual([...series.keys()].toSorted(), ["m", "ok"]);
  assert.deepEqual(series.get("m"), [{ labels: {}, value: 1 }]);
});

test("only what is asked for is kept", () => {
  const { series } = parseMetrics("a 1\nb 2\n# TYPE c counter\n", new Set(["b"]));
  assert.deepEqual([...series.keys()], ["b"]);
});

test("a label with the name of a prototype is a label", () => {
  const { series } = parseMetrics('m{__proto__="x"} 1');
  assert.deepEqual(Object.keys(series.get("m")![0]!.labels), ["__proto__"]);
});

function page(lines: number): string {
  return Array.from({ length: lines }, (_, i) => `m{a="${"x".repeat(20)}",b="${i}"} ${i}`).join("\n");
}

/** The best of five, nanoseconds. */
function timeOf(text: string): number {
  const runs = Array.from({ length: 5 }, () => {
    const from = process.hrtime.bigint();
    parseMetrics(text);
    return Number(process.hrtime.bigint() - from);
  });
  return Math.min(...runs);
}

test("time grows with the text, not faster", () => {
  timeOf(page(2000));
  assert.ok(timeOf(page(40_000)) < 4 * 10 * timeOf(page(4000)));
  // One endless line, one endless label, one endless row of escapes, one of commas.
  for (const text of ["x".repeat(1e6), `m{a="${"y".repeat(1e6)}`, `m{a="${"\\".repeat(1e6)}`, `m{${",".repeat(1e6)}`]) {
    assert.ok(timeOf(text) < 500e6);
  }
});
