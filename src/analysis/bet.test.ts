import assert from "node:assert/strict";
import { test } from "node:test";
import { assert as assertAll, double, integer, property } from "fast-check";
import type { BetState } from "./bet.ts";
import { FRACTIONS, logAddExp, logEvidence, placeBet, stakeOf, startBets, startWeight, unspent } from "./bet.ts";

const close = (actual: number, expected: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

/** The capital of one fraction without start times, as the definition has it. */
const capital = (m: number, f: number, xs: readonly number[]): number =>
  xs.reduce((product, x) => product * (1 + (f / m) * (x - m)), 1);

function step(state: BetState, i: number): BetState {
  return placeBet(state, { x: (i % 7) / 6, m: 0.4, stake: 0.5 }, i);
}

function sizeAfter(intervals: number): number {
  let state = startBets(10);
  for (let i = 0; i < intervals; i++) state = placeBet(state, { x: 0.5, m: 0.4, stake: 1 }, 10);
  return JSON.stringify(state).length;
}

test("a bet of half the largest stake at m = 0.2 on 0, 1 and 0.5 turns 1 into 2.625", () => {
  close(capital(0.2, 0.5, [0, 1, 0.5]), 2.625);
});

test("every mixture is the sum of its start times' capitals, each weighed by its start weight", () => {
  const xs = [0, 1, 0.5, 0.3, 0];
  const planned = 3;
  let state = startBets(planned);
  for (const x of xs) state = placeBet(state, { x, m: 0.2, stake: 1 });
  for (const [i, f] of FRACTIONS.entries()) {
    const expected = xs.reduce(
      (sum, _, from) => sum + startWeight(from + 1, planned) * capital(0.2, f, xs.slice(from)),
      0,
    );
    close(state.capitals![i]!, expected);
  }
  const mean = FRACTIONS.reduce((sum, _, i) => sum + state.capitals![i]!, 0) / FRACTIONS.length;
  close(Math.exp(logEvidence(state)), mean + unspent(5, planned));
});

test("the start weights sum to 1 and `unspent` is what is left of them", () => {
  for (const planned of [1, 2, 10, 600]) {
    let sum = 0;
    for (let t = 1; t <= 5000; t++) {
      sum += startWeight(t, planned);
      close(1 - sum, unspent(t, planned), 1e-12);
    }
  }
  assert.equal(unspent(0, 10), 1);
});

test("without a bet time passes and the evidence stays 1", () => {
  let state = startBets(10);
  for (let i = 0; i < 25; i++) state = placeBet(state, null);
  close(logEvidence(state), 0, 1e-12);
  assert.equal(state.t, 25);
});

test("weight that waited for a first bet joins it in full", () => {
  let waited = placeBet(placeBet(startBets(10), null), { x: 1, m: 0.2, stake: 1 });
  const f = FRACTIONS.reduce((sum, f) => sum + 1 + (f / 0.2) * 0.8, 0) / FRACTIONS.length;
  const weight = startWeight(1, 10) + startWeight(2, 10);
  close(Math.exp(logEvidence(waited)), weight * f + unspent(2, 10));
  waited = placeBet(waited, { x: 0, m: 0.2, stake: 0 });
  assert.equal(waited.t, 3);
});

test("evidence of a healthy release does not grow on average, for any two-valued interval", () => {
  assertAll(
    property(double({ min: 0.001, max: 0.9, noNaN: true }), integer({ min: 1, max: 8 }), (m, rounds) => {
      // All outcomes of `rounds` fair coin throws with P(1) = m, weighed by their probability.
      let mean = 0;
      for (let outcome = 0; outcome < 2 ** rounds; outcome++) {
        let state = startBets(4);
        let probability = 1;
        for (let i = 0; i < rounds; i++) {
          const x = (outcome >> i) & 1;
          probability *= x === 1 ? m : 1 - m;
          state = placeBet(state, { x, m, stake: 1 });
        }
        mean += probability * Math.exp(logEvidence(state));
      }
      close(mean, 1, 1e-6);
    }),
    { numRuns: 30 },
  );
});

test("a hundred thousand intervals of all errors or of none stay finite", () => {
  for (const x of [0, 1]) {
    let state = startBets(600);
    for (let i = 0; i < 100_000; i++) state = placeBet(state, { x, m: 1e-6, stake: 1 }, 1e9);
    assert.ok(Number.isFinite(logEvidence(state)), `ln E is ${logEvidence(state)}`);
    assert.ok(x === 1 ? logEvidence(state) > 1e5 : logEvidence(state) < 0.1);
  }
});

test("evidence beyond the range of a double grows, shrinks and comes back exactly", () => {
  let state = startBets(10);
  const bet = (x: number): void => void (state = placeBet(state, { x, m: 0.5, stake: 1 }));
  for (let i = 0; i < 3000; i++) bet(1);
  // The largest fraction dominates: ln(1.95) a bet.
  close(logEvidence(state), 3000 * Math.log(1.95) + Math.log((1 / 2 + 1 / 40) / 8), 0.1);
  assert.ok(state.exponent > 10);
  for (let i = 0; i < 30_000; i++) bet(0);
  assert.equal(state.exponent, 0);
  assert.ok(logEvidence(state) < 0);
});

test("the state survives JSON and goes on as if nothing had happened", () => {
  let straight = startBets(20);
  let resumed = startBets(20);
  for (let i = 0; i < 50; i++) {
    straight = step(straight, i);
    resumed = step(JSON.parse(JSON.stringify(resumed)) as BetState, i);
  }
  assert.deepEqual(resumed, straight);
});

test("the state does not grow with the number of intervals", () => {
  assert.ok(sizeAfter(10_000) <= sizeAfter(10) + 60);
});

test("a nearly idle interval stakes little, a busy one everything, an empty one nothing", () => {
  const state = { ...startBets(10), requests: 1000, busy: 10 };
  close(stakeOf(state, 10), (10 * 11) / 1010);
  assert.equal(stakeOf(state, 500), 1);
  assert.equal(stakeOf(state, 0), 0);
  assert.equal(stakeOf(state, Number.NaN), 0);
});

test("sums of logarithms do not overflow", () => {
  close(logAddExp(1000, 1000), 1000 + Math.LN2);
  close(logAddExp(-Infinity, 3), 3);
  assert.equal(logAddExp(-Infinity, -Infinity), -Infinity);
  close(logAddExp(0, -800), 0);
});
