import type { HostReading, HostSample, LatencyCounts } from "./metrics.ts";
import { formatSeconds } from "./wording.ts";

/** How far a host's clock may be ahead of ours before its reading is refused, milliseconds. */
export const CLOCK_TOLERANCE_MS = 5_000;

/** A figure, or why there is none. */
export type Figure = { readonly ok: true; readonly value: number } | { readonly ok: false; readonly reason: string };

/** What one host did between two readings. Each figure may be missing by itself. */
export interface HostDelta {
  readonly host: string;
  readonly requests: Figure;
  readonly errors: Figure;
  readonly latency:
    | { readonly ok: true; readonly value: LatencyCounts }
    | { readonly ok: false; readonly reason: string };
  readonly cpuShare: Figure;
  readonly memoryShare: Figure;
  readonly dbConnections: Figure;
  readonly dbConnectionsMax: Figure;
  readonly queueLength: Figure;
  /** The process restarted between the readings, so the counts are those of the new process. */
  readonly restarted: boolean;
}

/** Nothing usable from a host, and whether its reading may serve as the next one's predecessor. */
export interface NoDelta {
  readonly host: string;
  readonly reason: string;
  readonly keepAsBase: boolean;
}

/**
 * Subtracts two successive readings of one host. Counters that went back mean a restart (what the new process counted
 * is the delta), unless the source says that the process did not restart. NaN, negative and infinite figures are
 * missing figures. `now` (milliseconds) refuses readings from the future.
 */
export function deltaOf(previous: HostSample | undefined, reading: HostReading, now: number): HostDelta | NoDelta {
  const host = reading.host;
  if ("failed" in reading) return { host, reason: reading.failed, keepAsBase: false };
  if (!Number.isFinite(reading.at)) return { host, reason: `${host} gave no valid timestamp`, keepAsBase: false };
  if (reading.at > now + CLOCK_TOLERANCE_MS) {
    const ahead = formatSeconds((reading.at - now) / 1000);
    return { host, reason: `the reading of ${host} lies ${ahead} in the future`, keepAsBase: false };
  }
  if (previous !== undefined && reading.at <= previous.at) {
    const how = reading.at === previous.at ? "is the one before" : "is older than the one before";
    return { host, reason: `the reading of ${host} ${how}`, keepAsBase: false };
  }
  if (reading.mode === "cumulative" && previous === undefined) {
    return { host, reason: `first reading of ${host}`, keepAsBase: true };
  }
  const base = reading.mode === "windowed" ? undefined : previous;
  const back = base !== undefined && wentBack(base, reading);
  const restarted = base !== undefined && (back || base.startedAtSeconds !== reading.startedAtSeconds);
  if (back && reading.startedAtSeconds !== undefined && base.startedAtSeconds === reading.startedAtSeconds) {
    return { host, reason: `counters of ${host} went back although it did not restart`, keepAsBase: true };
  }
  const from = restarted ? undefined : base;
  return {
    host,
    requests: counted(host, "requests", from?.requests, reading.requests, base !== undefined && !restarted),
    errors: counted(host, "errors", from?.errors, reading.errors, base !== undefined && !restarted),
    latency: histogram(host, from?.latency, reading.latency),
    cpuShare: cpuShare(previous, from, reading),
    memoryShare: level(host, "memory share", reading.memoryShare),
    dbConnections: level(host, "database connections", reading.dbConnections),
    dbConnectionsMax: level(host, "limit of database connections", reading.dbConnectionsMax),
    queueLength: level(host, "queue length", reading.queueLength),
    restarted,
  };
}

function wentBack(previous: HostSample, next: HostSample): boolean {
  return (
    lower(previous.requests, next.requests) ||
    lower(previous.errors, next.errors) ||
    lower(previous.cpuSeconds, next.cpuSeconds) ||
    lower(previous.latency?.total, next.latency?.total)
  );
}

/** A negative figure is a broken figure, not a restart; it is refused where it is used. */
function lower(before: number | undefined, after: number | undefined): boolean {
  return before !== undefined && after !== undefined && after >= 0 && after < before;
}

function counted(
  host: string,
  what: string,
  before: number | undefined,
  after: number | undefined,
  needsBefore: boolean,
): Figure {
  if (after === undefined) return { ok: false, reason: `${host} reports no ${what}` };
  if (!valid(after)) return { ok: false, reason: `${host} reports ${after} ${what}` };
  // A counter that appears while the process runs (a first error) has counted from zero.
  const start = needsBefore ? (before ?? 0) : 0;
  if (!valid(start)) return { ok: false, reason: `${host} reported ${start} ${what} before` };
  return { ok: true, value: after - start };
}

function level(host: string, what: string, value: number | undefined): Figure {
  if (value === undefined) return { ok: false, reason: `${host} reports no ${what}` };
  return valid(value) ? { ok: true, value } : { ok: false, reason: `${host} reports a ${what} of ${value}` };
}

function histogram(
  host: string,
  before: LatencyCounts | undefined,
  after: LatencyCounts | undefined,
): HostDelta["latency"] {
  if (after === undefined) return { ok: false, reason: `${host} reports no latency histogram` };
  for (const one of before === undefined ? [after] : [after, before]) {
    if (!valid(one.total) || !one.counts.every(valid)) {
      return { ok: false, reason: `${host} reports a histogram with invalid counts` };
    }
  }
  // Some libraries show no buckets before the first request.
  if (before === undefined || before.total === 0) return { ok: true, value: after };
  if (before.edges.length !== after.edges.length || before.edges.some((edge, i) => edge !== after.edges[i])) {
    return { ok: false, reason: `the histogram of ${host} changed its edges` };
  }
  const counts = after.counts.map((count, i) => Math.max(0, count - before.counts[i]!));
  return { ok: true, value: { edges: after.edges, counts, total: Math.max(0, after.total - before.total) } };
}

function cpuShare(previous: HostSample | undefined, from: HostSample | undefined, next: HostSample): Figure {
  if (next.cpuShare !== undefined) return level(next.host, "CPU share", next.cpuShare);
  const { host, cpuSeconds, cpuLimitCores } = next;
  if (cpuSeconds === undefined) return { ok: false, reason: `${host} reports no CPU time` };
  if (cpuLimitCores === undefined || !(cpuLimitCores > 0)) {
    return { ok: false, reason: `it is not known how much CPU ${host} may use` };
  }
  if (previous === undefined) return { ok: false, reason: `first reading of ${host}` };
  const used = cpuSeconds - (from?.cpuSeconds ?? 0);
  if (!valid(used)) return { ok: false, reason: `${host} reports ${cpuSeconds} s of CPU time` };
  return { ok: true, value: used / (((next.at - previous.at) / 1000) * cpuLimitCores) };
}

function valid(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}
