import type { Clock } from "../../clock.ts";
import type { ChosenInterval } from "../../analysis/interval-length.ts";
import { chooseInterval } from "../../analysis/interval-length.ts";
import type { MetricSource, PastInterval } from "../../analysis/metrics.ts";
import type { IntervalRow } from "./ports.ts";

/** How far back to look, milliseconds. */
export const PAST_MS = 3_600_000;

export interface LearnOptions {
  readonly source: MetricSource;
  /** The hosts that serve now, all with the old release. */
  readonly hosts: readonly string[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Requests per second expected on the canary, where known. */
  readonly canaryRate?: number;
  /** What earlier deployments kept, newest first; used when the source keeps no past itself. */
  readonly earlier?: readonly (readonly IntervalRow[])[];
}

/**
 * Chooses the length of the intervals from the service's own past: an hour of it from the metric source, else what an
 * earlier deployment recorded of its baseline. A source that fails here is no error: the length is then the careful
 * default of 10 s, and the reason says so.
 */
export async function learnInterval(options: LearnOptions): Promise<ChosenInterval> {
  const { source, canaryRate, earlier = [] } = options;
  const sourceSeconds = (source.stepMs ?? 1000) / 1000;
  const known = { ...(canaryRate === undefined ? {} : { canaryRate }), sourceSeconds };
  const fromSource = await sourcePast(options, Math.max(1000, source.stepMs ?? 1000));
  if (fromSource.length > 0) return chooseInterval(fromSource, { ...known, pastSeconds: sourceSeconds });
  for (const rows of earlier) {
    const { past, seconds } = recordedPast(rows);
    if (past.length > 0) return chooseInterval(past, { ...known, pastSeconds: seconds });
  }
  return chooseInterval(null, known);
}

async function sourcePast(options: LearnOptions, stepMs: number): Promise<readonly PastInterval[]> {
  const { source, hosts, clock, signal } = options;
  if (source.past === undefined) return [];
  const toMs = clock.now();
  try {
    return await source.past(hosts, { fromMs: toMs - PAST_MS, toMs, stepMs, signal });
  } catch {
    return [];
  }
}

/**
 * What an earlier deployment saw of its baseline, as a past: its rows of the error rate, and the length of its intervals
 * in seconds (rounded, at least 1). Intervals that differ from that length by more than half (pauses, crashes) are left out.
 */
export function recordedPast(rows: readonly IntervalRow[]): {
  readonly past: PastInterval[];
  readonly seconds: number;
} {
  const own = rows.filter(({ arm, data }) => arm === "baseline" && data.kind === "counts" && data.bad.length === 1);
  const rule = own.find((row) => row.rule.startsWith("error"))?.rule;
  const ofRule = own.filter((row) => row.rule === rule).toSorted((a, b) => a.start - b.start);
  const typical = ofRule.map((row) => row.ms).toSorted((a, b) => a - b)[ofRule.length >> 1] ?? 1000;
  const past = ofRule.flatMap(({ ms, data }): PastInterval[] => {
    if (data.kind !== "counts" || Math.abs(ms - typical) > typical / 2) return [];
    return [{ requests: data.requests, errors: data.bad[0] ?? 0 }];
  });
  return { past, seconds: Math.max(1, Math.round(typical / 1000)) };
}
