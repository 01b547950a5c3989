import type { BetState } from "./bet.ts";
import { logAddExp, logEvidence, placeBet, startBets } from "./bet.ts";
import type { Observation, Rule, RuleInterval } from "./rule.ts";
import type { AnalysisSettings } from "./settings.ts";
import { comparisonBet, limitBet, mirrored, usageBet } from "./stakes.ts";

/** What one arm showed since the bake began. */
export interface Seen {
  requests: number;
  bad: number[];
  /** Intervals with data, all intervals, and the sum of the levels. */
  withData: number;
  intervals: number;
  levels: number;
}

/** One rule's evidence and sums; constant in size. */
export interface RuleState {
  /** One mixture, or one a cut; none for gauges. */
  canary: BetState[];
  baseline: BetState | null;
  proof: BetState | null;
  seen: { canary: Seen; baseline: Seen };
  /** Requests in the intervals that had counts of both arms, so that the two can be compared. */
  together: { canary: number; baseline: number };
  /** End of the last interval with data, and the last reason to be blind; per arm. */
  lastData: { canary: number | null; baseline: number | null };
  blind: { canary: string | null; baseline: string | null };
  absent: { canary: boolean; baseline: boolean };
  /** For gauges: for how long the level has been beyond the limit without a break, ms, and the last level. */
  held: { canary: number; baseline: number };
  level: { canary: number | null; baseline: number | null };
  /** Canary requests per interval, smoothed; null before the first interval. */
  pace: number | null;
}

/** All rules' evidence; plain JSON. It is what `observe` made of the intervals so far and can be made again from them. */
export interface AnalysisState {
  intervals: number;
  startedAt: number | null;
  at: number;
  rules: Record<string, RuleState>;
  /** ln Σ share·E, and its smoothed growth per interval. */
  logTotal: number;
  growth: number;
}

/** How much the newest interval counts in the smoothed growth and pace. */
const SMOOTHING = 0.1;

/** A state without evidence: every e-value is 1. */
export function startAnalysis(settings: AnalysisSettings): AnalysisState {
  const rules: Record<string, RuleState> = {};
  for (const rule of settings.rules) rules[rule.id] = startRule(rule, settings);
  const shares = settings.rules.reduce((sum, rule) => sum + rule.share, 0);
  return { intervals: 0, startedAt: null, at: 0, rules, logTotal: Math.log(shares), growth: 0 };
}

function startRule(rule: Rule, settings: AnalysisSettings): RuleState {
  const fresh = (): BetState => startBets(settings.plannedIntervals);
  const hasLimit = rule.kind === "error-rate" || rule.kind === "latency" || rule.kind === "usage";
  const bets = rule.kind === "gauge" ? 0 : rule.kind === "latency-versus-baseline" ? rule.cuts.length : 1;
  return {
    canary: Array.from({ length: bets }, fresh),
    baseline: hasLimit ? fresh() : null,
    proof: hasLimit && settings.proof ? fresh() : null,
    seen: { canary: unseen(bets), baseline: unseen(bets) },
    together: { canary: 0, baseline: 0 },
    lastData: { canary: null, baseline: null },
    blind: { canary: null, baseline: null },
    absent: { canary: false, baseline: false },
    held: { canary: 0, baseline: 0 },
    level: { canary: null, baseline: null },
    pace: null,
  };
}

function unseen(bads: number): Seen {
  return { requests: 0, bad: Array.from({ length: bads }, () => 0), withData: 0, intervals: 0, levels: 0 };
}

/** A bake begins: sums start again, evidence goes on (so that no stage costs anything of α). Changes `state`. */
export function beginBake(state: AnalysisState): void {
  for (const rule of Object.values(state.rules)) {
    rule.seen = { canary: unseen(rule.canary.length), baseline: unseen(rule.canary.length) };
    rule.together = { canary: 0, baseline: 0 };
  }
}

/**
 * Takes in one interval: `start` and `ms` in milliseconds, one entry a rule (a missing one is blind). Changes `state`,
 * in O(rules) and constant memory. Intervals must come in order of start; one that does not is ignored (false).
 */
