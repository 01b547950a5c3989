import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostReading } from "../../analysis/metrics.ts";
import type { OperationReport } from "../../operation.ts";
import { fakeClock, type FakeClock } from "../monitor/fake-world.ts";
import { DirectContext } from "./testing/direct-context.ts";
import { runOperation, scratch } from "./testing/fixtures.ts";
import { checkWorld, type CheckWorld } from "./testing/world.ts";

const START = 1_700_000_000_000;

/** Counters that grow with the clock: 100 requests a second, of which a part fails. */
function counting(errorsOf: (host: string) => number): (host: string, now: number) => HostReading {
  return (host, at) => {
    const requests = Math.round((at - START) / 10);
    return {
      host,
      at,
      mode: "cumulative",
      requests,
      errors: Math.round(requests * errorsOf(host)),
      startedAtSeconds: 1,
    };
  };
}

/** Runs the operation while the clock is moved on. */
async function watched(world: CheckWorld, clock: FakeClock, seconds = 30): Promise<OperationReport | Error> {
  const state = { ended: false };
  const outcome = runOperation(world.operation("monitor-deployment"), {
    system: { ...world.system, monitoring: { ...world.system.monitoring, intervalMs: 1_000 } },
    args: { seconds: String(seconds) },
    context: new DirectContext(clock),
  })
    .catch((error: unknown) => error as Error)
    .finally(() => (state.ended = true));
  for (let i = 0; i < 200 && !state.ended; i++) await clock.advance(500);
  return outcome;
}

test("hosts within their thresholds pass, with what was observed", async (t) => {
  const clock = fakeClock(START);
  const world = checkWorld(scratch(t), clock);
  world.reading = counting(() => 0.001);
  const report = await watched(world, clock);
  assert.ok(!(report instanceof Error), String(report));
  assert.equal(report.summary, "2 hosts stayed within every threshold for 30 s");
  assert.match(
    report.findings?.find(({ subject }) => subject === "web-1")?.message ?? "",
    /Error rate > 1%: 0\.1 % errors, limit 1 % \(e-value/,
  );
});

test("a threshold that had nothing to judge is not said to be kept", async (t) => {
  const clock = fakeClock(START);
  const world = checkWorld(scratch(t), clock);
  const busy = counting(() => 0);
  const idle = counting(() => 0);
  world.reading = (host, at) => (host === "web-2" ? { ...idle(host, START), at } : busy(host, at));
  const some = await watched(world, clock);
  assert.ok(!(some instanceof Error), String(some));
  assert.match(
    some.summary,
    /^2 hosts stayed within the thresholds that could be judged for 30 s; nothing was observed for Error rate > 1% on web-2$/,
  );
  world.reading = (host, at) => ({ ...idle(host, START), at });
  const none = await watched(world, clock);
  assert.ok(!(none instanceof Error), String(none));
  assert.match(none.summary, /; nothing was observed for Error rate > 1%$/);
});

test("one bad host among good ones is named, with the rule and the figures", async (t) => {
  const clock = fakeClock(START);
  const world = checkWorld(scratch(t), clock);
  world.reading = counting((host) => (host === "web-2" ? 0.08 : 0));
  const failure = await watched(world, clock);
  assert.ok(failure instanceof Error);
  assert.match(
    failure.message,
    /^1 of 2 checks failed: web-2: Error rate > 1%: degraded: [\d.]+ % errors, limit 1 % \(e-value/,
  );
});

test("a host that stops answering is blind, and named", async (t) => {
  const clock = fakeClock(START);
  const world = checkWorld(scratch(t), clock);
  const good = counting(() => 0);
  world.reading = (host, at) =>
    host === "web-1" && at > START + 5_000 ? { host, failed: "connect ECONNREFUSED" } : good(host, at);
  const failure = await watched(world, clock);
  assert.ok(failure instanceof Error);
  assert.match(failure.message, /web-1: Error rate > 1%: blind: no data .*connect ECONNREFUSED/);
});

test("a source that never answered is blind, not healthy", async (t) => {
  const clock = fakeClock(START);
  const world = checkWorld(scratch(t), clock);
  world.reading = (host) => ({ host, failed: "connect ECONNREFUSED" });
  const failure = await watched(world, clock);
  assert.ok(failure instanceof Error);
  assert.match(failure.message, /web-1.*blind.*; web-2.*blind/);
});

test("without rules there is nothing to watch, which is no pass", async (t) => {
  const clock = fakeClock(START);
  const world = checkWorld(scratch(t), clock);
  world.rules = [];
  const failure = await watched(world, clock);
  assert.ok(failure instanceof Error);
  assert.match(failure.message, /no rule is watched: the runbook states no threshold/);
});
