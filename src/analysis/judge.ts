import { logAddExp, logEvidence } from "./bet.ts";
import type { AnalysisState, RuleState, Seen } from "./observe.ts";
import { ruleLogEvidence } from "./observe.ts";
import { describeBeyond, describeObserved, formatE } from "./wording.ts";
import type { Rule } from "./rule.ts";
import type { AnalysisSettings } from "./settings.ts";
import type { Action, Judgement, RuleJudgement, Verdict } from "./verdict.ts";

/** From this e-value on the baseline is in trouble as well, and the release is not blamed for the same rule. */
export const SUSPECT_BASELINE = 5;

const DAY_MS = 86_400_000;

/** E-values are shown up to this: a double holds no more. */
const LARGEST_LOG = 690;

/**
 * The verdict at time `now` (milliseconds since the epoch) on what was observed so far. Pure: the same state and time
 * give the same judgement, which is how a recorded verdict is checked later.
 */
export function judge(settings: AnalysisSettings, state: AnalysisState, now: number): Judgement {
  const needed = 1 / settings.alpha;
  const rules = settings.rules.map((rule) => judgeRule(rule, state.rules[rule.id]!, settings, state, now));
  let clear = -Infinity;
  for (const [i, rule] of settings.rules.entries()) {
    if (rule.share > 0 && !rules[i]!.suspectBaseline) {
      clear = logAddExp(clear, Math.log(rule.share) + ruleLogEvidence(state.rules[rule.id]!));
    }
  }
  const limit = Math.log(needed);
  const gauges = rules.filter((rule, i) => settings.rules[i]!.kind === "gauge" && rule.verdict === "degraded");
  const degraded = state.logTotal >= limit || gauges.length > 0;
  // What remains without the suspect rules must suffice by itself to blame the release.
  const blamed = clear >= limit || gauges.some((rule) => !rule.suspectBaseline);
  const verdict = degraded ? "degraded" : overall(rules);
  const action: Action =
    verdict !== "degraded" ? (verdict === "blind" ? "hold" : "none") : blamed ? "roll-back" : "hold";
  const by = culprit(verdict, rules);
  return {
    verdict,
    action,
    by,
    eValue: Math.exp(Math.min(state.logTotal, LARGEST_LOG)),
    needed,
    reasons: reasonsOf(verdict, action, rules, by, state, settings),
    rules,
    timeToDecisionMs: timeToDecision(settings, state, verdict, rules),
    intervals: state.intervals,
    intervalMs: settings.intervalMs,
    at: state.at,
  };
}

function judgeRule(
  rule: Rule,
  own: RuleState,
  settings: AnalysisSettings,
  state: AnalysisState,
  now: number,
): RuleJudgement {
  const needed = 1 / settings.alpha;
  const eValue = Math.exp(Math.min(ruleLogEvidence(own), LARGEST_LOG)) * rule.share;
  const suspect = !own.absent.baseline && baselineSuspect(rule, own);
  const reasons: string[] = [];
  const verdict = verdictOf(rule, own, settings, state, now, eValue >= needed, reasons);
  if (suspect) reasons.push("the baseline is in trouble as well");
  const counts = rule.kind !== "usage" && rule.kind !== "gauge";
  return {
    rule: rule.id,
    title: rule.title,
    verdict,
    observed: observedOf(rule, own.seen.canary, own.level.canary),
    observedBaseline: observedOf(rule, own.seen.baseline, own.level.baseline),
    limit: "limit" in rule ? rule.limit : null,
    eValue,
    needed,
    eValueBaseline: own.baseline === null ? null : Math.exp(Math.min(logEvidence(own.baseline), LARGEST_LOG)),
    suspectBaseline: suspect,
    requests: counts ? own.seen.canary.requests : null,
    evidence:
      rule.kind === "gauge"
        ? `beyond the limit for ${Math.round(own.held.canary / 1000)} of ${Math.round(rule.holdMs / 1000)} s`
        : `e-value ${formatE(eValue)} of ${formatE(needed)} needed`,
    reasons,
  };
}

function verdictOf(
  rule: Rule,
  own: RuleState,
  settings: AnalysisSettings,
  state: AnalysisState,
  now: number,
  enough: boolean,
  reasons: string[],
): Verdict {
  if (rule.kind === "gauge" ? own.held.canary >= rule.holdMs : enough) return "degraded";
  if (own.absent.canary) {
    reasons.push("no host has the release yet");
    return "undecided";
  }
  const blind = blindness(rule, own, settings, state, now);
  if (blind !== null) {
    reasons.push(blind);
    return "blind";
  }
  const seen = own.seen.canary;
  if (rule.kind !== "usage" && rule.kind !== "gauge") {
    if (seen.requests < settings.minRequests) {
      reasons.push(`${Math.round(seen.requests)} of ${settings.minRequests} requests seen${waitFor(settings, own)}`);
      return "undecided";
    }
  } else if (seen.withData === 0) {
    reasons.push("no reading yet");
    return "undecided";
  }
  const observed = observedOf(rule, seen, own.level.canary);
  if ("limit" in rule && observed !== null && beyondLimit(rule, observed)) {
    reasons.push(`${describeBeyond(rule, observed, rule.limit)}, the evidence does not suffice yet`);
    return "undecided";
  }
  if (own.proof !== null && logEvidence(own.proof) < Math.log(1 / settings.alpha)) {
    reasons.push(
      `proof of health ${formatE(Math.exp(logEvidence(own.proof)))} of ${formatE(1 / settings.alpha)} needed`,
    );
    return "undecided";
  }
  return "healthy";
}

