import assert from "node:assert/strict";
import { test } from "node:test";
import type { InterruptReason } from "../../engine/context.ts";
import { isSunnyError } from "../../errors.ts";
import type { Rule } from "../../analysis/rule.ts";
import { analysisSettings, withShares } from "../../analysis/settings.ts";
import { explain } from "./explain.ts";
import type { FakeClock, FakeHost } from "./fake-world.ts";
import { fakeClock, fakeSource, memoryStore } from "./fake-world.ts";
import type { IntervalStore } from "./ports.ts";
import type { Watcher, WatcherOptions } from "./watcher.ts";
import { startWatcher } from "./watcher.ts";

const rules = withShares<Rule>([
  { id: "error-rate", title: "Error rate > 1 %", kind: "error-rate", share: 0, limit: 0.01 },
  { id: "compared", title: "Errors compared", kind: "errors-versus-baseline", share: 0, tolerate: 1 },
  { id: "p95", title: "p95 > 500 ms", kind: "latency", share: 0, edgeSeconds: 0.5, percentile: 95, limit: 0.05 },
]);
const settings = analysisSettings({ rules, intervalMs: 1000, plannedIntervals: 60 });

interface Scene {
  readonly clock: FakeClock;
  readonly hosts: Record<string, FakeHost>;
  readonly store: IntervalStore;
  readonly watcher: Watcher;
  readonly interrupts: InterruptReason[];
  readonly notes: string[];
  readonly options: WatcherOptions;
}

async function scene(change: Partial<WatcherOptions> = {}): Promise<Scene> {
  const clock = fakeClock();
  const { source, hosts } = fakeSource(clock, ["a", "b"]);
  const store = memoryStore();
  const interrupts: InterruptReason[] = [];
  const notes: string[] = [];
  const options: WatcherOptions = {
    settings,
    source,
    store,
    clock,
    arms: () => ({ canary: ["a"], baseline: ["b"], weight: 0.5 }),
    interrupt: (reason) => Promise.resolve(void interrupts.push(reason)),
    onNote: (note) => notes.push(note),
    ...change,
  };
  const watcher = startWatcher(options);
  await clock.advance(0);
  return { clock, hosts, store, watcher, interrupts, notes, options };
}

test("a healthy canary passes its bake when the time is over, not before", async () => {
  const { clock, watcher, interrupts } = await scene();
  watcher.beginBake("canary", 30_000);
  await clock.advance(29_500);
  assert.equal(watcher.bake("canary").outcome, "running");
  await clock.advance(1000);
  assert.equal(watcher.bake("canary").outcome, "passed");
  assert.deepEqual(interrupts, []);
  await watcher.stop();
  await watcher.done;
});

test("a failing canary raises one breach that names the rule, within seconds", async () => {
  const { clock, hosts, watcher, interrupts } = await scene();
  await clock.advance(5000);
  hosts["a"]!.errorsPerSecond = 20;
  await clock.advance(10_000);
  assert.equal(interrupts.length, 1);
  assert.equal(interrupts[0]!.kind, "breach");
  assert.ok(rules.some((rule) => rule.id === interrupts[0]!.by));
  watcher.beginBake("late", 1000);
  assert.equal(watcher.bake("late").outcome, "roll-back");
  await watcher.stop();
});

test("a shared outage raises a hold", async () => {
  const { clock, hosts, watcher, interrupts } = await scene();
  for (const host of Object.values(hosts)) host.errorsPerSecond = 100;
  await clock.advance(20_000);
  assert.deepEqual(
    interrupts.map(({ kind }) => kind),
    ["hold"],
  );
  await watcher.stop();
});

test("an interrupt that cannot be raised is tried again after the next interval", async () => {
  let failures = 3;
  const raised: string[] = [];
  const { clock, hosts, watcher } = await scene({
    interrupt(reason) {
      if (failures-- > 0) return Promise.reject(new Error("database is locked"));
      raised.push(reason.kind);
      return Promise.resolve();
    },
  });
  hosts["a"]!.errorsPerSecond = 50;
  await clock.advance(20_000);
  assert.deepEqual(raised, ["breach"]);
  await watcher.stop();
});

test("a source that is down from the start is blind, and sees when it comes back", async () => {
  const { clock, hosts, watcher, interrupts, notes } = await scene();
  for (const host of Object.values(hosts)) host.down = "connection refused";
  watcher.beginBake("canary", 20_000);
  await clock.advance(17_000);
  assert.equal(watcher.judgement().verdict, "blind");
  await clock.advance(10_000);
  assert.equal(watcher.bake("canary").outcome, "running", "it is extended once");
  for (const host of Object.values(hosts)) host.down = null;
  await clock.advance(41_000);
  assert.equal(watcher.bake("canary").outcome, "passed");
  assert.deepEqual(interrupts, []);
  assert.ok(notes.includes("connection refused"));
  await watcher.stop();
});

