/** The medians that the method was chosen for: errors against the baseline and against a limit, half of the share each. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../bench/analysis/random.ts";
import type { BetState } from "./bet.ts";
import { logEvidence, placeBet, startBets } from "./bet.ts";
import { judge } from "./judge.ts";
import { observe, startAnalysis } from "./observe.ts";
import type { Observation } from "./rule.ts";
import { analysisSettings } from "./settings.ts";
import { comparisonBet, limitBet, memoryFloor, usageBet } from "./stakes.ts";

interface Case {
  readonly rate: number;
  readonly errors: number;
  readonly seconds?: number;
  readonly intervalSeconds?: number;
  readonly plannedSeconds?: number;
  readonly startsAt?: number;
  readonly share?: number;
  readonly cluster?: number;
}

/** Seconds until E reaches 100 in one deployment with a tenth of the traffic and 0.2 % errors; Infinity for never. */
function detect(given: Case, seed: number): number {
  const { rate, errors, seconds = 600, intervalSeconds: step = 1, startsAt = 0, share = 0.5, cluster } = given;
  const source = random(seed);
  const planned = (given.plannedSeconds ?? seconds) / step;
  let compared: BetState = startBets(planned);
  let limited: BetState = startBets(planned);
  for (let end = step; end <= seconds; end += step) {
    const canary = { requests: source.poisson(rate * 0.1 * step), bad: 0 };
    const baseline = { requests: source.poisson(rate * 0.9 * step), bad: 0 };
    if (cluster === undefined) {
      canary.bad = source.binomial(canary.requests, end > startsAt ? errors : 0.002);
      baseline.bad = source.binomial(baseline.requests, 0.002);
    } else {
      for (let i = source.poisson((rate * step * 0.002) / cluster); i > 0; i--) {
        const arm = source.uniform() < 0.1 ? canary : baseline;
        arm.bad += source.geometric(cluster);
        arm.requests = Math.max(arm.requests, arm.bad);
      }
    }
    compared = placeBet(compared, comparisonBet(canary, baseline));
    limited = placeBet(limited, limitBet(limited, canary.bad, canary.requests, 0.01), canary.requests);
    if (share * (Math.exp(logEvidence(compared)) + Math.exp(logEvidence(limited))) >= 100) return end - startsAt;
  }
  return Infinity;
}

function median(given: Case, runs = 101): number {
  const times = Array.from({ length: runs }, (_, seed) => detect(given, 1 + seed)).toSorted((a, b) => a - b);
  return times[runs >> 1]!;
}

const expected: readonly [string, Case, number][] = [
  ["100/s, 1 %", { rate: 100, errors: 0.01 }, 110],
  ["100/s, 2 %", { rate: 100, errors: 0.02 }, 35],
  ["100/s, 5 %", { rate: 100, errors: 0.05 }, 12],
  ["100/s, 20 %", { rate: 100, errors: 0.2 }, 3],
  ["100/s, 100 %", { rate: 100, errors: 1 }, 2],
  ["100/s, 5 %, a quarter of the share each", { rate: 100, errors: 0.05, share: 0.25 }, 12],
  ["50/s, 5 %", { rate: 50, errors: 0.05 }, 21],
  ["500/s, 5 %", { rate: 500, errors: 0.05 }, 4],
  ["5000/s, 5 %", { rate: 5000, errors: 0.05 }, 4],
  ["5/s, 5 %, intervals of 5 s", { rate: 5, errors: 0.05, intervalSeconds: 5 }, 200],
  ["5 % from the 5th minute", { rate: 100, errors: 0.05, startsAt: 300, seconds: 1800 }, 21],
  ["5 % from the 30th minute", { rate: 100, errors: 0.05, startsAt: 1800, seconds: 3600 }, 21],
  [
    "5 % from the 30th minute, planned for 10",
    { rate: 100, errors: 0.05, startsAt: 1800, seconds: 2400, plannedSeconds: 600 },
    32,
  ],
];
for (const [name, given, seconds] of expected) {
  test(`${name} is found in about ${seconds} s`, () => {
    const found = median(given);
    assert.ok(Math.abs(found - seconds) <= Math.max(2, 0.2 * seconds), `median ${found} s`);
  });
}

for (const [cluster, rate] of [
  [1, 100],
  [5, 100],
  [20, 100],
  [20, 1000],
] as const) {
  test(`errors in clusters of ${cluster} at ${rate}/s roll back at most 1 % of healthy releases`, () => {
    const runs = 500;
    const hits = Array.from({ length: runs }, (_, seed) => detect({ rate, errors: 0.002, cluster }, 900 + seed));
    const wrong = hits.filter((time) => time !== Infinity).length;
    assert.ok(wrong <= 5, `${wrong} of ${runs}`);
  });
}

