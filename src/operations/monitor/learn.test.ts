import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetricSource, PastInterval } from "../../analysis/metrics.ts";
import { fakeClock } from "./fake-world.ts";
import { withHostReadings } from "./host-readings.ts";
import { learnInterval, PAST_MS, recordedPast } from "./learn.ts";
import type { IntervalRow } from "./ports.ts";

const { signal } = new AbortController();
const quiet: PastInterval[] = Array.from({ length: 3600 }, (_, i) => ({
  requests: 100,
  errors: (i * 7919) % 13 === 0 ? 1 : 0,
}));

function source(change: Partial<MetricSource>): MetricSource {
  return { name: "test", read: () => Promise.resolve([]), ...change };
}

function rows(ms: number, count: number, errorsAt: (i: number) => number): IntervalRow[] {
  return Array.from({ length: count }, (_, i) => ({
    rule: "error-rate",
    arm: "baseline",
    start: i * ms,
    ms,
    data: { kind: "counts", requests: 100, bad: [errorsAt(i)] },
  }));
}

test("the length is learned from an hour of the source's past", async () => {
  const clock = fakeClock();
  const asked: [number, number][] = [];
  const past: NonNullable<MetricSource["past"]> = (_, options) => {
    asked.push([options.toMs - options.fromMs, options.stepMs]);
    return Promise.resolve(quiet);
  };
  const chosen = await learnInterval({ source: source({ past }), hosts: ["a"], clock, signal });
  assert.equal(chosen.intervalMs, 1000);
  assert.deepEqual(asked, [[PAST_MS, 1000]]);
});

test("a source that has new figures every 15 s gets intervals of at least 15 s", async () => {
  const past = () => Promise.resolve(quiet.slice(0, 240));
  const chosen = await learnInterval({
    source: source({ past, stepMs: 15_000 }),
    hosts: ["a"],
    clock: fakeClock(),
    signal,
  });
  assert.ok(chosen.intervalMs >= 15_000);
});

test("without a past of the source, an earlier deployment's baseline serves", async () => {
  const options = { source: source({}), hosts: ["a"], clock: fakeClock(), signal };
  const earlier = [[], rows(1000, 600, (i) => ((i * 7919) % 13 === 0 ? 1 : 0))];
  assert.equal((await learnInterval({ ...options, earlier })).intervalMs, 1000);
  assert.equal((await learnInterval(options)).intervalMs, 10_000);
});

test("a source whose past cannot be read is no error", async () => {
  const past = () => Promise.reject(new Error("down"));
  const chosen = await learnInterval({ source: source({ past }), hosts: ["a"], clock: fakeClock(), signal });
  assert.deepEqual(chosen, { intervalMs: 10_000, reason: "no past of the baseline is known" });
});

test("what was recorded across a pause is left out", () => {
  const kept = rows(2000, 5, () => 1);
  const { past, seconds } = recordedPast([...kept, { ...kept[0]!, start: 10_000, ms: 60_000 }]);
  assert.equal(seconds, 2);
  assert.equal(past.length, 5);
  assert.deepEqual(recordedPast([]), { past: [], seconds: 1 });
});

test("CPU and memory come from the hosts where the metrics have none", async () => {
  const read: MetricSource["read"] = () =>
    Promise.resolve([
      { host: "a", at: 1, mode: "cumulative", requests: 5 },
      { host: "b", at: 1, mode: "cumulative", cpuShare: 0.5, memoryShare: 0.5 },
      { host: "c", at: 1, mode: "cumulative" },
      { host: "d", failed: "down" },
    ]);
  const usage = { cpuMs: 2500, cpus: 2, rssBytes: 300, limitBytes: 1000 };
  const usageOf = (host: string) => (host === "c" ? Promise.reject(new Error("no route")) : Promise.resolve(usage));
  const readings = await withHostReadings(source({ read }), usageOf).read(["a", "b", "c", "d"], signal);
  assert.deepEqual(readings, [
    { host: "a", at: 1, mode: "cumulative", requests: 5, cpuSeconds: 2.5, cpuLimitCores: 2, memoryShare: 0.3 },
    { host: "b", at: 1, mode: "cumulative", cpuShare: 0.5, memoryShare: 0.5 },
    { host: "c", at: 1, mode: "cumulative" },
    { host: "d", failed: "down" },
  ]);
});