/** True when what was seen over the bake is on the wrong side of the rule's limit. */
function beyondLimit(rule: Rule, observed: number): boolean {
  if (!("limit" in rule)) return false;
  return rule.kind === "gauge" && rule.side === "below" ? observed < rule.limit : observed > rule.limit;
}

function blindness(
  rule: Rule,
  own: RuleState,
  settings: AnalysisSettings,
  state: AnalysisState,
  now: number,
): string | null {
  const since = state.startedAt;
  if (since === null) return null;
  const compares = rule.kind === "errors-versus-baseline" || rule.kind === "latency-versus-baseline";
  for (const arm of compares ? (["canary", "baseline"] as const) : (["canary"] as const)) {
    if (own.absent[arm]) continue;
    const silent = now - (own.lastData[arm] ?? since);
    if (silent > settings.blindAfterMs) {
      return `no data of the ${arm} for ${Math.round(silent / 1000)} s: ${own.blind[arm] ?? "no interval was kept"}`;
    }
  }
  return null;
}

function baselineSuspect(rule: Rule, own: RuleState): boolean {
  if (rule.kind === "gauge") return own.held.baseline >= rule.holdMs;
  return own.baseline !== null && logEvidence(own.baseline) >= Math.log(SUSPECT_BASELINE);
}

/** The part of the requests, the mean share, or the last level; `null` without data. */
export function observedOf(rule: Rule, seen: Seen, level: number | null): number | null {
  switch (rule.kind) {
    case "error-rate":
    case "errors-versus-baseline":
    case "latency":
      return seen.requests > 0 ? seen.bad[0]! / seen.requests : null;
    case "latency-versus-baseline":
      // The slowest cut says most about a tail; its part is shown.
      return seen.requests > 0 && seen.bad.length > 0 ? seen.bad.at(-1)! / seen.requests : null;
    case "usage":
      return seen.withData > 0 ? seen.levels / seen.withData : null;
    case "gauge":
      return level;
  }
}

function overall(rules: readonly RuleJudgement[]): Verdict {
  if (rules.some((rule) => rule.verdict === "degraded")) return "degraded";
  if (rules.some((rule) => rule.verdict === "blind")) return "blind";
  return rules.length > 0 && rules.every((rule) => rule.verdict === "healthy") ? "healthy" : "undecided";
}

function culprit(verdict: Verdict, rules: readonly RuleJudgement[]): string | null {
  if (verdict === "degraded") {
    const gauge = rules.find((rule) => rule.verdict === "degraded" && rule.eValue === 0);
    return (gauge ?? rules.toSorted((a, b) => b.eValue - a.eValue)[0])?.rule ?? null;
  }
  return verdict === "blind" ? (rules.find((rule) => rule.verdict === "blind")?.rule ?? null) : null;
}

function reasonsOf(
  verdict: Verdict,
  action: Action,
  rules: readonly RuleJudgement[],
  by: string | null,
  state: AnalysisState,
  settings: AnalysisSettings,
): string[] {
  const first = rules.find((rule) => rule.rule === by);
  if (verdict !== "degraded") return rules.flatMap((rule) => rule.reasons.map((reason) => `${rule.title}: ${reason}`));
  const needed = formatE(1 / settings.alpha);
  const total = `e-value ${formatE(Math.exp(Math.min(state.logTotal, LARGEST_LOG)))} of ${needed} needed`;
  const seen = first === undefined ? "" : seenBy(settings, first);
  const reasons = [`${first?.title ?? "all rules together"}: ${seen}${first?.eValue === 0 ? first.evidence : total}`];
  if (action === "hold") reasons.push("the baseline is in trouble as well, so the release may not be to blame");
  return reasons;
}

/** "6.8 % errors, 0.1 % on the baseline; ": what people look for first, before how sure it is. */
function seenBy({ rules }: AnalysisSettings, { rule: id, observed, observedBaseline }: RuleJudgement): string {
  const rule = rules.find((one) => one.id === id);
  if (rule === undefined || observed === null) return "";
  const beside = observedBaseline === null ? "" : `, on the baseline ${describeObserved(rule, observedBaseline)}`;
  return `${describeObserved(rule, observed)}${beside}; `;
}

function waitFor(settings: AnalysisSettings, own: RuleState): string {
  const ms = trafficIn(settings, own);
  if (ms === null) return ", and none are coming";
  return ms > DAY_MS
    ? ", more than a day to go at the present rate"
    : `, about ${Math.ceil(ms / 1000)} s to go at the present rate`;
}

/** Milliseconds until the canary has had the least number of requests, at the rule's own rate; null when none come. */
function trafficIn({ minRequests, intervalMs }: AnalysisSettings, { seen, pace }: RuleState): number | null {
  const missing = minRequests - seen.canary.requests;
  if (missing <= 0) return 0;
  return pace !== null && pace > 0 ? Math.ceil(missing / pace) * intervalMs : null;
}

function timeToDecision(
  settings: AnalysisSettings,
  state: AnalysisState,
  verdict: Verdict,
  rules: readonly RuleJudgement[],
): number | null {
  if (verdict === "degraded" || verdict === "healthy") return 0;
  const left = Math.log(1 / settings.alpha) - state.logTotal;
  // Below a hundredth per interval the evidence is noise, not growth.
  if (state.growth > 0.01) return Math.ceil(left / state.growth) * settings.intervalMs;
  if (verdict === "blind") return null;
  const waits = rules.flatMap(({ rule, requests }) =>
    requests === null ? [] : [trafficIn(settings, state.rules[rule]!)],
  );
  const longest = waits.includes(null) ? null : Math.max(0, ...waits.map(Number));
  return longest === 0 ? null : longest;
}
