/** What is watched. A rule says what is bet on; its `share` is its part of the evidence that all rules may add up to. */
export type Rule =
  | ErrorRateRule
  | LatencyRule
  | UsageRule
  | GaugeRule
  | ErrorsVersusBaselineRule
  | LatencyVersusBaselineRule;

interface RuleBase {
  /** Unique among the rules of a deployment and stable: the key under which intervals are kept. */
  readonly id: string;
  /** For people, as the runbook has it: "Error rate > 1%". */
  readonly title: string;
  /** Part of the evidence, 0 to 1; the shares of all rules sum to at most 1. Gauges have none. */
  readonly share: number;
}

/** The part of requests that fail must not exceed `limit`, 0 < limit < 1. */
export interface ErrorRateRule extends RuleBase {
  readonly kind: "error-rate";
  readonly limit: number;
}

/** At most `limit` = 1 − percentile/100 of the requests may take longer than `edgeSeconds`. */
export interface LatencyRule extends RuleBase {
  readonly kind: "latency";
  readonly edgeSeconds: number;
  /** 0 < percentile < 100. */
  readonly percentile: number;
  readonly limit: number;
}

/**
 * The service's own share of the CPU or memory it may use must stay at or below `limit`, 0 < limit < 1, on average. With
 * a `floor`, 0 ≤ floor < limit, a share below it counts as the floor: what was free before makes up for nothing.
 */
export interface UsageRule extends RuleBase {
  readonly kind: "usage";
  readonly resource: Resource;
  readonly limit: number;
  /** Default 0. */
  readonly floor?: number;
}

/** A level that must not be `above` (or below) `limit` for `holdMs` without a break. No probability is attached to it. */
export interface GaugeRule extends RuleBase {
  readonly kind: "gauge";
  readonly gauge: "db-connections" | "queue-length" | Resource;
  readonly side: "above" | "below";
  /** `limit` is a part of the most there may be (0 to 1) instead of a number. */
  readonly relative: boolean;
  readonly limit: number;
  readonly holdMs: number;
}

/** What a service may use a share of. */
export type Resource = "cpu" | "memory";

/** The resource whose share the rule needs, whether it is bet on or held for a time; null when it needs none. */
export function resourceOf(rule: Rule): Resource | null {
  if (rule.kind === "usage") return rule.resource;
  return rule.kind === "gauge" && (rule.gauge === "cpu" || rule.gauge === "memory") ? rule.gauge : null;
}

/** The canary's part of the errors must not exceed its part of the requests, times `tolerate` (1: not at all). */
export interface ErrorsVersusBaselineRule extends RuleBase {
  readonly kind: "errors-versus-baseline";
  readonly tolerate: number;
}

/** The same for requests slower than a few cuts. A cut tolerates slower answers by taking a lower edge for the baseline. */
export interface LatencyVersusBaselineRule extends RuleBase {
  readonly kind: "latency-versus-baseline";
  readonly cuts: readonly Cut[];
}

/** Upper bounds of histogram buckets, seconds; `baselineSeconds` ≤ `canarySeconds`. */
export interface Cut {
  readonly canarySeconds: number;
  readonly baselineSeconds: number;
}

export type Arm = "canary" | "baseline";

/** What one arm showed for one rule in one interval; JSON, kept durably and enough to recompute every verdict. */
export type Observation =
  /**
   * `bad` has one count a rule, or one a cut for `latency-versus-baseline`; each at most `requests`. `percentileMs` is the
   * percentile of a latency rule, for people to look at: no verdict uses it, since its place within a bucket is a guess.
   */
  | {
      readonly kind: "counts";
      readonly requests: number;
      readonly bad: readonly number[];
      readonly percentileMs?: number;
    }
  /** A share from 0 (1 is all that may be used; more is possible), or a gauge's level; the mean over the arm's hosts. */
  | { readonly kind: "level"; readonly value: number }
  /** No data: neither good nor bad. */
  | { readonly kind: "blind"; readonly reason: string }
  /** The arm has no hosts, by intention: before the canary, or after the whole fleet has the release. */
  | { readonly kind: "absent" };

/** One interval of one rule; both arms. */
export interface RuleInterval {
  readonly rule: string;
  readonly canary: Observation;
  readonly baseline: Observation;
}