test("a source that stays down ends in a question, never in a verdict on the release", async () => {
  const { clock, hosts, watcher, interrupts } = await scene();
  await clock.advance(3000);
  for (const host of Object.values(hosts)) host.down = "connection refused";
  watcher.beginBake("canary", 20_000);
  await clock.advance(21_000);
  assert.equal(watcher.bake("canary").outcome, "running");
  await clock.advance(21_000);
  const { outcome, reasons } = watcher.bake("canary");
  assert.equal(outcome, "ask");
  assert.match(reasons.join("\n"), /no data of the canary for \d+ s: connection refused/);
  assert.deepEqual(interrupts, []);
  await watcher.stop();
});

test("a source that throws or never answers blinds the interval and is asked again", async () => {
  const clock = fakeClock();
  const { source } = fakeSource(clock, ["a", "b"]);
  let mode: "good" | "throws" | "hangs" = "throws";
  const unreliable = {
    name: "the source",
    read(hosts: readonly string[], signal: AbortSignal) {
      if (mode === "good") return source.read(hosts, signal);
      if (mode === "throws") return Promise.reject(new Error("no route to host"));
      return new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    },
  };
  const { watcher, notes } = await scene({ clock, source: unreliable });
  await clock.advance(20_000);
  assert.equal(watcher.judgement().verdict, "blind");
  mode = "hangs";
  await clock.advance(30_000);
  assert.ok(notes.includes("the source gave no answer within 10 s"), notes.join());
  mode = "good";
  await clock.advance(15_000);
  assert.equal(watcher.judgement().verdict, "healthy");
  await watcher.stop();
});

test("too little traffic extends the bake once and then asks", async () => {
  const { clock, hosts, watcher } = await scene();
  hosts["a"]!.requestsPerSecond = 1;
  watcher.beginBake("canary", 20_000);
  await clock.advance(21_000);
  assert.equal(watcher.bake("canary").outcome, "running");
  await clock.advance(21_000);
  const { outcome, reasons } = watcher.bake("canary");
  assert.equal(outcome, "ask");
  assert.match(reasons[0]!, /4\d of 100 requests seen, about \d+ s to go at the present rate/);
  await watcher.stop();
});

test("after a crash the evidence goes on where it was, and so does the bake", async () => {
  const { clock, hosts, store, watcher, options } = await scene();
  watcher.beginBake("canary", 30_000);
  hosts["a"]!.errorsPerSecond = 2;
  await clock.advance(8000);
  const before = watcher.judgement();
  await watcher.stop();
  const again = startWatcher(options);
  assert.deepEqual(again.judgement(), before);
  assert.deepEqual(again.snapshot(), watcher.snapshot());
  again.beginBake("canary", 30_000);
  assert.equal(again.bake("canary").endsAt, watcher.bake("canary").endsAt);
  await clock.advance(2000);
  assert.equal(again.judgement().intervals, before.intervals + 2);
  // The requests between the last reading and the restart are counted as well.
  assert.equal(again.judgement().rules[0]!.requests, 100 * 10);
  assert.equal(store.records().filter(({ kind }) => kind === "bake").length, 1);
  await again.stop();
});

test("a breach that was not raised before the crash is raised after it", async () => {
  const { clock, hosts, watcher, options } = await scene({ interrupt: () => Promise.reject(new Error("dying")) });
  hosts["a"]!.errorsPerSecond = 50;
  await clock.advance(10_000);
  await watcher.stop();
  const raised: InterruptReason[] = [];
  const again = startWatcher({ ...options, interrupt: (reason) => Promise.resolve(void raised.push(reason)) });
  await clock.advance(2000);
  assert.deepEqual(
    raised.map(({ kind }) => kind),
    ["breach"],
  );
  await again.stop();
});

test("a breach is raised although the evidence has fallen again before it could be", async () => {
  let dying = true;
  const raised: string[] = [];
  const interrupt = (reason: InterruptReason): Promise<void> =>
    dying ? Promise.reject(new Error("locked")) : Promise.resolve(void raised.push(reason.kind));
  const { clock, hosts, watcher } = await scene({ interrupt });
  hosts["a"]!.errorsPerSecond = 20;
  await clock.advance(4000);
  assert.equal(watcher.judgement().verdict, "degraded");
  hosts["a"]!.errorsPerSecond = 0;
  await clock.advance(300_000);
  assert.notEqual(watcher.judgement().verdict, "degraded");
  dying = false;
  await clock.advance(1000);
  assert.deepEqual(raised, ["breach"]);
  await watcher.stop();
});

test("what was raised is not raised again after a crash, unless the trouble had ended and comes back", async () => {
  const { clock, hosts, watcher, options, interrupts } = await scene();
  for (const host of Object.values(hosts)) host.errorsPerSecond = 100;
  await clock.advance(5000);
  await watcher.stop();
  const again = startWatcher(options);
  await clock.advance(5000);
  assert.equal(interrupts.length, 1);
  for (const host of Object.values(hosts)) host.errorsPerSecond = 0;
  await clock.advance(900_000);
  assert.notEqual(again.judgement().verdict, "degraded");
  for (const host of Object.values(hosts)) host.errorsPerSecond = 100;
  await clock.advance(30_000);
  assert.deepEqual(
    interrupts.map(({ kind }) => kind),
    ["hold", "hold"],
  );
  await again.stop();
});

