import { rfc3339 } from "../../clock.ts";
import type { Observation, Rule } from "../../analysis/rule.ts";
import { describeLimit, describeObserved, formatE, formatPercent } from "../../analysis/wording.ts";
import { chart, sparkline } from "./chart.ts";
import type { Explanation } from "./explain.ts";
import type { MonitorSnapshot, RuleSnapshot } from "./snapshot.ts";
import { valueOf } from "./snapshot.ts";

/** Cells of the small chart of a rule. */
const BARS = 20;

/**
 * The live view as lines of text, none wider than `width` cells where words allow it: each rule with what its arms show
 * now and over the bake, its limit, a small chart and its evidence; then the whole, and what keeps it from a decision.
 */
export function renderSnapshot(rules: readonly Rule[], snapshot: MonitorSnapshot, width = Infinity): string[] {
  const byId = new Map(rules.map((rule) => [rule.id, rule]));
  const rows = snapshot.rules.map((one) => rowOf(byId.get(one.rule)!, one));
  const widths = [0, 1, 2].map((i) => Math.max(0, ...rows.map((row) => row[i]!.length)));
  const padded = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)));
  // All rules in the same form, the shortest that fits.
  const forms = FORMS.map((form) => padded.flatMap(form));
  const lines = forms.find((form) => form.every((line) => line.length <= width)) ?? forms.at(-1)!;
  lines.push(
    `${snapshot.verdict}: e-value ${formatE(snapshot.eValue)} of ${formatE(snapshot.needed)} needed${decisionIn(snapshot)}`,
  );
  if (snapshot.verdict !== "healthy") lines.push(...snapshot.reasons.map((reason) => `  ${reason}`));
  if (snapshot.weightNote !== null) lines.push(snapshot.weightNote);
  return lines;
}

/** Lines of a rule: one, two or three. */
const FORMS: readonly ((cells: readonly string[]) => string[])[] = [
  ([title, verdict, bars, values, evidence]) => [`${title}  ${verdict}  ${bars}  ${values}; ${evidence}`],
  ([title, verdict, bars, values, evidence]) => [`${title}  ${verdict}  ${bars}`, `    ${values}; ${evidence}`],
  ([title, verdict, bars, values, evidence]) => [`${title}  ${verdict}  ${bars}`, `    ${values}`, `    ${evidence}`],
];

/** Title, verdict, chart, values and evidence. */
function rowOf(rule: Rule, one: RuleSnapshot): string[] {
  const top =
    one.limit === null ? undefined : Math.max(one.limit * 2, ...one.canary.history.map((value) => value ?? 0));
  const bars = sparkline(one.canary.history.slice(-BARS), { width: BARS, ...(top === undefined ? {} : { top }) });
  const baseline = one.baseline.observed === null ? "" : `, baseline ${formatValue(rule, one.baseline.observed)}`;
  const values = `${nowOf(rule, one)}${overBake(rule, one)}${baseline}; limit ${limitOf(rule, one)}`;
  return [one.title, one.verdict, bars.padStart(BARS), values, one.evidence];
}

/** What the canary showed in the last interval, as people read it: a percentile in ms, else a part or a level. */
function nowOf(rule: Rule, { unit, canary }: RuleSnapshot): string {
  const shown = canary.shown.at(-1) ?? null;
  if (canary.value === null) return canary.observed === null ? "no data yet" : "no data now";
  if (unit === "ms" && rule.kind === "latency" && shown !== null)
    return `p${rule.percentile} ${Math.round(shown)} ms now`;
  return `${formatValue(rule, canary.value)} now`;
}

function overBake(rule: Rule, { canary }: RuleSnapshot): string {
  return canary.observed === null ? "" : `, ${describeObserved(rule, canary.observed)} in all`;
}

function limitOf(rule: Rule, { unit, shownLimit }: RuleSnapshot): string {
  return unit === "ms" && shownLimit !== null ? `${Math.round(shownLimit)} ms` : describeLimit(rule);
}

function decisionIn(snapshot: MonitorSnapshot): string {
  const ms = snapshot.timeToDecisionMs;
  if (ms === null) return ", no decision in sight at the present rate";
  return ms === 0 ? "" : `, a decision in about ${Math.ceil(ms / 1000)} s at the present rate`;
}

/** What `sunny explain` prints: every verdict with its evidence and whether its data bear it out, and a chart a rule. */
export function renderExplanation(explanation: Explanation): string[] {
  const { settings, intervals, intervalReason } = explanation;
  const why = intervalReason === null ? "" : ` (${intervalReason})`;
  const lines = [
    `${intervals.length} intervals of ${settings.intervalMs / 1000} s${why}, error probability ${settings.alpha} over all looks together`,
  ];
  for (const problem of explanation.problems) lines.push(`RECORD AND DATA DISAGREE: ${problem}`);
  for (const verdict of explanation.verdicts) {
    lines.push("", `${rfc3339(verdict.at)}  ${verdict.recorded}${verdict.agrees ? "" : "  RECORD AND DATA DISAGREE"}`);
    for (const reason of verdict.judgement.reasons) lines.push(`  ${reason}`);
    for (const difference of verdict.differences) lines.push(`  ${difference}`);
  }
  for (const rule of settings.rules) lines.push("", ...ruleChart(rule, explanation));
  lines.push("", explanation.agrees ? "Record and data agree." : "Record and data DISAGREE: see above.");
  return lines;
}

function ruleChart(rule: Rule, explanation: Explanation): string[] {
  const judged = explanation.last.rules.find((one) => one.rule === rule.id)!;
  const seen = (arm: "canary" | "baseline"): (Observation | undefined)[] =>
    explanation.intervals.map(({ intervals }) => intervals.find((one) => one.rule === rule.id)?.[arm]);
  const values = (arm: "canary" | "baseline"): (number | null)[] =>
    seen(arm).map((one) => (one === undefined ? null : valueOf(one)));
  const whole = observedOver(seen("canary"));
  const observed = whole === null ? "no data" : describeObserved(rule, whole);
  const limit = "limit" in rule ? rule.limit : null;
  const plot = { limit, format: (value: number) => formatValue(rule, value) };
  const lines = [`${rule.title}: ${observed}, limit ${describeLimit(rule)}; ${judged.evidence}`];
  lines.push(...chart(values("canary"), plot).split("\n"));
  const baseline = values("baseline");
  if (baseline.some((value) => value !== null)) {
    lines.push(`  baseline ${sparkline(baseline, limit === null ? {} : { top: limit * 2 })}`);
  }
  return lines;
}

/** Over all intervals: the part of the requests that was bad (at the slowest cut), or the mean level; `null` without data. */
function observedOver(seen: readonly (Observation | undefined)[]): number | null {
  let bad = 0;
  let of = 0;
  for (const one of seen) {
    if (one?.kind === "counts") {
      bad += one.bad.at(-1) ?? 0;
      of += one.requests;
    } else if (one?.kind === "level") {
      bad += one.value;
      of++;
    }
  }
  return of > 0 ? bad / of : null;
}

function formatValue(rule: Rule, value: number): string {
  return rule.kind === "gauge" && !rule.relative ? String(Number(value.toPrecision(3))) : formatPercent(value);
}
