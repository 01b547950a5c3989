import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rule } from "../../analysis/rule.ts";
import { analysisSettings, withShares } from "../../analysis/settings.ts";
import { explain } from "./explain.ts";
import { fakeClock, fakeSource, memoryStore } from "./fake-world.ts";
import { renderExplanation, renderSnapshot } from "./render.ts";
import { startWatcher } from "./watcher.ts";

const rules = withShares<Rule>([
  { id: "error-rate", title: "Error rate > 1 %", kind: "error-rate", share: 0, limit: 0.01 },
  { id: "compared", title: "Errors compared", kind: "errors-versus-baseline", share: 0, tolerate: 1 },
]);

async function watched(): Promise<{ live: string[]; at: (width: number) => string[]; explained: string[] }> {
  const clock = fakeClock(Date.UTC(2026, 0, 4, 1, 0));
  const { source, hosts } = fakeSource(clock, ["a", "b"]);
  const store = memoryStore();
  const settings = analysisSettings({ rules, intervalMs: 1000, plannedIntervals: 60 });
  const watcher = startWatcher({ settings, source, store, clock, arms: () => ({ canary: ["a"], baseline: ["b"] }) });
  await clock.advance(5000);
  hosts["a"]!.errorsPerSecond = 3;
  await clock.advance(4000);
  const live = renderSnapshot(rules, watcher.snapshot());
  const snapshot = watcher.snapshot();
  const at = (width: number): string[] => renderSnapshot(rules, snapshot, width);
  hosts["a"]!.errorsPerSecond = 50;
  await clock.advance(6000);
  await watcher.stop();
  return { live, at, explained: renderExplanation(explain(store)!) };
}

test("the live view has a line a rule with both arms, the limit and the evidence, and when to expect a decision", async () => {
  const { live } = await watched();
  assert.equal(live.length, 4);
  assert.match(
    live[0]!,
    /^Error rate > 1 % {2}undecided .*█+ {2}3 % now, 1\.3 % errors in all, baseline 0 %; limit 1 %; e-value \S+ of 100 needed$/,
  );
  assert.match(live[1]!, /^Errors compared {3}\w+ .*; limit the baseline; e-value \S+ of 100 needed$/);
  assert.match(live[2]!, /^undecided: e-value \S+ of 100 needed, a decision in about \d+ s at the present rate$/);
  assert.match(
    live[3]!,
    /^ {2}Error rate > 1 %: 1\.3 % errors is beyond the limit of 1 %, the evidence does not suffice yet$/,
  );
});

test("in narrow terminals each rule takes two lines or three, none of them wider than it", async () => {
  const { at } = await watched();
  const two = at(100);
  assert.match(two[0]!, /^Error rate > 1 % {2}undecided .*█+$/);
  assert.match(two[1]!, /^ {4}3 % now, 1\.3 % errors in all, baseline 0 %; limit 1 %; e-value \S+ of 100 needed$/);
  const three = at(80);
  assert.equal(three[0], two[0]);
  assert.match(three[1]!, /^ {4}3 % now, 1\.3 % errors in all, baseline 0 %; limit 1 %$/);
  assert.match(three[2]!, /^ {4}e-value \S+ of 100 needed$/);
  assert.ok(Math.max(...two.slice(0, 4).map((line) => line.length)) <= 100);
  assert.ok(Math.max(...three.slice(0, 6).map((line) => line.length)) <= 80);
});

test("an explanation tells each verdict with its time and evidence, and draws each rule", async () => {
  const { explained } = await watched();
  assert.equal(explained[0], "15 intervals of 1 s, error probability 0.01 over all looks together");
  const text = explained.join("\n");
  assert.match(text, /2026-01-04T01:00:0\d\.000Z {2}healthy\n/);
  assert.match(text, /2026-01-04T01:00:1\d\.000Z {2}degraded\n {2}Error.*e-value \d+ of 100 needed/);
  assert.match(text, /Error rate > 1 %: 21 % errors, limit 1 %; e-value/);
  assert.match(text, /│ {9}█/);
  assert.match(text, /baseline {16}/);
  assert.equal(explained.at(-1), "Record and data agree.");
});