test("other rules than those of the plan are refused for a watch that has begun", async () => {
  const { watcher, options } = await scene();
  await watcher.stop();
  const other = analysisSettings({ rules, intervalMs: 2000, plannedIntervals: 60 });
  assert.throws(
    () => startWatcher({ ...options, settings: other }),
    (error) => isSunnyError(error, "ANALYSIS_SETTINGS"),
  );
});

test("when intervals cannot be kept the watcher ends and says so", async () => {
  const store = { ...memoryStore(), append: (): never => assert.fail("disk is full") };
  const { clock, watcher } = await scene({ store });
  await clock.advance(2000);
  await assert.rejects(watcher.done, /disk is full/);
});

test("a listener that throws does not stop the watch", async () => {
  const { clock, watcher, notes } = await scene({ onVerdict: () => assert.fail("listener") });
  await clock.advance(5000);
  assert.equal(watcher.judgement().intervals, 5);
  assert.match(notes[0]!, /listener of the watcher failed/);
  await watcher.stop();
});

test("every recorded verdict is borne out by its data, and a changed count is found", async () => {
  const { clock, hosts, store, watcher } = await scene();
  watcher.beginBake("canary", 10_000);
  await clock.advance(8000);
  hosts["a"]!.errorsPerSecond = 30;
  await clock.advance(8000);
  await watcher.stop();
  const explained = explain(store)!;
  assert.equal(explained.agrees, true);
  const recorded = explained.verdicts.map((verdict) => verdict.recorded);
  // The last one vouches for what came after the verdict had last changed.
  assert.deepEqual(recorded, ["healthy", "undecided", "degraded", "degraded"]);
  const altered = store
    .load()
    .map((row) =>
      row.data.kind === "counts" && row.arm === "canary" ? { ...row, data: { ...row.data, bad: [0] } } : row,
    );
  const found = explain({ records: store.records, load: () => altered })!;
  assert.equal(found.agrees, false);
  assert.match(found.verdicts.at(-1)!.differences.join("\n"), /verdict on record is degraded, the data say/);
  const shorter = explain({ records: store.records, load: () => store.load().slice(0, 30) })!;
  assert.match(shorter.verdicts.at(-1)!.differences[0]!, /^\d+ intervals were judged, \d+ are kept$/);
});

test("nothing was watched: there is nothing to explain", () => {
  assert.equal(explain(memoryStore()), null);
});

test("the live view has value, limit and evidence of each arm, and tells a weight that is off", async () => {
  const { clock, hosts, watcher } = await scene();
  hosts["b"]!.requestsPerSecond = 900;
  hosts["b"]!.errorsPerSecond = 9;
  await clock.advance(10_000);
  const snapshot = watcher.snapshot();
  const errors = snapshot.rules[0]!;
  assert.equal(errors.canary.value, 0);
  assert.equal(errors.baseline.value, 0.01);
  assert.equal(errors.limit, 0.01);
  assert.match(errors.evidence, /^e-value 0\.\d+ of 100 needed$/);
  assert.equal(errors.canary.history.length, 10);
  assert.equal(snapshot.requests.canaryPart, 0.1);
  assert.equal(snapshot.weightNote, "the canary gets 10 % of the requests, the weight that was set is 50 %");
  await watcher.stop();
});

test("a canary without counts of its own is not said to get less traffic than was set", async () => {
  const { clock, hosts, watcher } = await scene();
  hosts["b"]!.requestsPerSecond = 900;
  hosts["a"]!.requestsPerSecond = 900;
  hosts["a"]!.down = "it was just restarted";
  await clock.advance(5000);
  assert.equal(watcher.snapshot().requests.canaryPart, 0);
  assert.equal(watcher.snapshot().weightNote, null);
  hosts["a"]!.down = null;
  await clock.advance(5000);
  assert.equal(watcher.snapshot().weightNote, null);
  hosts["a"]!.requestsPerSecond = 0;
  await clock.advance(30_000);
  assert.match(watcher.snapshot().weightNote ?? "", /^the canary gets \d+ % of the requests, .* set is 50 %$/);
  await watcher.stop();
});

test("a wall clock that is set back leaves the intervals in order", async () => {
  const clock = fakeClock();
  let back = 0;
  const jumping: FakeClock = { ...clock, now: () => clock.now() - back };
  const { source } = fakeSource(clock, ["a", "b"]);
  const { watcher, store } = await scene({ clock: jumping, source });
  await clock.advance(5000);
  back = 3000;
  await clock.advance(5000);
  assert.equal(watcher.judgement().intervals, 10);
  const starts = store.load().map((row) => row.start);
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
  );
  await watcher.stop();
});
