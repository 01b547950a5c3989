/**
 * The one primitive: bets on intervals, mixed over the time at which trouble may have started.
 *
 * While the release is healthy, what interval t shows, X_t in [0, 1], has mean at most m, so the capital
 * K·(1 + s·(f/m)·(X_t − m)) does not grow on average, whatever happens inside an interval. By Ville's inequality the
 * chance that it ever reaches 1/α is at most α, over all looks together. Sources: Waudby-Smith & Ramdas, "Estimating
 * means of bounded random variables by betting" (2023); Shekhar & Ramdas, "Sequential change detection via e-processes" (2023).
 */

/** The fractions of the largest safe stake that are bet in parallel; all below 1, so no capital reaches zero. */
export const FRACTIONS = [0.02, 0.05, 0.1, 0.2, 0.35, 0.55, 0.8, 0.95] as const;

/** The capitals with what is still unspent; plain JSON, so it survives a crash as it is. */
export interface BetState {
  /** The number of intervals for which start times were planned; at least 1. */
  readonly planned: number;
  /** Intervals seen, with or without a bet. */
  readonly t: number;
  /** Start-time weight that has joined no capital yet, since there was nothing to bet on. */
  readonly waiting: number;
  /**
   * M_f / 2^(256·exponent) for each of `FRACTIONS`; `null` before the first bet. Numbers with an exponent of their own
   * have the range of logarithms, without one to take in every step. Below they cannot vanish: M_f is at least the last
   * start weight times 1 − f.
   */
  readonly capitals: readonly number[] | null;
  /** 0 unless a capital has exceeded 2^256. */
  readonly exponent: number;
  /** Requests in intervals that had some, and how many such intervals: their mean weighs the stakes. */
  readonly requests: number;
  readonly busy: number;
}

/** One bet: `x` in [0, 1] against a mean of at most `m`, 0 < m < 1, with `stake` in [0, 1]. */
export interface Bet {
  readonly x: number;
  readonly m: number;
  readonly stake: number;
}

/** A state without evidence. `planned` is the number of intervals the observation is planned for; it may last longer. */
export function startBets(planned: number): BetState {
  return {
    planned: Math.max(1, Math.round(planned)),
    t: 0,
    waiting: 0,
    capitals: null,
    exponent: 0,
    requests: 0,
    busy: 0,
  };
}

/**
 * The part of the evidence that is given to trouble which starts in interval t, from 1: half to the first, a quarter
 * spread over the planned intervals, a quarter over all later ones. Over all t they sum to 1.
 */
export function startWeight(t: number, planned: number): number {
  if (t === 1) return 1 / 2 + 1 / (4 * planned);
  if (t <= planned) return 1 / (4 * planned);
  return 1 / (4 * (t - planned) * (t - planned + 1));
}

/** 1 − Σ_{r ≤ t} startWeight(r), in closed form, so that it stays exact however long the observation lasts. */
export function unspent(t: number, planned: number): number {
  if (t === 0) return 1;
  if (t <= planned) return 1 / 2 - t / (4 * planned);
  return 1 / (4 * (t - planned + 1));
}

/** min(1, requests / their mean so far): a busy interval counts in full, a nearly idle one little. */
export function stakeOf(state: BetState, requests: number): number {
  if (!(requests > 0)) return 0;
  return Math.min(1, (requests * (state.busy + 1)) / (state.requests + requests));
}

/**
 * The state after one more interval: constant memory, O(1). Without a bet (`null`: nothing was asked, nothing can be
 * compared) time passes and no evidence changes. `requests` feeds the mean that `stakeOf` weighs with.
 */
export function placeBet(state: BetState, bet: Bet | null, requests = 0): BetState {
  const t = state.t + 1;
  const waiting = state.waiting + startWeight(t, state.planned);
  const known = {
    planned: state.planned,
    t,
    requests: state.requests + (requests > 0 ? requests : 0),
    busy: state.busy + (requests > 0 ? 1 : 0),
  };
  const { capitals: before, exponent } = state;
  if (bet === null || bet.stake <= 0) return { ...known, waiting, capitals: before, exponent };
  const scale = (bet.stake * (bet.x - bet.m)) / bet.m;
  const joined = exponent === 0 ? waiting : waiting * STEP ** -exponent;
  const capitals: number[] = [];
  let top = 0;
  for (let i = 0; i < FRACTIONS.length; i++) {
    const capital = ((before === null ? 0 : before[i]!) + joined) * (1 + FRACTIONS[i]! * scale);
    if (capital > top) top = capital;
    capitals.push(capital);
  }
  return { ...known, waiting: 0, ...rescaled(capitals, top, exponent) };
}

/** Exact, since it only ever multiplies by powers of two. */
const STEP = 2 ** 256;

function rescaled(capitals: readonly number[], top: number, exponent: number): Pick<BetState, "capitals" | "exponent"> {
  if (top > STEP) return { capitals: capitals.map((capital) => capital / STEP), exponent: exponent + 1 };
  if (top < 1 && exponent > 0) return { capitals: capitals.map((capital) => capital * STEP), exponent: exponent - 1 };
  return { capitals, exponent };
}

/** ln E: the evidence against "healthy". Starts at 0 (E = 1); degraded at ln(1/α). */
export function logEvidence(state: BetState): number {
  // Weight that waits has never been bet, so it counts like unspent weight: at its face value.
  const idle = unspent(state.t, state.planned) + state.waiting;
  if (state.capitals === null) return Math.log(idle);
  let sum = 0;
  for (const capital of state.capitals) sum += capital;
  const mean = sum / FRACTIONS.length;
  if (state.exponent === 0) return Math.log(mean + idle);
  return logAddExp(Math.log(mean) + state.exponent * Math.log(STEP), Math.log(idle));
}

/** ln(e^a + e^b) without overflow. */
export function logAddExp(a: number, b: number): number {
  const top = a > b ? a : b;
  return top === -Infinity ? top : top + Math.log1p(Math.exp(-Math.abs(a - b)));
}
