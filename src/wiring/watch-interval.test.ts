import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostReading, MetricSource, PastInterval } from "../analysis/metrics.ts";
import { systemClock } from "../clock.ts";
import type { IntervalRow } from "../operations/monitor/ports.ts";
import { systemSchema, type SystemConfig } from "../system/schema.ts";
import { intervalOf, type IntervalQuestion } from "./watch-interval.ts";

const systemOf = (monitoring: SystemConfig["monitoring"] = {}) =>
  systemSchema.parse({
    service: "payments",
    environment: "production",
    releases: { dir: "/r", trustedKeys: ["k"] },
    hosts: ["web-1", "web-2"].map((name, i) => ({ name, root: `/srv/${name}`, port: 4001 + i })),
    loadBalancer: { kind: "embedded", socket: "/s" },
    database: { kind: "sqlite", file: "/d", backupDir: "/b" },
    monitoring,
  });

/** Hosts that have served `perSecond` requests for a thousand seconds. */
function sourceOf(perSecond: number, past?: readonly PastInterval[]): MetricSource {
  const read = (hosts: readonly string[]): Promise<HostReading[]> =>
    Promise.resolve(
      hosts.map((host) => ({
        host,
        at: 2_000_000,
        mode: "cumulative",
        requests: perSecond * 1000,
        startedAtSeconds: 1000,
      })),
    );
  return { name: "test", read, ...(past === undefined ? {} : { past: () => Promise.resolve(past) }) };
}

const ask = (source: MetricSource, more: Partial<IntervalQuestion> = {}): IntervalQuestion => {
  return { source, baseline: ["web-1"], part: 0.1, earlier: [], clock: systemClock, ...more };
};

/** Errors by themselves, one in every third second. */
const SCATTERED: PastInterval[] = Array.from({ length: 600 }, (_, i) => ({
  requests: 100,
  errors: i % 3 === 0 ? 1 : 0,
}));

test("the configured length counts, whatever the past says", async () => {
  const chosen = await intervalOf(systemOf({ intervalMs: 3000 }), ask(sourceOf(100, SCATTERED)));
  assert.deepEqual(chosen, { intervalMs: 3000, reason: "set by monitoring.intervalMs" });
});

test("the length is learned from the past of the source", async () => {
  const chosen = await intervalOf(systemOf(), ask(sourceOf(100, SCATTERED)));
  assert.equal(chosen.intervalMs, 1000);
  assert.match(chosen.reason, /uncorrelated/);
});

test("without a past of the source, earlier watches tell, and without any ten seconds are careful enough", async () => {
  const rows = SCATTERED.map(({ requests, errors }, i): IntervalRow => ({
    rule: "error-rate",
    arm: "baseline",
    start: i * 1000,
    ms: 1000,
    data: { kind: "counts", requests, bad: [errors] },
  }));
  const learned = await intervalOf(systemOf(), ask(sourceOf(100), { earlier: [rows] }));
  assert.equal(learned.intervalMs, 1000);
  const unknown = await intervalOf(systemOf(), ask(sourceOf(100)));
  assert.deepEqual(unknown, { intervalMs: 10_000, reason: "no past of the baseline is known" });
});

test("a canary that gets few requests is looked at in longer intervals", async () => {
  // Two hosts with 0.25 requests a second each: a tenth of that is one in twenty seconds.
  const chosen = await intervalOf(systemOf(), ask(sourceOf(0.25)));
  assert.equal(chosen.intervalMs, 32_000);
  assert.match(chosen.reason, /few requests/);
});

test("a source that fails leaves the careful length", async () => {
  const broken: MetricSource = { name: "broken", read: () => Promise.reject(new Error("no route")) };
  const chosen = await intervalOf(systemOf(), ask(broken));
  assert.equal(chosen.intervalMs, 10_000);
});
