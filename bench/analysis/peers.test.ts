import assert from "node:assert/strict";
import { test } from "node:test";
import type { Look } from "./peers.ts";
import {
  argo,
  CONFIDENCES,
  estimate,
  flagger,
  highAt,
  kayenta,
  quantile,
  scoreOf,
  statistic,
  Window,
} from "./peers.ts";
import { EDGES } from "./scenario.ts";
import type { ArmSecond } from "./simulate.ts";

const good: Look = { errors: 0.001, slow: 0.01, cpu: 0.5, memory: 0.5 };
const at = (seconds: number, change: Partial<Look> = {}): { at: number; look: Look } => ({
  at: seconds,
  look: { ...good, ...change },
});
const close = (actual: number, expected: number, tolerance: number): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

function second(errors: number): ArmSecond {
  return { requests: 10, errors, slower: EDGES.map(() => 1), cpu: 0.5, memory: 0.25 };
}

/** Of 100 requests, 90 within 0.1 s, 92 within 0.15 s and all within 0.2 s. */
function within(edge: number): number {
  return edge < 0.1 ? 0 : edge < 0.15 ? 90 : edge < 0.2 ? 92 : 100;
}

test("Flagger counts every check that misses, without taking one back, and a missing value is a miss", () => {
  const looks = [
    at(60, { errors: 0.005 }),
    at(120, { errors: 0.02 }),
    at(180),
    at(240, { errors: null, slow: null }),
    at(300, { slow: 0.06 }),
    at(360, { errors: 0.02, slow: 0.06, cpu: 0.9 }),
  ];
  // Threshold 1 rolls back at 120 s, 2 at 240 s, 3 at 300 s, 4 at 360 s: one check is one failure, whatever missed.
  assert.deepEqual(flagger(looks), [120, 240, 300, 360]);
});

test("a success rate of exactly 99 % is within Flagger's and Argo's range", () => {
  assert.deepEqual(flagger([at(60, { errors: 0.01 })]), []);
  assert.deepEqual(argo([at(60, { errors: 0.01 })]), []);
});

test("Argo counts each metric by itself and aborts when one exceeds the failure limit", () => {
  const looks = [
    at(60, { errors: 0.02 }),
    at(120, { slow: 0.06 }),
    at(180, { errors: 0.02 }),
    at(240, { slow: 0.06 }),
    at(300, { slow: 0.06 }),
  ];
  // Limit 0: errors at 60 s. Limit 1: errors for the second time at 180 s. Limit 2: slow for the third time at 300 s.
  assert.deepEqual(argo(looks), [60, 180, 300]);
});

test("five points above five others reject equality at 98 %, by 12 ranks in units of 4.787", () => {
  // Ranks 6 to 10 sum to 40, 12.5 above their mean of 27.5; less 0.5; σ² = 25/12 · 11.
  close(statistic([5, 6, 7, 8, 9], [0, 1, 2, 3, 4], 0), 12 / Math.sqrt((25 / 12) * 11), 1e-12);
  assert.equal(statistic([1, 1], [1, 1], 0), 0);
});

test("ties share their rank and lessen the spread", () => {
  // Shifted by 1 the samples share one value: ranks 5.5, 7, 8, 9, 10; one pair of ties takes 6/90 off.
  close(
    statistic([5, 6, 7, 8, 9], [0, 1, 2, 3, 4], 1),
    (39.5 - 27.5 - 0.5) / Math.sqrt((25 / 12) * (11 - 6 / 90)),
    1e-12,
  );
});

test("the estimated shift is the median of all differences", () => {
  close(estimate([5, 6, 7, 8, 9], [0, 1, 2, 3, 4]), 5, 0.01);
  close(estimate([1, 2, 10], [1, 1, 1]), 1, 0.01);
});

