import { SunnyError } from "../../errors.ts";
import { deltaOf } from "../../analysis/delta.ts";
import { countWithin } from "../../analysis/intervals.ts";
import type { HostReading, HostSample } from "../../analysis/metrics.ts";
import { resourceOf } from "../../analysis/rule.ts";
import type { Resource, Rule } from "../../analysis/rule.ts";
import { formatSeconds } from "../../analysis/wording.ts";

/**
 * Checks at plan time that every rule gets data now from every host: what is missing today would make the rule blind
 * tomorrow. Returns one error a rule and cause, none when all is well, with the rule's id in the details; nothing is thrown.
 */
export function checkRules(rules: readonly Rule[], readings: readonly HostReading[], now: number): SunnyError[] {
  const problems: SunnyError[] = [];
  const samples: HostSample[] = [];
  for (const reading of readings) {
    // The first reading of a host is judged like any other: clock, identity, sanity.
    const delta = deltaOf(undefined, reading, now);
    if ("reason" in delta && !delta.keepAsBase) {
      problems.push(
        new SunnyError("METRIC_SOURCE_DOWN", `Cannot watch ${reading.host}: ${delta.reason}`, {
          hint: "Check that the host serves its metrics and that monitoring.source leads to it.",
        }),
      );
    } else samples.push(reading as HostSample);
  }
  if (readings.length === 0) {
    problems.push(new SunnyError("METRIC_SOURCE_DOWN", "Cannot watch: the metric source knows no host", {}));
  }
  for (const rule of rules) {
    const problem = samples.map((sample) => missing(rule, sample)).find((one) => one !== null);
    if (problem !== undefined && problem !== null) problems.push(problem);
  }
  return problems;
}

function missing(rule: Rule, sample: HostSample): SunnyError | null {
  switch (rule.kind) {
    case "error-rate":
    case "errors-versus-baseline":
      if (!usable(sample.requests))
        return notFound(rule, sample, "a counter of requests", "error-rate.requests", sample.requests);
      return usable(sample.errors)
        ? null
        : notFound(rule, sample, "a status of requests", "error-rate.statusLabel", sample.errors);
    case "latency":
      return missingEdges(rule, sample, [rule.edgeSeconds]);
    case "latency-versus-baseline":
      return missingEdges(
        rule,
        sample,
        rule.cuts.flatMap((cut) => [cut.canarySeconds, cut.baselineSeconds]),
      );
    case "usage":
      return missingUsage(rule, rule.resource, sample);
    case "gauge": {
      const resource = resourceOf(rule);
      if (resource !== null) return missingUsage(rule, resource, sample);
      const value = rule.gauge === "queue-length" ? sample.queueLength : sample.dbConnections;
      if (!usable(value)) return notFound(rule, sample, "such a level", `${rule.gauge}.metric`, value);
      if (!rule.relative || usable(sample.dbConnectionsMax)) return null;
      return notFound(rule, sample, "the most connections there may be", "db-connections.max", sample.dbConnectionsMax);
    }
  }
}

function missingUsage(rule: Rule, resource: Resource, sample: HostSample): SunnyError | null {
  if (resource === "memory") {
    if (usable(sample.memoryShare)) return null;
    return notFound(rule, sample, "memory in use and its limit", "memory.bytes and .limitBytes", sample.memoryShare);
  }
  if (usable(sample.cpuShare)) return null;
  if (!usable(sample.cpuSeconds)) return notFound(rule, sample, "CPU time", "cpu.seconds", sample.cpuSeconds);
  if (usable(sample.cpuLimitCores) && sample.cpuLimitCores! > 0) return null;
  return notFound(rule, sample, "how many cores it may use", "cpu.cores", sample.cpuLimitCores);
}

function missingEdges(rule: Rule, sample: HostSample, edges: readonly number[]): SunnyError | null {
  const { latency } = sample;
  if (latency === undefined) return notFound(rule, sample, "a latency histogram", "response-time.histogram", undefined);
  const edge = edges.find((one) => countWithin(latency, one) === null);
  if (edge === undefined) return null;
  const known = latency.edges.map(formatSeconds).join(", ");
  return new SunnyError(
    "METRIC_BUCKET_MISSING",
    `Cannot check "${rule.title}": the histogram of ${sample.host} has no bucket edge at ${formatSeconds(edge)}, only at ${known === "" ? "none" : known}`,
    {
      hint: `Add a bucket with le="${edge}" to the service's histogram, or state a limit that is one of its edges.`,
      details: { rule: rule.id },
    },
  );
}

function usable(value: number | undefined): boolean {
  return value !== undefined && Number.isFinite(value) && value >= 0;
}

function notFound(rule: Rule, sample: HostSample, what: string, key: string, value: number | undefined): SunnyError {
  const found = value === undefined ? `does not report ${what}` : `reports ${value} for ${what}`;
  return new SunnyError("METRIC_NOT_FOUND", `Cannot check "${rule.title}": ${sample.host} ${found}`, {
    hint: `Name the metric under monitoring.bindings.${key} in sunny.config.ts.`,
    details: { rule: rule.id },
  });
}