export function observe(
  settings: AnalysisSettings,
  state: AnalysisState,
  start: number,
  ms: number,
  intervals: readonly RuleInterval[],
): boolean {
  if (state.startedAt !== null && start < state.at) return false;
  state.startedAt ??= start;
  state.at = start + ms;
  state.intervals++;
  let total = -Infinity;
  for (const [i, rule] of settings.rules.entries()) {
    // Callers send the rules in order, so the search is rarely needed.
    const given = intervals[i]?.rule === rule.id ? intervals[i] : intervals.find((one) => one.rule === rule.id);
    const now = given ?? { rule: rule.id, canary: MISSING, baseline: MISSING };
    const own = state.rules[rule.id]!;
    takeIn(own, "canary", now.canary, state.at);
    takeIn(own, "baseline", now.baseline, state.at);
    if (now.canary.kind === "counts" && now.baseline.kind === "counts") {
      own.together.canary += now.canary.requests;
      own.together.baseline += now.baseline.requests;
    }
    // After a pause only the time that was looked at counts as held.
    bet(rule, own, now, Math.min(ms, 2 * settings.intervalMs));
    const requests = now.canary.kind === "counts" ? now.canary.requests : 0;
    own.pace = own.pace === null ? requests : own.pace + SMOOTHING * (requests - own.pace);
    if (rule.share > 0) total = logAddExp(total, Math.log(rule.share) + ruleLogEvidence(own));
  }
  state.growth += SMOOTHING * (total - state.logTotal - state.growth);
  if (Number.isNaN(state.growth)) state.growth = 0;
  state.logTotal = total;
  return true;
}

const MISSING: Observation = { kind: "blind", reason: "nothing was kept for this rule" };

function takeIn(state: RuleState, arm: "canary" | "baseline", now: Observation, at: number): void {
  const seen = state.seen[arm];
  seen.intervals++;
  state.absent[arm] = now.kind === "absent";
  if (now.kind === "blind") state.blind[arm] = now.reason;
  if (now.kind === "blind" || now.kind === "absent") return;
  state.blind[arm] = null;
  state.lastData[arm] = at;
  seen.withData++;
  if (now.kind === "level") {
    seen.levels += now.value;
    state.level[arm] = now.value;
    return;
  }
  seen.requests += now.requests;
  for (let i = 0; i < seen.bad.length; i++) seen.bad[i]! += now.bad[i] ?? 0;
}

function bet(rule: Rule, state: RuleState, now: RuleInterval, ms: number): void {
  switch (rule.kind) {
    case "gauge":
      state.held.canary = heldFor(rule, state.held.canary, now.canary, ms);
      state.held.baseline = heldFor(rule, state.held.baseline, now.baseline, ms);
      return;
    case "errors-versus-baseline":
      state.canary[0] = compare(state.canary[0]!, now, 0, rule.tolerate);
      return;
    case "latency-versus-baseline":
      for (let i = 0; i < state.canary.length; i++) state.canary[i] = compare(state.canary[i]!, now, i, 1);
      return;
    case "error-rate":
    case "latency":
    case "usage":
      state.canary[0] = againstLimit(state.canary[0]!, now.canary, rule, false);
      if (state.baseline !== null) state.baseline = againstLimit(state.baseline, now.baseline, rule, false);
      if (state.proof !== null) state.proof = againstLimit(state.proof, now.canary, rule, true);
  }
}

function compare(state: BetState, now: RuleInterval, cut: number, tolerate: number): BetState {
  if (now.canary.kind !== "counts" || now.baseline.kind !== "counts") return placeBet(state, null);
  const canary = { bad: now.canary.bad[cut] ?? 0, requests: now.canary.requests };
  const baseline = { bad: now.baseline.bad[cut] ?? 0, requests: now.baseline.requests };
  return placeBet(state, comparisonBet(canary, baseline, tolerate));
}

function againstLimit(
  state: BetState,
  now: Observation,
  rule: { readonly limit: number; readonly floor?: number },
  mirror: boolean,
): BetState {
  if (now.kind === "blind" || now.kind === "absent") return placeBet(state, null);
  const requests = now.kind === "counts" ? now.requests : 0;
  // What is to be proved is that the mean itself is below the limit.
  const floor = mirror ? 0 : rule.floor;
  const plain =
    now.kind === "counts"
      ? limitBet(state, now.bad[0] ?? 0, now.requests, rule.limit)
      : usageBet(now.value, rule.limit, floor);
  return placeBet(state, mirror ? mirrored(plain) : plain, requests);
}

/** Time beyond the limit without a break. An interval without data neither adds to it nor breaks it. */
function heldFor(
  rule: { readonly side: "above" | "below"; readonly limit: number },
  before: number,
  now: Observation,
  ms: number,
): number {
  if (now.kind === "absent") return 0;
  if (now.kind !== "level") return before;
  const beyond = rule.side === "above" ? now.value > rule.limit : now.value < rule.limit;
  return beyond ? before + ms : 0;
}

/** ln E of a rule: its mixture, or the mean over its cuts; 0 (E = 1) where nothing is bet on. */
export function ruleLogEvidence(state: RuleState): number {
  if (state.canary.length === 0) return 0;
  if (state.canary.length === 1) return logEvidence(state.canary[0]!);
  let total = -Infinity;
  for (const cut of state.canary) total = logAddExp(total, logEvidence(cut));
  return total - Math.log(state.canary.length);
}
