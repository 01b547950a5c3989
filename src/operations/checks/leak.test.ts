import assert from "node:assert/strict";
import { test } from "node:test";
import { mannKendall, memoryTrend, theilSen } from "./leak.ts";
import { memoryReading } from "./testing/world.ts";

const MB = 1024 * 1024;
const trend = (alive: (second: number) => number, seconds = 60): ReturnType<typeof memoryTrend> => {
  const { samples, limitBytes } = memoryReading({ alive, seconds });
  return memoryTrend(samples, limitBytes);
};

test("what stays after collections and rises all the time is a leak, with its rate", () => {
  const found = trend((second) => 20 * MB + second * MB);
  assert.equal(found?.leaks, true);
  assert.ok(Math.abs((found?.bytesPerSecond ?? 0) - MB) < 0.2 * MB, `about 1 MiB/s, not ${found?.bytesPerSecond}`);
  assert.ok(Math.abs((found?.bytesPerRequest ?? 0) - MB / 50) < 0.005 * MB);
  assert.ok((found?.msToLimit ?? 0) > 100_000 && (found?.msToLimit ?? 0) < 200_000);
});

for (const [what, alive] of [
  ["garbage that comes and goes", () => 20 * MB],
  ["caches that fill in the first seconds", (second: number) => 20 * MB + Math.min(second, 9) * 4 * MB],
  ["a single step, such as a report that was loaded", (second: number) => (second < 30 ? 20 * MB : 24 * MB)],
  ["a slow drift far from the limit", (second: number) => 20 * MB + second * 1024],
  ["memory that is given back", (second: number) => 80 * MB - second * MB],
] as const) {
  test(`${what}: no leak`, () => assert.equal(trend(alive)?.leaks, false));
}

test("a trend needs samples and time", () => {
  assert.equal(
    trend(() => MB, 5),
    null,
  );
  assert.equal(
    trend(() => MB, 9),
    null,
  );
  assert.notEqual(
    trend(() => MB, 12),
    null,
  );
});

test("the slope is that of most points, whatever a few outliers say", () => {
  const points = [0, 1, 2, 3, 4, 5, 6].map((x) => [x * 1000, x === 3 ? 1e9 : 2 * x] as const);
  assert.equal(theilSen(points), 2);
  assert.equal(theilSen([[0, 1]]), 0);
});

test("the statistic of a strictly rising series of ten is 3.94, of a falling one its opposite, of a flat one zero", () => {
  const rising = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  // S = 45, variance = 10·9·25/18 = 125: (45 − 1)/√125.
  assert.ok(Math.abs(mannKendall(rising) - 44 / Math.sqrt(125)) < 1e-12);
  assert.equal(mannKendall(rising.toReversed()), -mannKendall(rising));
  assert.equal(mannKendall([5, 5, 5, 5]), 0);
});
