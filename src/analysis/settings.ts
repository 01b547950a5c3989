import { SunnyError } from "../errors.ts";
import type { Rule } from "./rule.ts";

/** Everything that decides a verdict besides the data; recorded with the deployment. */
export interface AnalysisSettings {
  readonly rules: readonly Rule[];
  /** Chance of taking back a healthy release, over all looks together: 0 < alpha < 1, default 0.01. */
  readonly alpha: number;
  readonly intervalMs: number;
  /** For how many intervals the observation is planned; it may last longer. */
  readonly plannedIntervals: number;
  /** Requests of the canary that each rule wants to see in a bake, default 100. */
  readonly minRequests: number;
  /** Also ask for evidence of health, default false: wrong in at most `alpha` of the cases, but slow. */
  readonly proof: boolean;
  /** Without data for this long a rule is blind; default the longer of 15 s and three intervals. */
  readonly blindAfterMs: number;
}

/** What must be stated; the rest has the defaults of `AnalysisSettings`. */
export type SettingsInput = Pick<AnalysisSettings, "rules" | "intervalMs" | "plannedIntervals"> & {
  readonly [K in "alpha" | "minRequests" | "proof" | "blindAfterMs"]?: AnalysisSettings[K] | undefined;
};

/**
 * Fills the defaults and checks the bounds.
 * @throws ANALYSIS_SETTINGS when a value is out of bounds, two rules have one id, or the shares exceed 1.
 */
export function analysisSettings(input: SettingsInput): AnalysisSettings {
  const settings: AnalysisSettings = {
    rules: input.rules,
    alpha: input.alpha ?? 0.01,
    intervalMs: input.intervalMs,
    plannedIntervals: Math.max(1, Math.round(input.plannedIntervals)),
    minRequests: input.minRequests ?? 100,
    proof: input.proof ?? false,
    blindAfterMs: input.blindAfterMs ?? Math.max(15_000, 3 * input.intervalMs),
  };
  ensure(settings.alpha > 0 && settings.alpha < 1, `alpha must lie between 0 and 1, not ${settings.alpha}`);
  ensure(settings.intervalMs > 0, `an interval must last longer than ${settings.intervalMs} ms`);
  ensure(Number.isFinite(settings.plannedIntervals), "the planned number of intervals must be finite");
  const ids = new Set<string>();
  let shares = 0;
  for (const rule of settings.rules) {
    ensure(!ids.has(rule.id), `two rules are called "${rule.id}"`);
    ids.add(rule.id);
    ensure(rule.share >= 0, `the share of "${rule.title}" is negative`);
    shares += rule.share;
    if ("limit" in rule && rule.kind !== "gauge") {
      ensure(rule.limit > 0 && rule.limit < 1, `the limit of "${rule.title}" must lie between 0 and 100 %`);
      const floor = rule.kind === "usage" ? (rule.floor ?? 0) : 0;
      ensure(floor >= 0 && floor < rule.limit, `the floor of "${rule.title}" must lie between 0 and its limit`);
    }
  }
  ensure(shares <= 1 + 1e-9, `the shares of the rules sum to ${shares}, more than 1`);
  return settings;
}

/**
 * Gives each rule its share of the evidence: half to the rules on errors, half to the others, equally among them; all
 * of it to one side when the other has no rule. Gauges are no bets and get none.
 */
export function withShares<R extends Rule>(rules: readonly R[]): R[] {
  const errors = rules.filter((rule) => onErrors(rule)).length;
  const others = rules.filter((rule) => !onErrors(rule) && rule.kind !== "gauge").length;
  return rules.map((rule) => {
    if (rule.kind === "gauge") return { ...rule, share: 0 };
    if (onErrors(rule)) return { ...rule, share: (others === 0 ? 1 : 1 / 2) / errors };
    return { ...rule, share: (errors === 0 ? 1 : 1 / 2) / others };
  });
}

function onErrors(rule: Rule): boolean {
  return rule.kind === "error-rate" || rule.kind === "errors-versus-baseline";
}

function ensure(condition: boolean, message: string): void {
  if (!condition) throw new SunnyError("ANALYSIS_SETTINGS", `Cannot watch with these settings: ${message}`);
}
