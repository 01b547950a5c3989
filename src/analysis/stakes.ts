/**
 * What is bet on. Each function turns what an interval showed into a bet that is fair while the release is healthy, or
 * `null` when the interval says nothing. Betting on the canary's part of the errors, instead of counting errors, is
 * what keeps the promise when errors come in clusters and when both arms have trouble at once; it is the conditional
 * form of Lindon & Malek, "Anytime-valid inference for multinomial count data" (2020).
 */
import type { Bet, BetState } from "./bet.ts";
import { stakeOf } from "./bet.ts";

/**
 * The canary's part of what went wrong against its part of the requests. `tolerate` ≥ 1 lets the canary's rate be that
 * many times the baseline's. No bet without errors, or when one arm had no request.
 */
export function comparisonBet(
  canary: { readonly bad: number; readonly requests: number },
  baseline: { readonly bad: number; readonly requests: number },
  tolerate = 1,
): Bet | null {
  const bad = canary.bad + baseline.bad;
  if (!(bad > 0) || !(canary.requests > 0) || !(baseline.requests > 0)) return null;
  const weighed = canary.requests * tolerate;
  return { x: clamp(canary.bad / bad), m: weighed / (weighed + baseline.requests), stake: 1 };
}

/** The part of the requests that was bad against the part that the limit allows; weighed by how busy the interval was. */
export function limitBet(state: BetState, bad: number, requests: number, limit: number): Bet | null {
  if (!(requests > 0)) return null;
  return { x: clamp(bad / requests), m: limit, stake: stakeOf(state, requests) };
}

/**
 * The share of the CPU or memory in use against its limit. A share above 1 counts as 1, one below `floor` as the floor;
 * what lies between is stretched to 0 to 1, so that a floor close to the limit lets more be staked: with none, memory
 * that is full can multiply a capital by 1/limit at most, however full it stays.
 */
export function usageBet(share: number, limit: number, floor = 0): Bet {
  const stretched = (value: number): number => (value - floor) / (1 - floor);
  return { x: clamp(stretched(clamp(share))), m: stretched(limit), stake: 1 };
}

/**
 * The floor for a share of memory: as far below the limit as the limit lies below 1. Processors that were idle make up
 * for seconds in which they are busy, since their use is a mean over time; memory that was free makes up for nothing.
 */
export function memoryFloor(limit: number): number {
  return Math.max(0, 2 * limit - 1);
}

/** The same bet on the opposite: it grows while the mean is below the limit, and so proves health. */
export function mirrored(bet: Bet | null): Bet | null {
  return bet === null ? null : { x: 1 - bet.x, m: 1 - bet.m, stake: bet.stake };
}

function clamp(x: number): number {
  return x < 0 ? 0 : x > 1 ? 1 : x;
}
