import type { Table, Words } from "./block.ts";
import { leavesOf } from "./block.ts";
import { groupsOf } from "./groups.ts";
import type { Group } from "./groups.ts";
import { recogniseHeading } from "./heading.ts";
import { metricKind } from "./metric.ts";
import type { Metric, Threshold } from "./model.ts";
import { report, toItem } from "./reading.ts";
import type { Reading } from "./reading.ts";
import type { Recognised } from "./recognise.ts";
import { readThreshold } from "./threshold.ts";
import type { Sense } from "./threshold.ts";
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

/** Reads what is watched and its limits. A group's own label decides what its lines are, then the section's heading. */
export function readRules(reading: Reading, sections: readonly Recognised[]): Rules {
  const into: Collected = { metrics: [], thresholds: [] };
  for (const { kind, section } of sections) {
    if (!isRuleKind(kind)) continue;
    for (const group of groupsOf(section)) {
      const labelled = group.labelled ? recogniseHeading(group.title, new Set()) : undefined;
      readGroup(reading, group, isRuleKind(labelled) ? labelled : kind, into);
    }
  }
  reportDoubles(reading, into.thresholds);
  return into;
}

function isRuleKind(kind: SectionKind | undefined): kind is RuleKind {
  return (
    kind === "monitoring" || kind === "metrics" || kind === "thresholds" || kind === "targets" || kind === "limits"
  );
}

function readGroup(reading: Reading, group: Group, kind: RuleKind, into: Collected): void {
  for (const line of leavesOf(group.blocks)) readLine(reading, line, kind, into);
  for (const block of group.blocks) {
    if (block.kind === "table") for (const line of tableLines(block, kind)) readLine(reading, line, kind, into);
    if (block.kind === "prose" && isOrder(block.text)) readLine(reading, block, "thresholds", into);
  }
}

function isLimit(text: string): boolean {
  if (text.length > 300) return false;
  return (
    /\d/.test(text) &&
    (/[<>≥≤]/.test(text) || /\b(?:above|over|exceeds?|more than|below|under|less than)\b/i.test(text))
  );
}

/** A sentence that says what is to happen beyond a limit: "Roll back when the error rate exceeds 0.5 %." */
function isOrder(text: string): boolean {
  return (
    /\b(?:roll(?:ing)? back|rollback|abort|alert|alarm|page)\b.*\b(?:if|when|as soon as|once)\b/i.test(text) &&
    isLimit(text)
  );
}

type Line = Words & {
  readonly level?: "warning" | "critical";
  /** It stands in a column for limits. */
  readonly isLimit?: true;
};

function readLine(reading: Reading, line: Line, kind: RuleKind, into: Collected): void {
  const told = line.isLimit === true && !("message" in readThreshold(line.text, "alert"));
  const limits = kind === "metrics" || kind === "monitoring" ? told || isLimit(line.text) : true;
  if (limits) readRule(reading, line, senseOf(kind), into.thresholds);
  else into.metrics.push({ ...toItem(reading, line), kind: metricKind(line.text) });
}

function senseOf(kind: RuleKind): Sense {
  if (kind === "thresholds") return "alert";
  return kind === "targets" ? "target" : "either";
}

const REMEDIES: Readonly<Record<string, string>> = {
  RB305: "Write one limit a line: metric, comparison, value and unit, as in `Error rate > 1 %`.",
};

function readRule(reading: Reading, line: Line, sense: Sense, into: Threshold[]): void {
  const level = line.level ?? levelOf(line.text);
  const result = readThreshold(line.text.replace(/^\W*(?:warning|warn|critical|crit)\b\W*/i, ""), sense);
  if ("message" in result) {
    report(reading, result.problem, line, result.message, REMEDIES[result.problem]);
    return;
  }
  if (result.problem !== undefined) {
    report(reading, result.problem, line, "No percentile is named; Sunny takes the 95th.");
  }
  into.push({ ...toItem(reading, line), ...result.rule, ...(level === undefined ? {} : { level }) });
}

function levelOf(text: string): "warning" | "critical" | undefined {
  if (/^\W*warn(?:ing)?\b/i.test(text)) return "warning";
  return /^\W*crit(?:ical)?\b/i.test(text) ? "critical" : undefined;
}

const LIMIT_COLUMN =
  /\b(?:thresholds?|limits?|alerts?|alarms?|warn(?:ing)?|crit(?:ical)?|max(?:imum)?|target|slo|objective|condition)\b/i;
/** What is wanted may be better than what is still good enough; what warns is a limit wherever the table stands. */
const ALARM_COLUMN = /\b(?:thresholds?|limits?|alerts?|alarms?|warn(?:ing)?|crit(?:ical)?)\b/i;
/** For how long a limit has to be broken, when the cell is a duration. */
const HOLD_COLUMN =
  /\b(?:for|windows?|durations?|periods?|hold|sustained|evaluation|over|during|how long|lasting|time ?frame)\b/i;
const DURATION = /^(?:for |over )?~?\d+[\s-]*(?:s|secs?|seconds?|m|mins?|minutes?|h|hours?)$/i;
const ASIDE_COLUMN = /\b(?:percentile|statistic|aggregation|unit)\b/i;

/** The rows of a table as lines: metric, comparison, value; one line for each column that holds a limit. */
function tableLines(table: Table, kind: RuleKind): Line[] {
  const columns = table.header.map((cell) => cell.text);
  const limits = columns.flatMap((header, index) => (index > 0 && LIMIT_COLUMN.test(header) ? [index] : []));
  return table.rows.flatMap((row): Line[] => {
    const [first] = row;
    if (first === undefined) return [];
    if (kind === "metrics" && limits.length === 0) return [first];
    const hold = row.find(
      (cell, index) => index > 0 && HOLD_COLUMN.test(columns[index] ?? "") && DURATION.test(cell.text.trim()),
    );
    const during = hold === undefined ? "" : `for ${hold.text.trim().replace(/^(?:for |over )?~?/i, "")}`;
    if (limits.length === 0) {
      const cells = row.filter((cell) => cell !== hold).map((cell) => cell.text);
      return [{ ...first, text: [...cells, during].join(" ").trim() }];
    }
    const asides = row.filter(
      (cell, index) => index > 0 && cell.text !== "" && ASIDE_COLUMN.test(columns[index] ?? ""),
    );
    return limits.flatMap((index): Line[] => {
      const cell = row[index];
      if (cell === undefined || /^\W*$/.test(cell.text)) return [];
      const header = columns[index] ?? "";
      const unit = /\d\s*$/.test(cell.text) ? (/\(([^)]+)\)/.exec(header)?.[1] ?? "") : "";
      const aside = asides.map((one) => one.text).join(" ");
      const level = levelOf(header);
      const colon = /^\d/.test(cell.text) ? ":" : "";
      const text = `${first.text} ${aside}${colon} ${cell.text} ${unit} ${during}`.replaceAll(/\s+/g, " ").trim();
      const alarm = ALARM_COLUMN.test(header) ? ({ isLimit: true } as const) : {};
      return [{ text, at: first.at, end: first.end, ...alarm, ...(level === undefined ? {} : { level }) }];
    });
  });
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
