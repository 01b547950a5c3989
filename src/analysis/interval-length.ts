import type { PastInterval } from "./metrics.ts";

/** Seconds. Doubling stops at the last one. */
const LENGTHS = [1, 2, 4, 8, 16, 32, 60] as const;
/** Without a past that shows errors. */
const UNKNOWN_PAST = 10;
const LARGEST_CORRELATION = 0.1;
/** One-sided 5 % of the standard normal: only errors that attract each other do harm. */
const SIGNIFICANT = 1.645;
const ENOUGH_INTERVALS = 30;
/** An interval should hold this many requests of the canary on average, or there is little to compare. */
export const WANTED_CANARY_REQUESTS = 1.5;

/** The length that was chosen, and why, for the record. */
export interface ChosenInterval {
  readonly intervalMs: number;
  readonly reason: string;
}

/** What is known besides the past. */
export interface ChoiceOptions {
  /** Requests per second expected on the canary: asks for longer intervals where they are few. */
  readonly canaryRate?: number;
  /** Length of the past's intervals in seconds, default 1. */
  readonly pastSeconds?: number;
  /** How often the source has new figures, seconds, default 1: intervals are no shorter. */
  readonly sourceSeconds?: number;
}

/**
 * Chooses the interval from the baseline's past (an hour of it, or what earlier deployments recorded): the shortest
 * length at which errors of neighbouring intervals are uncorrelated, since the guarantee holds for clusters of errors
 * that fit into one interval. 10 s without such a past; 60 s at most, or the source's own interval when that is longer.
 */
export function chooseInterval(past: readonly PastInterval[] | null, options: ChoiceOptions = {}): ChosenInterval {
  const { canaryRate = 0, pastSeconds = 1, sourceSeconds = 1 } = options;
  const learned = fromClusters(past, pastSeconds);
  const sparse = canaryRate > 0 ? WANTED_CANARY_REQUESTS / canaryRate : 0;
  const seconds = LENGTHS.find((length) => length >= sparse) ?? LENGTHS.at(-1)!;
  const longer = seconds * 1000 > learned.intervalMs;
  const chosen = longer
    ? { intervalMs: seconds * 1000, reason: `${learned.reason}; longer since the canary gets few requests` }
    : learned;
  if (chosen.intervalMs >= sourceSeconds * 1000) return chosen;
  return {
    intervalMs: Math.ceil(sourceSeconds * 1000),
    reason: `${chosen.reason}; longer since the source has new figures only so often`,
  };
}

function fromClusters(past: readonly PastInterval[] | null, pastSeconds: number): ChosenInterval {
  const fallback = UNKNOWN_PAST * 1000;
  if (past === null) return { intervalMs: fallback, reason: "no past of the baseline is known" };
  if (past.filter((one) => one.errors > 0).length < ENOUGH_INTERVALS) {
    return { intervalMs: fallback, reason: "the baseline's past has too few errors to show clusters" };
  }
  for (const wanted of LENGTHS) {
    // A coarse past is looked at in multiples of its own intervals.
    const length = Math.max(1, Math.round(wanted / pastSeconds)) * pastSeconds;
    if (length > LENGTHS.at(-1)!) break;
    const grouped = group(past, length / pastSeconds);
    const r = neighbourCorrelation(grouped, length);
    if (grouped.filter((one) => one.errors > 0).length < ENOUGH_INTERVALS) continue;
    if (r < LARGEST_CORRELATION && r < SIGNIFICANT / Math.sqrt(grouped.length)) {
      return {
        intervalMs: length * 1000,
        reason: `errors of neighbouring intervals are uncorrelated (${r.toFixed(2)})`,
      };
    }
  }
  return { intervalMs: LENGTHS.at(-1)! * 1000, reason: "errors come in clusters longer than 30 s" };
}

/** Seconds. Clusters are shorter, and what changes more slowly (a busy hour, a drifting rate) is no cluster. */
const TREND = 600;

/**
 * Lag-1 correlation of the errors in excess of what the requests explain at the rate of the ten minutes around, so that
 * neither a busy hour nor a rate that drifts looks like a cluster. `length` is that of the intervals in seconds, default
 * 1. 0 when nothing varies.
 */
export function neighbourCorrelation(past: readonly PastInterval[], length = 1): number {
  const stretch = Math.max(1, Math.round(TREND / length));
  let both = 0;
  let own = 0;
  let last = 0;
  for (let from = 0; from < past.length; from += stretch) {
    const block = past.slice(from, from + stretch);
    const requests = block.reduce((sum, one) => sum + one.requests, 0);
    const rate = requests > 0 ? block.reduce((sum, one) => sum + one.errors, 0) / requests : 0;
    for (const { requests, errors } of block) {
      const excess = errors - rate * requests;
      own += excess ** 2;
      both += excess * last;
      last = excess;
    }
  }
  return own === 0 ? 0 : both / own;
}

function group(past: readonly PastInterval[], length: number): PastInterval[] {
  const grouped: PastInterval[] = [];
  for (let i = 0; i + length <= past.length; i += length) {
    let requests = 0;
    let errors = 0;
    for (let k = i; k < i + length; k++) {
      requests += past[k]!.requests;
      errors += past[k]!.errors;
    }
    grouped.push({ requests, errors });
  }
  return grouped;
}
