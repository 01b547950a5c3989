import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "./judge.ts";
import type { AnalysisState } from "./observe.ts";
import { beginBake, observe, startAnalysis } from "./observe.ts";
import type { Observation, Rule, RuleInterval } from "./rule.ts";
import type { AnalysisSettings, SettingsInput } from "./settings.ts";
import { analysisSettings, withShares } from "./settings.ts";
import { SunnyError } from "../errors.ts";

const RULES = withShares<Rule>([
  { id: "error-rate", title: "Error rate > 1 %", kind: "error-rate", share: 0, limit: 0.01 },
  { id: "errors-versus-baseline", title: "Errors compared", kind: "errors-versus-baseline", share: 0, tolerate: 1 },
  { id: "p95", title: "p95 > 500 ms", kind: "latency", share: 0, edgeSeconds: 0.5, percentile: 95, limit: 0.05 },
  { id: "cpu", title: "CPU > 80 %", kind: "usage", resource: "cpu", share: 0, limit: 0.8 },
]);

function settingsOf(input: Partial<SettingsInput> = {}): AnalysisSettings {
  return analysisSettings({ rules: RULES, intervalMs: 1000, plannedIntervals: 60, ...input });
}

interface Shown {
  readonly requests?: number;
  readonly errors?: number;
  readonly slow?: number;
  readonly cpu?: number;
}

function interval(canary: Shown | Observation, baseline: Shown | Observation): RuleInterval[] {
  const of = (rule: Rule, shown: Shown | Observation): Observation => {
    if ("kind" in shown) return shown;
    if (rule.kind === "usage") return { kind: "level", value: shown.cpu ?? 0.3 };
    const bad = rule.kind === "latency" ? (shown.slow ?? 0) : (shown.errors ?? 0);
    return { kind: "counts", requests: shown.requests ?? 100, bad: [bad] };
  };
  return RULES.map((rule) => ({ rule: rule.id, canary: of(rule, canary), baseline: of(rule, baseline) }));
}

function run(
  settings: AnalysisSettings,
  count: number,
  canary: Shown | Observation,
  baseline: Shown | Observation,
): AnalysisState {
  const state = startAnalysis(settings);
  for (let i = 0; i < count; i++) observe(settings, state, i * 1000, 1000, interval(canary, baseline));
  return state;
}

const GOOD: Shown = {};
const BLIND: Observation = { kind: "blind", reason: "the source is down" };
const ABSENT: Observation = { kind: "absent" };

test("half of the evidence belongs to errors, the other half to the rest", () => {
  assert.deepEqual(
    RULES.map((rule) => rule.share),
    [0.25, 0.25, 0.25, 0.25],
  );
  assert.deepEqual(
    withShares([RULES[0]!]).map((rule) => rule.share),
    [1],
  );
  assert.deepEqual(
    withShares([RULES[0]!, RULES[2]!, RULES[3]!]).map((rule) => rule.share),
    [0.5, 0.25, 0.25],
  );
});

test("errors on the canary alone are degraded and roll back", () => {
  const settings = settingsOf();
  const judgement = judge(settings, run(settings, 20, { errors: 10 }, GOOD), 20_000);
  assert.equal(judgement.verdict, "degraded");
  assert.equal(judgement.action, "roll-back");
  assert.ok(judgement.eValue >= 100);
  assert.match(
    judgement.reasons[0]!,
    /^Error(s compared| rate > 1 %): 10 % errors, on the baseline 0 % errors; e-value .* of 100 needed$/,
  );
});

test("errors on both arms hold instead of blaming the release", () => {
  const settings = settingsOf();
  const judgement = judge(settings, run(settings, 20, { errors: 100 }, { errors: 100 }), 20_000);
  assert.equal(judgement.verdict, "degraded");
  assert.equal(judgement.action, "hold");
  assert.equal(judgement.rules[0]!.suspectBaseline, true);
  assert.match(judgement.reasons[1]!, /baseline is in trouble as well/);
});

test("a canary worse than a baseline that is bad itself is to blame by comparison", () => {
  const settings = settingsOf();
  const state = run(settings, 60, { errors: 60, requests: 100 }, { errors: 3, requests: 100 });
  assert.equal(judge(settings, state, 60_000).action, "roll-back");
});

test("after the whole fleet has the release a breach rolls back", () => {
  const settings = settingsOf();
  assert.equal(judge(settings, run(settings, 60, { errors: 10 }, ABSENT), 60_000).action, "roll-back");
});

