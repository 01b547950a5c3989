import type { Block, ListEntry, Prose } from "./block.ts";
import { recogniseHeading } from "./heading.ts";
import { metricKind } from "./metric.ts";
import type { Metric, Threshold } from "./model.ts";
import { mayHoldNumber, withDigits } from "./number-words.ts";
import type { Section } from "./outline.ts";
import { report, toItem } from "./reading.ts";
import type { Reading } from "./reading.ts";
import type { Recognised } from "./recognise.ts";
import { levelOf, tableLines } from "./rule-tables.ts";
import type { Line } from "./rule-tables.ts";
import { isOrder, isWayBackOrder, readAlternatives, readSentence, sentencesOf, withoutNumber } from "./sentence.ts";
import { holdOver, namesNothing, readThreshold } from "./threshold.ts";
import type { Sense, ThresholdRule } from "./threshold.ts";
import type { SectionKind } from "./vocabulary.ts";

/** What is watched, and its limits. */
export interface Rules {
  readonly metrics: readonly Metric[];
  readonly thresholds: readonly Threshold[];
}

type RuleKind = "monitoring" | "metrics" | "thresholds" | "targets" | "limits";

interface Collected {
  readonly metrics: Metric[];
  readonly thresholds: Threshold[];
}

/** What the lines of a group have in common because of what stands over them. */
interface Over {
  readonly kind: RuleKind;
  /** What a line is about that says only how much: "Response time" over "> 300 ms". */
  readonly subject?: string;
  readonly level?: "warning" | "critical";
  readonly holdMs?: number;
  /** What stands over the lines is a limit itself, so that they only add to it. */
  readonly isLimit?: true;
}

/**
 * Reads what is watched and its limits. A group's own label decides what its lines are, then the section's heading. In
 * sections that say what to do, only what says "roll back when" is read; other limits there are told.
 */
export function readRules(reading: Reading, sections: readonly Recognised[]): Rules {
  const into: Collected = { metrics: [], thresholds: [] };
  for (const { kind, section } of sections) {
    if (isRuleKind(kind)) readSection(reading, section, { kind }, into);
    else if (kind !== undefined && ACTING.has(kind)) readActing(reading, section, kind, into);
  }
  const thresholds = into.thresholds.toSorted((a, b) => a.line - b.line);
  reportDoubles(reading, thresholds);
  return { metrics: into.metrics, thresholds };
}

function isRuleKind(kind: SectionKind | undefined): kind is RuleKind {
  return (
    kind === "monitoring" || kind === "metrics" || kind === "thresholds" || kind === "targets" || kind === "limits"
  );
}

/** Sections that are carried out; what is said there about limits is meant for the deployment. */
const ACTING: ReadonlySet<SectionKind> = new Set<SectionKind>([
  "deployment",
  "phase",
  "checklist",
  "post-deployment",
  "rollback",
  "immediate-rollback",
  "gradual-rollback",
]);

function readSection(reading: Reading, section: Section, over: Over, into: Collected): void {
  readBlocks(reading, section.blocks, over, into);
  for (const child of section.children) {
    const { title: text, at, end } = child;
    readSection(reading, child, overOf(reading, { text, at, end }, over, into), into);
  }
}

/** What a label means for what stands below it; a label that states a limit is read as one. */
function overOf(reading: Reading, label: Line, over: Over, into: Collected): Over {
  const recognised = recogniseHeading(label.text, new Set());
  const named = isRuleKind(recognised) ? recognised : isOrder(label.text) ? "thresholds" : undefined;
  const kind = named ?? over.kind;
  const holdMs = holdOver(label.text) ?? over.holdMs;
  const level = levelOf(label.text) ?? over.level;
  const shared = { kind, ...(level === undefined ? {} : { level }), ...(holdMs === undefined ? {} : { holdMs }) };
  if (named !== undefined && !isLimit(label.text)) return shared;
  const stated = readThreshold(label.text.replace(LEVEL, ""), "either");
  if ("rule" in stated && (stated.rule.metric !== "other" || isLimit(label.text))) {
    readLine(reading, label, over, into);
    return { ...shared, isLimit: true };
  }
  // "Critical" is a level, not what is measured.
  const subject = label.text
    .replace(LEVEL, "")
    .replace(/[:–—-]\s*$/, "")
    .trim();
  return subject === "" ? shared : { ...shared, subject };
}

