import type { HostDelta, NoDelta } from "./delta.ts";
import { deltaOf } from "./delta.ts";
import type { HostReading, HostSample, LatencyCounts } from "./metrics.ts";
import type { Arm, Observation, Rule, RuleInterval } from "./rule.ts";
import { percentileOf, sumOf } from "./percentile.ts";
import { formatPercent, formatSeconds } from "./wording.ts";

/** Which hosts have the new release, and which the one before. A host in neither arm (draining) is not looked at. */
export interface Arms {
  readonly canary: readonly string[];
  readonly baseline: readonly string[];
  /** Part of the traffic that the canary should get, 0 to 1; compared with what it does get. */
  readonly weight?: number;
}

/** The last usable reading of each host and the arm it was in; plain JSON. */
export type Samples = Readonly<Record<string, { readonly arm: Arm; readonly sample: HostSample }>>;

export interface BuiltInterval {
  readonly intervals: readonly RuleInterval[];
  readonly samples: Samples;
  /** What was refused or missing, one sentence each, for the log. */
  readonly notes: readonly string[];
}

/**
 * Makes one interval out of new readings and the ones before: counts of each arm for each rule. Pure; a host that is
 * refused leaves the others as they are, an arm without any usable host is blind, and nothing is ever taken as zero.
 */
export function buildInterval(
  rules: readonly Rule[],
  arms: Arms,
  previous: Samples,
  readings: readonly HostReading[],
  now: number,
): BuiltInterval {
  const byHost = new Map(readings.map((reading) => [reading.host, reading]));
  const samples: Record<string, { arm: Arm; sample: HostSample }> = {};
  const notes: string[] = [];
  const usable: Record<Arm, HostDelta[]> = { canary: [], baseline: [] };
  const reasons: Record<Arm, string[]> = { canary: [], baseline: [] };
  for (const arm of ["canary", "baseline"] as const) {
    for (const host of arms[arm]) {
      const before = previous[host];
      const reading = byHost.get(host) ?? { host, failed: `no reading of ${host}` };
      const delta = deltaOf(before?.sample, reading, now);
      if ("reason" in delta) {
        if (delta.keepAsBase) samples[host] = { arm, sample: reading as HostSample };
        else if (before !== undefined) samples[host] = { arm: before.arm, sample: before.sample };
        refuse(delta, reasons[arm], notes);
        continue;
      }
      samples[host] = { arm, sample: reading as HostSample };
      // Counts from before the switch belong to the other arm, unless the process is new as well.
      if (before !== undefined && before.arm !== arm && !delta.restarted) {
        reasons[arm].push(`${host} has just joined`);
      } else usable[arm].push(delta);
    }
  }
  const intervals = rules.map((rule) => ({
    rule: rule.id,
    canary: observation(rule, "canary", arms, usable.canary, reasons.canary),
    baseline: observation(rule, "baseline", arms, usable.baseline, reasons.baseline),
  }));
  return { intervals, samples, notes };
}

function refuse(delta: NoDelta, reasons: string[], notes: string[]): void {
  reasons.push(delta.reason);
  if (!delta.keepAsBase) notes.push(delta.reason);
}

function observation(
  rule: Rule,
  arm: Arm,
  arms: Arms,
  deltas: readonly HostDelta[],
  reasons: readonly string[],
): Observation {
  if (arms[arm].length === 0) return { kind: "absent" };
  switch (rule.kind) {
    case "error-rate":
    case "errors-versus-baseline":
      return sumCounts(deltas, reasons, errorsOf);
    case "latency":
      return withPercentile(
        sumCounts(deltas, reasons, (delta) => slowerThan(delta, [rule.edgeSeconds])),
        deltas,
        rule.percentile,
      );
    case "latency-versus-baseline": {
      const edges = rule.cuts.map((cut) => (arm === "canary" ? cut.canarySeconds : cut.baselineSeconds));
      return sumCounts(deltas, reasons, (delta) => slowerThan(delta, edges));
    }
    case "usage":
      return meanLevel(deltas, reasons, (delta) => (rule.resource === "cpu" ? delta.cpuShare : delta.memoryShare));
    case "gauge":
      return meanLevel(deltas, reasons, (delta) => gaugeOf(rule, delta));
  }
}

