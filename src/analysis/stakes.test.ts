import assert from "node:assert/strict";
import { test } from "node:test";
import { startBets } from "./bet.ts";
import { comparisonBet, limitBet, memoryFloor, mirrored, usageBet } from "./stakes.ts";

test("errors are compared by the canary's part of them against its part of the requests", () => {
  assert.deepEqual(comparisonBet({ bad: 3, requests: 100 }, { bad: 1, requests: 300 }), { x: 0.75, m: 0.25, stake: 1 });
});

test("a tolerated ratio raises the part that is still fair", () => {
  // m = ρr/(ρr + 1 − ρ) with ρ = 0.25, r = 2.
  assert.equal(comparisonBet({ bad: 1, requests: 100 }, { bad: 1, requests: 300 }, 2)?.m, 0.4);
});

test("nothing is compared without errors, or when one arm had no request", () => {
  assert.equal(comparisonBet({ bad: 0, requests: 100 }, { bad: 0, requests: 300 }), null);
  assert.equal(comparisonBet({ bad: 1, requests: 1 }, { bad: 0, requests: 0 }), null);
  assert.equal(comparisonBet({ bad: 0, requests: 0 }, { bad: 5, requests: 300 }), null);
});

test("counts of a billion and single requests give bets within bounds", () => {
  assert.deepEqual(comparisonBet({ bad: 1e9, requests: 1e9 }, { bad: 1, requests: 1 }), {
    x: 1e9 / (1e9 + 1),
    m: 1e9 / (1e9 + 1),
    stake: 1,
  });
  assert.deepEqual(limitBet(startBets(1), 1, 1, 0.01), { x: 1, m: 0.01, stake: 1 });
  assert.equal(limitBet(startBets(1), 0, 0, 0.01), null);
});

test("a share beyond all that may be used counts as all of it", () => {
  assert.deepEqual(usageBet(1.7, 0.8), { x: 1, m: 0.8, stake: 1 });
});

test("memory counts from as far below its limit as the limit lies below all of it", () => {
  assert.equal(memoryFloor(0.75), 0.5);
  assert.equal(memoryFloor(0.4), 0);
  assert.deepEqual(usageBet(0.25, 0.75, memoryFloor(0.75)), { x: 0, m: 0.5, stake: 1 });
  assert.deepEqual(usageBet(0.875, 0.75, memoryFloor(0.75)), { x: 0.75, m: 0.5, stake: 1 });
  assert.deepEqual(usageBet(1.7, 0.75, memoryFloor(0.75)), { x: 1, m: 0.5, stake: 1 });
});

test("the mirrored bet bets on the opposite", () => {
  assert.deepEqual(mirrored({ x: 0.25, m: 0.75, stake: 0.5 }), { x: 0.75, m: 0.25, stake: 0.5 });
  assert.equal(mirrored(null), null);
});