function readBlocks(reading: Reading, blocks: readonly Block[], over: Over, into: Collected): void {
  for (const [index, block] of blocks.entries()) {
    const above = blocks[index - 1];
    switch (block.kind) {
      case "list": {
        const below = above?.kind === "prose" && isLabel(above) ? overOf(reading, above, over, into) : over;
        for (const entry of block.items) readEntry(reading, entry, below, into);
        break;
      }
      case "table": {
        const below = above?.kind === "prose" && isLabel(above) ? overOf(reading, above, over, into) : over;
        for (const line of tableLines(block, below.kind === "metrics")) readLine(reading, line, below, into);
        break;
      }
      case "prose": {
        const next = blocks[index + 1]?.kind;
        if (isLabel(block) && (next === "list" || next === "table")) break;
        for (const sentence of sentencesOf(reading.source, block)) readProse(reading, sentence, over.kind, into);
        break;
      }
      default:
    }
  }
}

/** A line in bold or with a colon at its end stands over the list or the table that follows. */
function isLabel(prose: Prose): boolean {
  return prose.bold || prose.text.endsWith(":");
}

function readEntry(reading: Reading, entry: ListEntry, over: Over, into: Collected): void {
  const isParent = entry.blocks.some((inner) => inner.kind === "list" || inner.kind === "table");
  if (entry.text === "" || !isParent) {
    if (entry.text !== "") readLine(reading, entry, over, into);
    readBlocks(reading, entry.blocks, over, into);
  } else {
    readBlocks(reading, entry.blocks, overOf(reading, entry, over, into), into);
  }
}

function isLimit(text: string): boolean {
  if (text.length > 300) return false;
  return (
    /\d/.test(withDigits(text)) &&
    (/[<>≥≤]/.test(text) || /\b(?:above|over|exceeds?|more than|below|under|less than)\b/i.test(text))
  );
}

function readLine(reading: Reading, line: Line, over: Over, into: Collected): void {
  const { kind } = over;
  const told = line.isLimit === true && !("message" in readThreshold(line.text, "alert"));
  if (over.isLimit === true && !isLimit(line.text)) return;
  const limits = kind === "metrics" || kind === "monitoring" ? told || isLimit(line.text) : true;
  if (limits) return readRule(reading, line, over, into.thresholds);
  if ("rule" in readThreshold(line.text, "either")) {
    const message = "The number is not watched: it is not said from which side it is a limit.";
    report(reading, "RB305", line, message, "Write the comparison, as in `Queue length > 500`.");
  }
  into.metrics.push({ ...toItem(reading, line), kind: metricKind(line.text) });
}

function senseOf(kind: RuleKind): Sense {
  if (kind === "thresholds") return "alert";
  return kind === "targets" ? "target" : "either";
}

const REMEDIES: Readonly<Record<string, string>> = {
  RB305: "Write one limit a line: metric, comparison, value and unit, as in `Error rate > 1 %`.",
};
const LEVEL = /^\W*(?:warnings?|warn|critical|crit)\b[\s:.–—-]*/i;

function readRule(reading: Reading, line: Line, over: Over, into: Threshold[]): void {
  const level = line.level ?? levelOf(line.text) ?? over.level;
  const bare = line.text.replace(LEVEL, "");
  const text =
    over.subject !== undefined && namesNothing(bare) ? `${over.subject}: ${bare.replace(/^[:\s]+/, "")}` : bare;
  const result = readThreshold(text, senseOf(over.kind));
  if ("message" in result) {
    const found = result.problem === "RB305" && over.kind === "thresholds" ? readAlternatives(text) : undefined;
    if (found === undefined) return report(reading, result.problem, line, result.message, REMEDIES[result.problem]);
    for (const one of found) take(reading, { ...line, text: one.text }, { ...one, level }, into);
    return;
  }
  const named = text === bare ? line : { ...line, text };
  const holdMs = result.rule.holdMs ?? over.holdMs;
  const rule = holdMs === undefined ? result.rule : { ...result.rule, holdMs };
  take(reading, named, { rule, problem: result.problem, level }, into);
}