test("a healthy release is healthy once it had its traffic", () => {
  const settings = settingsOf();
  assert.equal(judge(settings, run(settings, 10, GOOD, GOOD), 10_000).verdict, "healthy");
});

test("too little traffic is undecided and says how long it would take", () => {
  const settings = settingsOf();
  const judgement = judge(settings, run(settings, 10, { requests: 2 }, GOOD), 10_000);
  assert.equal(judgement.verdict, "undecided");
  assert.equal(judgement.timeToDecisionMs, 40_000);
  assert.match(judgement.reasons[0]!, /20 of 100 requests seen, about 40 s to go at the present rate/);
});

test("zero traffic is never healthy, and no end is in sight", () => {
  const settings = settingsOf();
  const judgement = judge(settings, run(settings, 600, { requests: 0 }, GOOD), 600_000);
  assert.equal(judgement.verdict, "undecided");
  assert.equal(judgement.timeToDecisionMs, null);
  assert.match(judgement.reasons[0]!, /none are coming/);
});

test("one failed request does not roll back, and is not healthy either", () => {
  const settings = settingsOf();
  const state = run(settings, 1, { requests: 1, errors: 1 }, GOOD);
  assert.equal(judge(settings, state, 1000).verdict, "undecided");
});

test("what lies beyond a limit without evidence is undecided", () => {
  const settings = settingsOf();
  const state = startAnalysis(settings);
  for (let i = 0; i < 20; i++) {
    const errors = i % 8 === 0 ? 10 : 0;
    observe(settings, state, i * 1000, 1000, interval({ errors }, { errors }));
  }
  const judgement = judge(settings, state, 20_000);
  assert.equal(judgement.verdict, "undecided");
  assert.match(judgement.reasons.join(), /1\.5 % errors is beyond the limit/);
});

test("a source that is down makes blind: neither healthy nor degraded", () => {
  const settings = settingsOf();
  const judgement = judge(settings, run(settings, 20, BLIND, BLIND), 20_000);
  assert.equal(judgement.verdict, "blind");
  assert.equal(judgement.action, "hold");
  assert.match(judgement.reasons[0]!, /no data of the canary for 20 s: the source is down/);
});

test("a short gap in the middle is no blindness, a long one is until data come back", () => {
  const settings = settingsOf();
  const state = run(settings, 10, GOOD, GOOD);
  const gap = (from: number, to: number, shown: Shown | Observation): void => {
    for (let i = from; i < to; i++) observe(settings, state, i * 1000, 1000, interval(shown, shown));
  };
  gap(10, 20, BLIND);
  assert.equal(judge(settings, state, 20_000).verdict, "healthy");
  gap(20, 40, BLIND);
  assert.equal(judge(settings, state, 40_000).verdict, "blind");
  gap(40, 41, GOOD);
  assert.equal(judge(settings, state, 41_000).verdict, "healthy");
});

test("a watcher that stopped is blind although its last interval was good", () => {
  const settings = settingsOf();
  assert.equal(judge(settings, run(settings, 10, GOOD, GOOD), 60_000).verdict, "blind");
});

test("a blind baseline blinds comparisons only", () => {
  const settings = settingsOf();
  const judgement = judge(settings, run(settings, 20, GOOD, BLIND), 20_000);
  assert.deepEqual(
    judgement.rules.map((rule) => rule.verdict),
    ["healthy", "blind", "healthy", "healthy"],
  );
});

test("evidence outlives a new bake, sums do not", () => {
  const settings = settingsOf();
  const state = run(settings, 10, { errors: 2 }, { errors: 2 });
  const before = judge(settings, state, 10_000).eValue;
  beginBake(state);
  const judgement = judge(settings, state, 10_000);
  assert.equal(judgement.eValue, before);
  assert.equal(judgement.rules[0]!.requests, 0);
});

test("CPU near its limit rolls back without any request", () => {
  const settings = settingsOf();
  const state = run(settings, 60, { requests: 0, cpu: 1 }, { requests: 0 });
  const judgement = judge(settings, state, 60_000);
  assert.equal(judgement.by, "cpu");
  assert.equal(judgement.action, "roll-back");
});

test("proof of health needs time as well as a clean record", () => {
  const settings = settingsOf({ proof: true });
  assert.equal(judge(settings, run(settings, 60, GOOD, GOOD), 60_000).verdict, "undecided");
  const state = run(settings, 900, GOOD, GOOD);
  assert.equal(judge(settings, state, 900_000).verdict, "healthy");
});

