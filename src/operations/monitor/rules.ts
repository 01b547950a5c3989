import { SunnyError } from "../../errors.ts";
import { chooseCuts } from "../../analysis/cuts.ts";
import type { LatencyCounts } from "../../analysis/metrics.ts";
import type {
  ErrorsVersusBaselineRule,
  GaugeRule,
  LatencyVersusBaselineRule,
  Resource,
  Rule,
} from "../../analysis/rule.ts";
import { withShares } from "../../analysis/settings.ts";
import { memoryFloor } from "../../analysis/stakes.ts";
import { formatSeconds } from "../../analysis/wording.ts";
import type { Threshold } from "../../runbook/model.ts";
import { DEFAULT_PERCENTILE } from "../../runbook/model.ts";

const WATCHED =
  "Those are response times, error rates, CPU, memory, database connections and queue lengths. Reword it, or move it to the metrics to watch.";

/** How long a level must stay beyond its limit when the runbook does not say, milliseconds. */
export const DEFAULT_HOLD_MS = 60_000;

/** A threshold as the runbook states it; what is bad. */
export type ThresholdInput = Pick<Threshold, "metric" | "comparison" | "value" | "unit"> &
  Partial<Pick<Threshold, "percentile" | "aggregate" | "holdMs" | "level" | "text" | "line" | "column">>;

/** The rules and what was assumed where the runbook does not say, one sentence each. */
export interface BuiltRules {
  readonly rules: readonly Rule[];
  readonly notes: readonly string[];
}

/** Which comparisons of the canary with the baseline there are. */
export interface Compare {
  readonly errors: boolean;
  /** How many times the baseline's errors a request to the canary may have, at least 1. */
  readonly errorRatio: number;
  readonly latency: boolean;
}

const COMPARE_ALL: Compare = { errors: true, errorRatio: 1, latency: true };

/**
 * Turns the runbook's thresholds into rules and adds the comparisons of canary and baseline, with their shares. Of two
 * levels of one metric the critical one counts. `past` is a latency histogram of the running service, from which the
 * cuts of the latency comparison are chosen; without it there is none. `compare` switches comparisons off.
 * @throws THRESHOLD_UNSUPPORTED
 */
export function buildRules(
  thresholds: readonly ThresholdInput[],
  past: LatencyCounts | null,
  compare: Compare = COMPARE_ALL,
): BuiltRules {
  const notes: string[] = [];
  const rules = new Map<string, Rule>();
  for (const threshold of thresholds) {
    const critical = thresholds.some((one) => one.metric === threshold.metric && one.level === "critical");
    if (threshold.level === "warning" && critical) {
      notes.push(`"${titleOf(threshold)}" is a warning level; the critical level of the same metric decides`);
      continue;
    }
    for (const rule of rulesFromThreshold(threshold, notes)) {
      let id = rule.id;
      for (let n = 2; rules.has(id); n++) id = `${rule.id}-${n}`;
      rules.set(id, { ...rule, id });
    }
  }
  const kinds = new Set([...rules.values()].map((rule) => rule.kind));
  if (kinds.has("error-rate") && compare.errors) {
    rules.set(ERRORS_COMPARED.id, { ...ERRORS_COMPARED, tolerate: compare.errorRatio });
  }
  if (kinds.has("latency") && compare.latency && past !== null) {
    const cuts = chooseCuts(past);
    const rule: LatencyVersusBaselineRule = { ...LATENCY_COMPARED, cuts };
    if (cuts.length > 0) rules.set(rule.id, rule);
    else notes.push("latency is not compared with the baseline: its histogram is empty or too coarse");
  }
  return { rules: withShares([...rules.values()]), notes };
}

const ERRORS_COMPARED: ErrorsVersusBaselineRule = {
  id: "errors-versus-baseline",
  title: "Errors against the baseline",
  kind: "errors-versus-baseline",
  share: 0,
  tolerate: 1,
};

const LATENCY_COMPARED: LatencyVersusBaselineRule = {
  id: "latency-versus-baseline",
  title: "Response times against the baseline",
  kind: "latency-versus-baseline",
  share: 0,
  cuts: [],
};

/**
 * The rules of one threshold, with share 0: one, or two for "CPU/Memory". What is assumed is added to `notes`.
 * @throws THRESHOLD_UNSUPPORTED when the threshold states something that no rule can test.
 */
export function rulesFromThreshold(threshold: ThresholdInput, notes: string[] = []): Rule[] {
  switch (threshold.metric) {
    case "response-time":
      return [latencyRule(threshold, notes)];
    case "error-rate":
      ignoreHold(threshold, notes);
      return [{ ...base(threshold, "error-rate"), kind: "error-rate", limit: partOf(threshold) }];
    case "cpu":
    case "memory":
      return [usageRule(threshold, threshold.metric)];
    case "cpu-memory":
      return [usageRule(threshold, "cpu"), usageRule(threshold, "memory")];
    case "db-connections":
    case "queue-length":
      return [gaugeRule(threshold, threshold.metric, notes)];
    case "other":
      throw unsupported(threshold, "it is none of the figures that Sunny watches", WATCHED);
  }
}