interface Taken {
  readonly rule: ThresholdRule;
  readonly problem: "RB302" | undefined;
  readonly level?: "warning" | "critical" | undefined;
}

function take(reading: Reading, line: Line, { rule, problem, level }: Taken, into: Threshold[]): void {
  if (problem !== undefined) report(reading, problem, line, "No percentile is named; Sunny takes the 95th.");
  into.push({ ...toItem(reading, line), ...rule, ...(level === undefined ? {} : { level }) });
}

const SENTENCE_REMEDY = "Write each limit as a line of a list, as in `- Error rate > 1 %`.";

/** Reads a sentence in a section of limits: as rules where it can only mean one thing, else it is told. */
function readProse(reading: Reading, sentence: Line, kind: RuleKind, into: Collected): void {
  const found = readSentence(sentence.text, senseOf(kind)) ?? withoutNumber(sentence.text);
  if (found === undefined) return;
  if (found.rules === undefined) {
    const message = `This sentence reads like a limit, but ${found.unclear}; it is not watched.`;
    return report(reading, "RB305", sentence, message, SENTENCE_REMEDY);
  }
  for (const one of found.rules) take(reading, { ...sentence, text: one.text }, one, into.thresholds);
}

/** Reads what a section that is carried out says about limits: "Roll back when p95 exceeds 900 ms." */
function readActing(reading: Reading, section: Section, kind: SectionKind, into: Collected): void {
  for (const [index, block] of section.blocks.entries()) {
    const above = section.blocks[index - 1];
    const isBelowTrigger = above?.kind === "prose" && isLabel(above) && isTrigger(above.text);
    if ((block.kind === "list" || block.kind === "table") && isBelowTrigger && kind !== "gradual-rollback") {
      readBlocks(reading, [above, block], { kind: "thresholds" }, into);
    }
    if (block.kind !== "prose" || !mayHoldNumber(block.text)) continue;
    for (const sentence of sentencesOf(reading.source, block)) readOrder(reading, sentence, kind, into);
  }
  for (const child of section.children) {
    const speed = child.kind === "gradual-rollback" ? child.kind : kind;
    readActing(reading, child, speed, into);
  }
}

function readOrder(reading: Reading, sentence: Line, kind: SectionKind, into: Collected): void {
  const found = readSentence(sentence.text, "either");
  if (found === undefined) return;
  if (found.rules !== undefined && kind !== "gradual-rollback" && isWayBackOrder(sentence.text)) {
    for (const one of found.rules) take(reading, { ...sentence, text: one.text }, one, into.thresholds);
    return;
  }
  const message = "Nobody watches this limit: it does not stand among the thresholds.";
  report(reading, "RB121", sentence, message, "Write it as a line of a list below a heading `Alert thresholds`.");
}

function isTrigger(label: string): boolean {
  return recogniseHeading(label, new Set()) === "thresholds" || (isWayBackOrder(label) && !isLimit(label));
}

/** Two limits of one metric in the same direction that differ and are not told apart by a level. */
function reportDoubles(reading: Reading, thresholds: readonly Threshold[]): void {
  const seen = new Map<string, Threshold>();
  for (const one of thresholds) {
    if (one.metric === "other") continue;
    const key = [one.metric, one.percentile, one.aggregate, one.level, one.unit, one.comparison[0], one.holdMs].join(
      "|",
    );
    const before = seen.get(key);
    if (before !== undefined && before.value !== one.value) {
      const at = (reading.source.lineStarts[one.line - 1] ?? 0) + one.column - 1;
      report(
        reading,
        "RB304",
        { at, end: at + one.text.length },
        `Line ${before.line} has another limit for this metric.`,
      );
    }
    if (before === undefined) seen.set(key, one);
  }
}