type Counts = { requests: number; bad: number[] };

function sumCounts(
  deltas: readonly HostDelta[],
  reasons: readonly string[],
  countsOf: (delta: HostDelta) => Counts | string,
): Observation {
  let sum: Counts | null = null;
  let reason = reasons[0];
  for (const delta of deltas) {
    const counts = countsOf(delta);
    if (typeof counts === "string") {
      reason ??= counts;
      continue;
    }
    if (sum === null) sum = counts;
    else {
      sum.requests += counts.requests;
      for (let i = 0; i < sum.bad.length; i++) sum.bad[i]! += counts.bad[i]!;
    }
  }
  return sum === null ? { kind: "blind", reason: reason ?? "no host answered" } : { kind: "counts", ...sum };
}

function withPercentile(seen: Observation, deltas: readonly HostDelta[], percentile: number): Observation {
  if (seen.kind !== "counts") return seen;
  const whole = sumOf(deltas.flatMap(({ latency }) => (latency.ok ? [latency.value] : [])));
  const seconds = whole === null ? null : percentileOf(whole, percentile);
  return seconds === null ? seen : { ...seen, percentileMs: Math.round(seconds * 1e6) / 1000 };
}

function errorsOf(delta: HostDelta): Counts | string {
  if (!delta.requests.ok) return delta.requests.reason;
  if (!delta.errors.ok) return delta.errors.reason;
  return { requests: delta.requests.value, bad: [Math.min(delta.errors.value, delta.requests.value)] };
}

function slowerThan(delta: HostDelta, edges: readonly number[]): Counts | string {
  if (!delta.latency.ok) return delta.latency.reason;
  const counts = delta.latency.value;
  const requests = counts.total;
  if (requests === 0) return { requests, bad: edges.map(() => 0) };
  const bad: number[] = [];
  for (const edge of edges) {
    const within = countWithin(counts, edge);
    if (within === null) return `the histogram of ${delta.host} has no edge at ${formatSeconds(edge)}`;
    bad.push(Math.max(0, requests - within));
  }
  return { requests, bad };
}

/** Requests that took at most `edge` seconds; `null` when the histogram has no such edge. */
export function countWithin(counts: LatencyCounts, edge: number): number | null {
  const at = counts.edges.findIndex((one) => Math.abs(one - edge) <= 1e-9 * Math.max(1, edge));
  return at === -1 ? null : counts.counts[at]!;
}

function gaugeOf(rule: Extract<Rule, { kind: "gauge" }>, delta: HostDelta): HostDelta["queueLength"] {
  if (rule.gauge === "queue-length") return delta.queueLength;
  if (rule.gauge === "cpu") return delta.cpuShare;
  if (rule.gauge === "memory") return delta.memoryShare;
  if (!rule.relative || !delta.dbConnections.ok) return delta.dbConnections;
  if (!delta.dbConnectionsMax.ok) return delta.dbConnectionsMax;
  return { ok: true, value: delta.dbConnections.value / Math.max(1, delta.dbConnectionsMax.value) };
}

function meanLevel(
  deltas: readonly HostDelta[],
  reasons: readonly string[],
  figureOf: (delta: HostDelta) => HostDelta["cpuShare"],
): Observation {
  let sum = 0;
  let count = 0;
  let reason = reasons[0];
  for (const delta of deltas) {
    const figure = figureOf(delta);
    if (figure.ok) {
      sum += figure.value;
      count++;
    } else reason ??= figure.reason;
  }
  return count === 0 ? { kind: "blind", reason: reason ?? "no host answered" } : { kind: "level", value: sum / count };
}

/**
 * Says so when the canary's part of the requests is off the weight that was set by more than a factor of 1.5, after
 * 1,000 requests; `null` otherwise. A plain comparison, no test: connections that are kept open come in clusters.
 */
export function weightNote(weight: number, canaryRequests: number, allRequests: number): string | null {
  if (allRequests < 1000 || !(weight > 0) || weight >= 1) return null;
  const real = canaryRequests / allRequests;
  if (real <= weight * 1.5 && real * 1.5 >= weight) return null;
  return `the canary gets ${formatPercent(real)} of the requests, the weight that was set is ${formatPercent(weight)}`;
}
