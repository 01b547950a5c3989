import type { AnalysisState } from "../../analysis/observe.ts";
import type { Arm, Observation, Rule, RuleInterval } from "../../analysis/rule.ts";
import type { AnalysisSettings } from "../../analysis/settings.ts";
import type { Judgement, Verdict } from "../../analysis/verdict.ts";
import { weightNote } from "../../analysis/intervals.ts";

/** How many of the latest values are kept for the charts. */
export const HISTORY = 60;

/** What is shown live; plain JSON. */
export interface MonitorSnapshot {
  readonly at: number;
  readonly verdict: Verdict;
  readonly eValue: number;
  readonly needed: number;
  readonly reasons: readonly string[];
  readonly timeToDecisionMs: number | null;
  readonly intervals: number;
  readonly intervalMs: number;
  readonly rules: readonly RuleSnapshot[];
  /** Requests since the watch began, and the canary's part of them; `null` without requests. */
  readonly requests: { readonly canary: number; readonly baseline: number; readonly canaryPart: number | null };
  /** Set when the load balancer gives the canary a weight far from the one that was set. */
  readonly weightNote: string | null;
}

export interface RuleSnapshot {
  readonly rule: string;
  readonly title: string;
  readonly verdict: Verdict;
  readonly limit: number | null;
  readonly eValue: number;
  readonly needed: number;
  readonly evidence: string;
  /** What people read: `ms` for the percentile of a latency rule, `%` of requests or of what may be used, else a number. */
  readonly unit: "%" | "ms" | "";
  /** In `unit`; null for comparisons. */
  readonly shownLimit: number | null;
  readonly canary: ArmSnapshot;
  readonly baseline: ArmSnapshot;
}

export interface ArmSnapshot {
  /** Of the last interval, and over the bake; `null` without data. */
  readonly value: number | null;
  readonly observed: number | null;
  /** The arm's own e-value against the limit, share included for the canary; `null` where it has none. */
  readonly eValue: number | null;
  /** Latest last, at most `HISTORY`. */
  readonly history: readonly (number | null)[];
  /** The same in the rule's `unit`. */
  readonly shown: readonly (number | null)[];
}

/** Values per rule and arm, latest last; owned by the watcher. */
export type Histories = Map<string, Record<Arm, ArmHistory>>;

interface ArmHistory {
  readonly values: (number | null)[];
  readonly percentilesMs: (number | null)[];
}

/** Adds one interval to the histories. Changes `histories`. */
export function remember(histories: Histories, intervals: readonly RuleInterval[]): void {
  for (const { rule, canary, baseline } of intervals) {
    let own = histories.get(rule);
    if (own === undefined) histories.set(rule, (own = { canary: empty(), baseline: empty() }));
    for (const [arm, observation] of [
      ["canary", canary],
      ["baseline", baseline],
    ] as const) {
      const { values, percentilesMs } = own[arm];
      values.push(valueOf(observation));
      percentilesMs.push(observation.kind === "counts" ? (observation.percentileMs ?? null) : null);
      for (const list of [values, percentilesMs]) if (list.length > HISTORY) list.shift();
    }
  }
}

function empty(): ArmHistory {
  return { values: [], percentilesMs: [] };
}

/** An interval's single figure: the part of requests that was bad (at the slowest cut), or the level; `null` without data. */
export function valueOf(observation: Observation): number | null {
  if (observation.kind === "level") return observation.value;
  if (observation.kind !== "counts" || observation.requests === 0) return null;
  return (observation.bad.at(-1) ?? 0) / observation.requests;
}

/** Puts the live view together. */
export function snapshotOf(
  settings: AnalysisSettings,
  state: AnalysisState,
  judgement: Judgement,
  histories: Histories,
  weight: number | undefined,
): MonitorSnapshot {
  const counted = settings.rules.find((rule) => rule.kind === "error-rate") ?? settings.rules.find(countsRequests);
  const own = counted === undefined ? undefined : state.rules[counted.id];
  const canary = own?.seen.canary.requests ?? 0;
  const baseline = own?.seen.baseline.requests ?? 0;
  const all = canary + baseline;
  // A canary that was just restarted has no counts yet where nothing tells since when they count.
  const { together = { canary: 0, baseline: 0 } } = own ?? {};
  return {
    at: judgement.at,
    verdict: judgement.verdict,
    eValue: judgement.eValue,
    needed: judgement.needed,
    reasons: judgement.reasons,
    timeToDecisionMs: judgement.timeToDecisionMs,
    intervals: judgement.intervals,
    intervalMs: judgement.intervalMs,
    rules: judgement.rules.map((rule, i) => {
      const history = histories.get(rule.rule) ?? { canary: empty(), baseline: empty() };
      const shown = shownAs(settings.rules[i]);
      return {
        rule: rule.rule,
        title: rule.title,
        verdict: rule.verdict,
        limit: rule.limit,
        eValue: rule.eValue,
        needed: rule.needed,
        evidence: rule.evidence,
        unit: shown.unit,
        shownLimit: shown.limit,
        canary: armOf(history.canary, shown, rule.observed, rule.eValue),
        baseline: armOf(history.baseline, shown, rule.observedBaseline, rule.eValueBaseline),
      };
    }),
    requests: { canary, baseline, canaryPart: all > 0 ? canary / all : null },
    weightNote: weight === undefined ? null : weightNote(weight, together.canary, together.canary + together.baseline),
  };
}

interface Shown {
  readonly unit: RuleSnapshot["unit"];
  readonly limit: number | null;
}

/** A percentile is shown in the unit in which the runbook limits it: the same statement as the part that is slower. */
function shownAs(rule: Rule | undefined): Shown {
  switch (rule?.kind) {
    case undefined:
    case "errors-versus-baseline":
    case "latency-versus-baseline":
      return { unit: "%", limit: null };
    case "latency":
      return { unit: "ms", limit: rule.edgeSeconds * 1000 };
    case "gauge":
      return rule.relative ? { unit: "%", limit: rule.limit * 100 } : { unit: "", limit: rule.limit };
    case "error-rate":
    case "usage":
      return { unit: "%", limit: rule.limit * 100 };
  }
}

function armOf(history: ArmHistory, { unit }: Shown, observed: number | null, eValue: number | null): ArmSnapshot {
  const { values, percentilesMs } = history;
  const scaled = (): (number | null)[] =>
    unit === "%" ? values.map((value) => (value === null ? null : value * 100)) : [...values];
  const shown = unit === "ms" ? [...percentilesMs] : scaled();
  return { value: values.at(-1) ?? null, observed, eValue, history: [...values], shown };
}

function countsRequests(rule: Rule): boolean {
  return rule.kind !== "usage" && rule.kind !== "gauge";
}