test("half of the CPU's limit is proved healthy in 7 s, all of the CPU is found in half a minute", () => {
  const until = (x: number, mirror: boolean): number => {
    let state = startBets(600);
    for (let second = 1; ; second++) {
      const bet = usageBet(x, 0.8);
      state = placeBet(state, mirror ? { x: 1 - bet.x, m: 1 - bet.m, stake: 1 } : bet);
      if (logEvidence(state) >= Math.log(100)) return second;
    }
  };
  assert.equal(until(0.4, true), 7);
  assert.ok(until(1, false) <= 35);
});

/** Part of `runs` deployments of ten minutes that are taken back, errors of a cluster being spread over `over` seconds. */
function spreadFalse(over: number, step: number, runs: number): number {
  let wrong = 0;
  for (let run = 0; run < runs; run++) {
    const source = random(5000 + run);
    const seconds = { canary: new Float64Array(700), baseline: new Float64Array(700) };
    for (let second = 0; second < 600; second++) {
      for (let i = source.poisson((100 * 0.002) / 5); i > 0; i--) {
        const arm = source.uniform() < 0.1 ? seconds.canary : seconds.baseline;
        for (let k = source.geometric(5); k > 0; k--) arm[second + Math.floor(source.uniform() * over)]! += 1;
      }
    }
    let compared: BetState = startBets(600 / step);
    let limited: BetState = startBets(600 / step);
    for (let end = step; end <= 600; end += step) {
      const sum = (of: Float64Array): number => of.subarray(end - step, end).reduce((all, one) => all + one, 0);
      const canary = { bad: sum(seconds.canary), requests: source.poisson(10 * step) };
      const baseline = { bad: sum(seconds.baseline), requests: source.poisson(90 * step) };
      canary.requests = Math.max(canary.requests, canary.bad);
      compared = placeBet(compared, comparisonBet(canary, baseline));
      limited = placeBet(limited, limitBet(limited, canary.bad, canary.requests, 0.01), canary.requests);
      if ((Math.exp(logEvidence(compared)) + Math.exp(logEvidence(limited))) / 2 < 100) continue;
      wrong++;
      break;
    }
  }
  return (100 * wrong) / runs;
}

for (const [over, step, from, to] of [
  [10, 1, 30, 60],
  // One that is as long as an interval lies in two of them as a rule; the length that is learned is longer.
  [10, 10, 0, 2.5],
  [30, 10, 5, 25],
  [30, 30, 0, 2],
  [60, 60, 0, 2],
] as const) {
  test(`clusters spread over ${over} s roll back ${from} to ${to} % of healthy releases with intervals of ${step} s`, () => {
    const percent = spreadFalse(over, step, 300);
    assert.ok(percent >= from && percent <= to, `${percent} %`);
  });
}

/** Runs until the threshold bet with `share` of the evidence suffices; `slow` of 10 requests a second miss a limit of 5 %. */
function secondsUntilSlow(slow: number, share: number): number {
  const times = Array.from({ length: 101 }, (_, seed) => {
    const source = random(70 + seed);
    let state = startBets(600);
    for (let second = 1; second <= 600; second++) {
      const requests = source.poisson(10);
      state = placeBet(state, limitBet(state, source.binomial(requests, slow), requests, 0.05), requests);
      if (share * Math.exp(logEvidence(state)) >= 100) return second;
    }
    return Infinity;
  });
  return times.toSorted((a, b) => a - b)[50]!;
}

test("a tenth of the requests slower than a limit that 5 % may exceed is found in about 31 s, with a quarter of the share in 41 s", () => {
  for (const [share, seconds] of [
    [1, 31],
    [0.25, 41],
  ] as const) {
    const found = secondsUntilSlow(0.1, share);
    assert.ok(Math.abs(found - seconds) <= 0.2 * seconds, `${found} s with ${share} of the share`);
  }
});
test("errors exactly at the limit of 1 % are called degraded in at most 1 % of watches, ten times as long as planned", () => {
  for (const rate of [10, 1000]) {
    let wrong = 0;
    for (let run = 0; run < 500; run++) {
      const source = random(9000 + run);
      let state = startBets(60);
      for (let n = 0; n < 600; n++) {
        const requests = source.poisson(rate);
        state = placeBet(state, limitBet(state, source.binomial(requests, 0.01), requests, 0.01), requests);
        if (logEvidence(state) < Math.log(100)) continue;
        wrong++;
        break;
      }
    }
    assert.ok(wrong <= 5, `${wrong} of 500 at ${rate}/s`);
  }
});