test("a shift counts as high only beyond a quarter of itself", () => {
  // Shift 5, a quarter is 1.25; there one pair is out of order: (24 − 12.5 − 0.5)/4.787 = 2.298 < 2.326.
  assert.equal(highAt([5, 6, 7, 8, 9], [0, 1, 2, 3, 4])[0], false);
  // Shift 10, a quarter is 2.5, and no pair is out of order there.
  assert.equal(highAt([10, 11, 12, 13, 14], [0, 1, 2, 3, 4])[0], true);
  // Five points reject nothing at 99.999 %: the bound is the least possible shift, 6, which is beyond 2.5.
  assert.equal(highAt([10, 11, 12, 13, 14], [0, 1, 2, 3, 4]).at(-1), true);
  assert.equal(highAt([5, 6, 7, 8, 9], [0, 1, 2, 3, 4]).at(-1), false);
});

test("one point of the baseline far above all others changes its mean, not the ranks", () => {
  const canary = [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9];
  const baseline = [0, 0, 0, 0, 0, 0, 0, 0, 0, 100];
  // 90 of 100 pairs are in order: 39.5 in units of √(100/12·(21 − 720/380)) = 12.62, also shifted by a quarter of 1.4.
  close(statistic(canary, baseline, 0), 39.5 / Math.sqrt((100 / 12) * (21 - 720 / 380)), 1e-12);
  assert.equal(highAt(canary, baseline)[0], true);
});

test("lower values, equal values and missing points are not high", () => {
  const never = CONFIDENCES.map(() => false);
  assert.deepEqual(highAt([0, 1, 2, 3, 4], [10, 11, 12, 13, 14]), never);
  assert.deepEqual(highAt([0, 0, 0], [0, 0, 0]), never);
  assert.deepEqual(highAt([], [1, 2]), never);
});

test("the score is the mean over groups of the part that passes", () => {
  const results = [
    { group: "errors", passes: true },
    { group: "latency", passes: true },
    { group: "system", passes: true },
    { group: "system", passes: false },
  ];
  close(scoreOf(results), (100 * 2.5) / 3, 1e-9);
  close(scoreOf(results.map((one) => ({ ...one, passes: one.group !== "errors" }))), 200 / 3, 1e-9);
});

test("Kayenta stops below marginal at once, and below pass at the end", () => {
  const flat = { canary: [1, 2, 3, 4, 5], baseline: [1, 2, 3, 4, 5] };
  const high = { canary: [10, 11, 12, 13, 14], baseline: [0, 1, 2, 3, 4] };
  const metrics = (errors: typeof flat, memory: typeof flat) => [
    { group: "errors", ...errors },
    { group: "latency", ...flat },
    { group: "system", ...flat },
    { group: "system", ...memory },
  ];
  // One of two in a group: 83.3, between marginal 75 and pass 95.
  assert.equal(kayenta(metrics(flat, high), false)[0], true);
  assert.equal(kayenta(metrics(flat, high), true)[0], false);
  // A whole group: 66.7.
  assert.equal(kayenta(metrics(high, flat), false)[0], false);
  assert.equal(kayenta(metrics(flat, flat), true)[0], true);
  // Half of the metrics without data.
  const empty = { canary: [], baseline: [] };
  assert.equal(
    kayenta(
      [
        { group: "errors", ...empty },
        { group: "latency", ...flat },
      ],
      false,
    )[0],
    false,
  );
});

test("a look covers the last minute only", () => {
  const window = new Window(60);
  for (let i = 0; i < 60; i++) window.add(second(1));
  for (let i = 0; i < 30; i++) window.add(second(0));
  assert.deepEqual(window.look(), { errors: 0.05, slow: 0.1, cpu: 0.5, memory: 0.25 });
});

test("the p95 is interpolated within its bucket as Prometheus does", () => {
  close(
    quantile(
      EDGES.map((edge) => 100 - within(edge)),
      100,
      0.95,
    ),
    0.15 + 0.05 * (3 / 8),
    1e-12,
  );
});