test("a level must stay beyond its limit for the whole time", () => {
  const gauge: Rule = {
    id: "q",
    title: "Queue > 100",
    kind: "gauge",
    gauge: "queue-length",
    side: "above",
    relative: false,
    limit: 100,
    holdMs: 5000,
    share: 0,
  };
  const settings = settingsOf({ rules: [gauge] });
  const state = startAnalysis(settings);
  const show = (i: number, value: Observation): string => {
    observe(settings, state, i * 1000, 1000, [{ rule: "q", canary: value, baseline: ABSENT }]);
    return judge(settings, state, (i + 1) * 1000).verdict;
  };
  const over: Observation = { kind: "level", value: 150 };
  for (let i = 0; i < 4; i++) assert.equal(show(i, over), "undecided");
  assert.equal(show(4, { kind: "level", value: 99 }), "healthy");
  for (let i = 5; i < 9; i++) assert.equal(show(i, over), "undecided");
  assert.equal(show(9, BLIND), "undecided");
  assert.equal(show(10, over), "degraded");
  assert.equal(judge(settings, state, 11_000).action, "roll-back");
});

test("a share of CPU that must hold for a time is named as a share, and blames the release once it has", () => {
  const cpu: Rule = {
    id: "cpu",
    title: "CPU > 80 % for 3 s",
    kind: "gauge",
    gauge: "cpu",
    side: "above",
    relative: true,
    limit: 0.8,
    holdMs: 3000,
    share: 0,
  };
  const settings = settingsOf({ rules: [cpu] });
  const state = startAnalysis(settings);
  const show = (i: number, canary: number): void => {
    const baseline: Observation = { kind: "level", value: 0.2 };
    observe(settings, state, i * 1000, 1000, [{ rule: "cpu", canary: { kind: "level", value: canary }, baseline }]);
  };
  for (const [i, value] of [1, 1, 0.7, 0.9, 0.9].entries()) show(i, value);
  const before = judge(settings, state, 5000);
  assert.equal(before.verdict, "undecided");
  assert.match(before.reasons.join(), /90 % cpu is beyond the limit of 80 %/);
  show(5, 0.93);
  const held = judge(settings, state, 6000);
  assert.deepEqual([held.verdict, held.action, held.by], ["degraded", "roll-back", "cpu"]);
  assert.match(held.reasons.join(), /93 % cpu, on the baseline 20 % cpu; beyond the limit for 3 of 3 s/);
});

test("while evidence grows the time to a decision is told", () => {
  const settings = settingsOf();
  const state = run(settings, 5, { errors: 3 }, GOOD);
  const { timeToDecisionMs, verdict } = judge(settings, state, 5000);
  assert.notEqual(verdict, "degraded");
  assert.ok(timeToDecisionMs !== null && timeToDecisionMs > 0 && timeToDecisionMs < 120_000, `${timeToDecisionMs}`);
});

test("intervals out of order are ignored", () => {
  const settings = settingsOf();
  const state = run(settings, 3, GOOD, GOOD);
  assert.equal(observe(settings, state, 1000, 1000, interval({ errors: 100 }, GOOD)), false);
  assert.equal(state.intervals, 3);
});

test("the state survives JSON in the middle of a bake", () => {
  const settings = settingsOf();
  const straight = run(settings, 40, { errors: 1 }, { errors: 1 });
  const half = JSON.parse(JSON.stringify(run(settings, 20, { errors: 1 }, { errors: 1 }))) as AnalysisState;
  for (let i = 20; i < 40; i++) observe(settings, half, i * 1000, 1000, interval({ errors: 1 }, { errors: 1 }));
  assert.deepEqual(half, straight);
});

const wrong: readonly [string, Partial<SettingsInput>, RegExp][] = [
  ["an impossible error probability", { alpha: 1 }, /alpha/],
  ["two rules of one name", { rules: [RULES[0]!, RULES[0]!] }, /two rules are called "error-rate"/],
  ["shares beyond the whole", { rules: [{ ...RULES[0]!, share: 1.5 }] }, /sum to 1.5/],
  ["a limit of 100 %", { rules: [{ ...RULES[0]!, limit: 1 } as Rule] }, /between 0 and 100 %/],
  ["an interval of no length", { intervalMs: 0 }, /longer than 0 ms/],
];
for (const [what, input, message] of wrong) {
  test(`${what} is refused`, () => {
    assert.throws(
      () => settingsOf(input),
      (error) => error instanceof SunnyError && error.code === "ANALYSIS_SETTINGS" && message.test(error.message),
    );
  });
}
