import { judge } from "../../analysis/judge.ts";
import type { AnalysisState } from "../../analysis/observe.ts";
import type { AnalysisSettings } from "../../analysis/settings.ts";
import type { Judgement } from "../../analysis/verdict.ts";

/** A time under observation. Times in milliseconds since the epoch. */
export interface Bake {
  readonly name: string;
  readonly startedAt: number;
  readonly plannedMs: number;
  /** When it was extended, once, by `plannedMs` again; `null` so far. */
  readonly extendedAt: number | null;
}

/** How a bake stands. */
export interface BakeResult {
  /**
   * `running`: wait on. `passed`: go on. `roll-back`: the release is worse. `hold`: worse, but the baseline as well.
   * `extend`: time is over without a decision, for the first time. `ask`: the same after the extension.
   */
  readonly outcome: "running" | "passed" | "roll-back" | "hold" | "extend" | "ask";
  readonly judgement: Judgement;
  readonly reasons: readonly string[];
  readonly endsAt: number;
}

/** The least part of a bake's intervals in which each rule must have had data. */
export const LEAST_COVERAGE = 0.5;

/**
 * Decides a bake at `now`: it passes when its time is over, each rule had its traffic and data, nothing is degraded or
 * blind, and what was observed lies within every limit. Anything else is undecided: extended once, then put to a
 * person. Pure.
 */
export function bakeResult(settings: AnalysisSettings, state: AnalysisState, bake: Bake, now: number): BakeResult {
  const judgement = judge(settings, state, now);
  const endsAt = (bake.extendedAt ?? bake.startedAt) + bake.plannedMs;
  const result = (outcome: BakeResult["outcome"], reasons: readonly string[]): BakeResult => {
    return { outcome, judgement, reasons, endsAt };
  };
  if (judgement.verdict === "degraded") {
    return result(judgement.action === "hold" ? "hold" : "roll-back", judgement.reasons);
  }
  if (now < endsAt) return result("running", judgement.reasons);
  const gaps = coverageGaps(settings, state);
  if (judgement.verdict === "healthy" && gaps.length === 0) return result("passed", []);
  const reasons = [...judgement.reasons, ...gaps];
  return result(bake.extendedAt === null ? "extend" : "ask", reasons);
}

function coverageGaps(settings: AnalysisSettings, state: AnalysisState): string[] {
  return settings.rules.flatMap((rule) => {
    const seen = state.rules[rule.id]!.seen.canary;
    if (seen.intervals > 0 && seen.withData >= LEAST_COVERAGE * seen.intervals) return [];
    return [`${rule.title}: only ${seen.withData} of ${seen.intervals} intervals had data`];
  });
}
