import type { ArmSnapshot, MonitorSnapshot, RuleSnapshot } from "../operations/monitor/snapshot.ts";
import type { ViewRule } from "./view/model.ts";

/** An arm without data for this many intervals has no hosts any more, or is blind, which its verdict says. */
const LATELY = 3;

/** The rules with their values, in the units that people read; before a host has the release those of the baseline alone. */
export function viewRules(snapshot: MonitorSnapshot): ViewRule[] {
  const has = (arm: "canary" | "baseline"): boolean => snapshot.rules.some((rule) => lately(rule[arm]) !== null);
  // Once every host has the release there is nothing left to compare it with; before the first one, nothing to judge.
  const arm = has("canary") ? (has("baseline") ? "canary" : "fleet") : "baseline";
  return snapshot.rules.flatMap((rule) => {
    const blind = rule.verdict === "blind";
    if (rule.limit === null && arm !== "canary" && !blind) return [];
    const shown = arm === "baseline" && !blind ? rule.baseline : rule.canary;
    return lately(shown) === null && !blind ? [] : [viewRule(rule, blind ? "canary" : arm, shown)];
  });
}

/** The last value that is not too old. */
function lately({ shown }: ArmSnapshot): number | null {
  return shown.slice(-LATELY).findLast((value) => value !== null) ?? null;
}

function viewRule(rule: RuleSnapshot, arm: ViewRule["arm"], shown: ArmSnapshot): ViewRule {
  return {
    id: `${rule.rule}/${arm}`,
    name: rule.title,
    arm,
    value: lately(shown),
    limit: rule.shownLimit,
    unit: rule.unit,
    baseline: arm === "canary" ? lately(rule.baseline) : null,
    // The evidence is about the new release only.
    verdict: arm === "baseline" ? "undecided" : rule.verdict,
    evidence: rule.evidence,
    recent: shown.shown,
  };
}