function latencyRule(threshold: ThresholdInput, notes: string[]): Rule {
  if (threshold.unit !== "ms")
    throw unsupported(threshold, "a response time needs a unit of time", "Write it in ms or s.");
  upward(threshold);
  if (threshold.aggregate !== undefined) {
    const hint =
      'A few slow answers decide a mean or a maximum; state a percentile, such as "p95 response time > 500 ms".';
    throw unsupported(threshold, `a ${threshold.aggregate} of response times cannot be tested soundly`, hint);
  }
  const percentile = threshold.percentile ?? DEFAULT_PERCENTILE;
  if (!(percentile > 0 && percentile < 100)) throw unsupported(threshold, "a percentile lies between 0 and 100", "");
  if (threshold.percentile === undefined)
    notes.push(`"${titleOf(threshold)}" names no percentile: p${percentile} is meant`);
  ignoreHold(threshold, notes);
  return {
    ...base(threshold, `latency-p${percentile}`),
    kind: "latency",
    edgeSeconds: threshold.value / 1000,
    percentile,
    limit: Math.round((100 - percentile) * 1e6) / 1e8,
  };
}

/** A stated time is kept as it stands; without one the share is bet on, which finds a breach as soon as it is certain. */
function usageRule(threshold: ThresholdInput, resource: Resource): Rule {
  const limit = partOf(threshold);
  const { holdMs } = threshold;
  if (holdMs !== undefined) {
    return {
      ...base(threshold, resource),
      kind: "gauge",
      gauge: resource,
      relative: true,
      side: "above",
      limit,
      holdMs,
    };
  }
  const floor = resource === "memory" ? { floor: memoryFloor(limit) } : {};
  return { ...base(threshold, resource), kind: "usage", resource, limit, ...floor };
}

function gaugeRule(threshold: ThresholdInput, gauge: GaugeRule["gauge"], notes: string[]): Rule {
  const relative = threshold.unit === "%";
  if (relative && gauge === "queue-length")
    throw unsupported(threshold, "a queue has no limit to take a part of", "State a number.");
  if (!relative && threshold.unit !== "count")
    throw unsupported(threshold, `a level cannot be in ${threshold.unit}`, "State a number.");
  if (threshold.holdMs === undefined) {
    notes.push(`"${titleOf(threshold)}" does not say for how long: ${formatSeconds(DEFAULT_HOLD_MS / 1000)} is meant`);
  }
  return {
    ...base(threshold, gauge),
    kind: "gauge",
    gauge,
    relative,
    side: threshold.comparison.startsWith(">") ? "above" : "below",
    limit: relative ? threshold.value / 100 : threshold.value,
    holdMs: threshold.holdMs ?? DEFAULT_HOLD_MS,
  };
}

function base(threshold: ThresholdInput, id: string): { id: string; title: string; share: number } {
  return { id, title: titleOf(threshold), share: 0 };
}

function partOf(threshold: ThresholdInput): number {
  upward(threshold);
  if (threshold.unit !== "%") {
    throw unsupported(
      threshold,
      `it is in ${threshold.unit}, a share is needed`,
      "State it in per cent of what may be used.",
    );
  }
  if (!(threshold.value > 0 && threshold.value < 100)) {
    throw unsupported(threshold, "a share lies between 0 and 100 %, both excluded", "State another limit.");
  }
  return threshold.value / 100;
}

function upward(threshold: ThresholdInput): void {
  if (threshold.comparison.startsWith(">")) return;
  throw unsupported(threshold, "it would call low values bad", 'State what is bad, such as "Error rate > 1 %".');
}

function ignoreHold(threshold: ThresholdInput, notes: string[]): void {
  if (threshold.holdMs === undefined) return;
  notes.push(`"${titleOf(threshold)}": the evidence decides how long to look, not the stated time`);
}

/** The threshold as people wrote it, or written out. */
export function titleOf(threshold: ThresholdInput): string {
  if (threshold.text !== undefined) return threshold.text;
  const unit = threshold.unit === "count" ? "" : threshold.unit === "%" ? " %" : ` ${threshold.unit}`;
  return `${threshold.metric} ${threshold.comparison} ${threshold.value}${unit}`;
}

function unsupported(threshold: ThresholdInput, why: string, hint: string): SunnyError {
  const { line, column } = threshold;
  return new SunnyError("THRESHOLD_UNSUPPORTED", `Cannot watch "${titleOf(threshold)}": ${why}`, {
    hint,
    place: { ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) },
  });
}
