import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readThreshold } from "./threshold.ts";
import type { Sense } from "./threshold.ts";

function told(text: string, sense: Sense): string {
  const result = readThreshold(text, sense);
  if ("message" in result) return result.problem;
  const { metric, comparison, value, unit, percentile, aggregate, holdMs } = result.rule;
  const which = aggregate ?? (percentile === undefined ? "" : `p${percentile}`);
  return [metric, which, comparison, value, unit, holdMs === undefined ? "" : `for ${holdMs}`, result.problem ?? ""]
    .filter((part) => part !== "")
    .join(" ");
}

const ALERTS: readonly (readonly [string, string])[] = [
  ["Response time > 500ms", "response-time > 500 ms RB302"],
  ["p99 latency above 300 ms", "response-time p99 > 300 ms"],
  ["p99 > 750 ms", "response-time p99 > 750 ms"],
  ["P50: must not exceed 0.2s", "response-time p50 > 200 ms"],
  ["p99 replication lag > 5 s", "other p99 > 5000 ms"],
  ["p999 latency > 1s", "response-time p99.9 > 1000 ms"],
  ["95th percentile response time ≥ 1.5 s", "response-time p95 >= 1500 ms"],
  ["Latency (p95) – 400 ms", "response-time p95 > 400 ms"],
  ["median response time over 80 milliseconds", "response-time p50 > 80 ms"],
  ["average latency above 250ms over 10 min", "response-time mean > 250 ms for 600000"],
  ["Response time over 2 seconds", "response-time > 2000 ms RB302"],
  ["response time must be no more than 500ms", "response-time > 500 ms RB302"],
  ["error rate exceeds 0.5 %", "error-rate > 0.5 %"],
  ["5xx > 1%", "error-rate > 1 %"],
  ["HTTP 503 responses above 1 percent", "error-rate > 1 %"],
  ["Error rate: 1%", "error-rate > 1 %"],
  ["error rate 1% or higher", "error-rate >= 1 %"],
  ["Success rate below 99 %", "error-rate > 1 %"],
  ["4xx rate above 5%", "other > 5 %"],
  ["CPU at 80% or more for 5 minutes", "cpu >= 80 % for 300000"],
  ["CPU above 85% for ten minutes", "cpu > 85 % for 600000"],
  ["CPU above 85% for an hour", "cpu > 85 % for 3600000"],
  ["memory over 85 percent", "memory > 85 %"],
  ["heap above 2 GiB", "memory > 2147483648 bytes"],
  ["Database connections > 80", "db-connections > 80 count"],
  ["DB connection pool over 90 %", "db-connections > 90 %"],
  ["Queue length > 1,000", "queue-length > 1000 count"],
  ["Messages in the queue: 500", "queue-length > 500 count"],
  ["throughput < 100 rps", "other < 100 per-second"],
  ["Replication lag > 10 s", "other > 10000 ms"],
  ["Response time > 500", "RB301"],
  ["Memory > 85", "RB301"],
  ["Replication lag > 10", "RB301"],
  ["CPU > 80 ms", "RB301"],
  ["Error rate < 1%", "RB303"],
  ["Watch the logs", "RB305"],
  ["p50 > 100 ms, p99 > 1 s", "RB305"],
  ["Error rate > 150%", "RB306"],
  ["p100 latency > 1 s", "RB306"],
];

const TARGETS: readonly (readonly [string, string])[] = [
  ["p99 latency < 300 ms", "response-time p99 >= 300 ms"],
  ["p95 response time at most 250 ms", "response-time p95 > 250 ms"],
  ["Availability >= 99.9%", "error-rate > 0.1 %"],
  ["Response time > 500ms", "RB303"],
];

describe("readThreshold", () => {
  for (const [text, expected] of ALERTS) it(`alert: ${text}`, () => assert.equal(told(text, "alert"), expected));
  for (const [text, expected] of TARGETS) it(`target: ${text}`, () => assert.equal(told(text, "target"), expected));

  it("takes either direction where a list is both, and always states what is bad", () => {
    assert.equal(told("CPU < 70%", "either"), "cpu >= 70 %");
    assert.equal(told("CPU > 70%", "either"), "cpu > 70 %");
  });
});
