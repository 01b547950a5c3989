import type { Failure, LoadSummary, RequestKind, VersionSummary } from "./protocol.ts";

/** Answers later than this are counted as slow. */
const SLOW_MS = 500;
/** Edges grow by 5 %, from a tenth of a millisecond: a quantile is off by at most that much, in constant memory. */
const GROWTH = 1.05;
const SMALLEST_MS = 0.1;
const BUCKETS = 300;

/** Counts of durations by size, for quantiles. */
export class Durations {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;
  #max = 0;

  add(ms: number): void {
    const index = Math.ceil(Math.log(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) / Math.log(GROWTH));
    const slot = Math.min(BUCKETS - 1, index);
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.#total += 1;
    this.#max = Math.max(this.#max, ms);
  }

  /** The upper edge of the bucket that holds the quantile `q` (0 to 1); 0 without any duration. */
  quantile(q: number): number {
    let left = Math.ceil(this.#total * q);
    for (const [index, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && this.#total > 0) return round(Math.min(this.#max, SMALLEST_MS * GROWTH ** index));
    }
    return 0;
  }

  max(): number {
    return round(this.#max);
  }
}

/** How one request ended. */
export interface Outcome {
  readonly kind: RequestKind;
  readonly ok: boolean;
  /** Status of the answer; undefined when there was none. */
  readonly status: number | undefined;
  /** Why it failed, when it did. */
  readonly why: string;
  readonly version: string;
  readonly host: string;
  readonly ms: number;
  /** Milliseconds since the epoch, when it ended. */
  readonly at: number;
}

interface OfVersion {
  requests: number;
  failed: number;
  slow: number;
  durations: Durations;
  firstAt: number;
  lastAt: number;
  firstFailedAt: number | null;
  firstSlowAt: number | null;
}

/** Everything that is counted about requests, in constant memory. */
export class Statistics {
  answered = 0;
  failed = 0;
  retried = 0;
  retriedOk = 0;
  payments = 0;
  refunds = 0;
  readonly #all = new Durations();
  readonly #versions = new Map<string, OfVersion>();
  readonly #byStatus: Record<string, number> = {};
  readonly #byKind: Record<string, number> = {};
  readonly #failures: Failure[] = [];

  /** Counts a request; true when it is the first failure seen of its version. */
  add(outcome: Outcome): boolean {
    const { kind, ok, status, why, version, ms, at } = outcome;
    if (status !== undefined) this.answered += 1;
    this.#byKind[kind] = (this.#byKind[kind] ?? 0) + 1;
    const name = status === undefined ? why : String(status);
    this.#byStatus[name] = (this.#byStatus[name] ?? 0) + 1;
    const seen = this.#of(version, at);
    seen.requests += 1;
    seen.lastAt = at;
    // A request that was meant to take long says nothing about how fast the service is.
    if (kind !== "slow") {
      this.#all.add(ms);
      seen.durations.add(ms);
      if (ms > SLOW_MS) {
        seen.slow += 1;
        seen.firstSlowAt ??= at;
      }
    }
    if (ok) return false;
    this.failed += 1;
    seen.failed += 1;
    if (this.#failures.length < 100) {
      this.#failures.push({ at: rfc3339(at), kind, why, version, host: outcome.host });
    }
    const first = seen.firstFailedAt === null;
    seen.firstFailedAt ??= at;
    return first;
  }

  summary(): Pick<
    LoadSummary,
    "answered" | "failed" | "retried" | "retriedOk" | "acknowledged" | "byKind" | "byStatus"
  > &
    Pick<LoadSummary, "byVersion" | "latencyMs" | "failures"> {
    const quantile = (q: number): number => this.#all.quantile(q);
    return {
      answered: this.answered,
      failed: this.failed,
      retried: this.retried,
      retriedOk: this.retriedOk,
      acknowledged: { payments: this.payments, refunds: this.refunds },
      byKind: { ...this.#byKind },
      byStatus: { ...this.#byStatus },
      byVersion: Object.fromEntries([...this.#versions].map(([version, seen]) => [version, describe(seen)])),
      latencyMs: { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), max: this.#all.max() },
      failures: [...this.#failures],
    };
  }

  #of(version: string, at: number): OfVersion {
    const known = this.#versions.get(version);
    if (known !== undefined) return known;
    const counts = { requests: 0, failed: 0, slow: 0, firstFailedAt: null, firstSlowAt: null };
    const fresh: OfVersion = { ...counts, durations: new Durations(), firstAt: at, lastAt: at };
    this.#versions.set(version, fresh);
    return fresh;
  }
}

/** RFC 3339 of a time in milliseconds. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}

function describe(seen: OfVersion): VersionSummary {
  const { requests, failed, slow } = seen;
  return {
    requests,
    failed,
    slow,
    p95Ms: seen.durations.quantile(0.95),
    firstAt: rfc3339(seen.firstAt),
    lastAt: rfc3339(seen.lastAt),
    firstFailedAt: seen.firstFailedAt === null ? null : rfc3339(seen.firstFailedAt),
    firstSlowAt: seen.firstSlowAt === null ? null : rfc3339(seen.firstSlowAt),
  };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