test("health is proved in minutes: errors below 1 % in 12 to 16, a p95 below its limit in about 4", () => {
  const minutes = (x: number, limit: number): number => {
    let state = startBets(600);
    for (let second = 1; ; second++) {
      state = placeBet(state, { x: 1 - x, m: 1 - limit, stake: 1 });
      if (logEvidence(state) >= Math.log(100)) return second / 60;
    }
  };
  const errors = minutes(0.002, 0.01);
  assert.ok(errors >= 12 && errors <= 16, `${errors} min`);
  const slow = minutes(0.02, 0.05);
  assert.ok(Math.abs(slow - 4) <= 1, `${slow} min`);
});

/** How many of 200 deployments of 100/s, half of it on the canary, end in a hold and in a rollback. */
function ends(canaryErrors: number, baselineErrors: number): { held: number; back: number } {
  const rule = { id: "e", title: "Error rate > 1 %", kind: "error-rate", share: 0.5, limit: 0.01 } as const;
  const compared = { id: "c", title: "Compared", kind: "errors-versus-baseline", share: 0.5, tolerate: 1 } as const;
  const settings = analysisSettings({ rules: [rule, compared], intervalMs: 1000, plannedIntervals: 600 });
  const seen = { held: 0, back: 0 };
  for (let run = 0; run < 200; run++) {
    const source = random(400 + run);
    const state = startAnalysis(settings);
    for (let second = 0; second < 600; second++) {
      const arm = (errors: number): Observation => {
        const requests = source.poisson(50);
        return { kind: "counts", requests, bad: [source.binomial(requests, errors)] };
      };
      const [canary, baseline] = [arm(canaryErrors), arm(baselineErrors)];
      const intervals = [rule, compared].map(({ id }) => ({ rule: id, canary, baseline }));
      observe(settings, state, second * 1000, 1000, intervals);
      const { action } = judge(settings, state, state.at);
      if (action === "none") continue;
      seen[action === "hold" ? "held" : "back"]++;
      break;
    }
  }
  return seen;
}

test("trouble on both arms is held in at least 94 % of deployments, a bad canary beside a healthy baseline never", () => {
  const both = ends(0.05, 0.05);
  assert.ok(both.held >= 188, JSON.stringify(both));
  assert.deepEqual(ends(0.05, 0.002), { held: 0, back: 200 });
});

/** Intervals until the evidence of a rule with an eighth of the share suffices, the memory being as full as that. */
function intervalsUntilFull(x: number, floor: number): number {
  let state = startBets(600);
  for (let n = 1; ; n++) {
    state = placeBet(state, usageBet(x, 0.85, floor));
    if (logEvidence(state) >= Math.log(100 / 0.125)) return n;
  }
}

test("memory that stays full is found in 14 intervals, at 95 % in 19, where the plain mean would take 60 and 87", () => {
  const found = (floor: number): number[] => [1, 0.95].map((x) => intervalsUntilFull(x, floor));
  assert.deepEqual(found(memoryFloor(0.85)), [14, 19]);
  assert.deepEqual(found(0), [60, 87]);
});

/** Shares of memory that are on average exactly at a limit of 85 %, what lies below 70 % counting as 70 %. */
const atTheLimit: readonly [string, (uniform: () => number, last: number) => number][] = [
  ["full or hardly used, by chance", (uniform) => (uniform() < 0.5 ? 1 : 0.1)],
  ["anything from the floor to full", (uniform) => 0.7 + 0.3 * uniform()],
  ["steadier the fuller it was", (uniform, last) => 0.85 + (last > 0.85 ? 0.02 : 0.15) * (uniform() < 0.5 ? 1 : -1)],
];
for (const [name, draw] of atTheLimit) {
  test(`memory exactly at its limit, ${name}, is called degraded in at most 1 % of watches, ten times as long as planned`, () => {
    const runs = 2000;
    let wrong = 0;
    for (let run = 0; run < runs; run++) {
      const { uniform } = random(31 + run);
      let state = startBets(60);
      let last = 0.85;
      for (let n = 0; n < 600; n++) {
        last = draw(uniform, last);
        state = placeBet(state, usageBet(last, 0.85, memoryFloor(0.85)));
        if (logEvidence(state) < Math.log(100)) continue;
        wrong++;
        break;
      }
    }
    assert.ok(wrong <= runs / 100, `${wrong} of ${runs}`);
  });
}
