import type { Table, Words } from "./block.ts";
import { withDigits } from "./number-words.ts";

/** One limit or one metric, as a line of its own. */
export type Line = Words & {
  readonly level?: "warning" | "critical";
  /** It stands in a column for limits. */
  readonly isLimit?: true;
};

/** The level that a label, a column or a line begins with. */
export function levelOf(text: string): "warning" | "critical" | undefined {
  if (/^\W*warn(?:ing)?s?\b/i.test(text)) return "warning";
  return /^\W*crit(?:ical)?\b/i.test(text) ? "critical" : undefined;
}

const LIMIT_COLUMN =
  /\b(?:thresholds?|limits?|alerts?|alarms?|warn(?:ing)?|crit(?:ical)?|max(?:imum)?|target|slo|objective|condition)\b/i;
/** What is wanted may be better than what is still good enough; what warns is a limit wherever the table stands. */
const ALARM_COLUMN = /\b(?:thresholds?|limits?|alerts?|alarms?|warn(?:ing)?|crit(?:ical)?)\b/i;
/** For how long a limit has to be broken, when the cell is a duration. */
const HOLD_COLUMN =
  /\b(?:for|windows?|durations?|periods?|hold|sustained|evaluation|over|during|how long|lasting|time ?frame)\b/i;
const DURATION = /^(?:for |over )?~?\d+(?:[.,]\d+)?[\s-]*(?:s|secs?|seconds?|m|mins?|minutes?|h|hours?)$/i;
const ASIDE_COLUMN = /\b(?:percentile|statistic|aggregation)\b/i;
const UNIT_COLUMN = /^\W*units?\W*$/i;
const TIME_UNIT = /^(?:s|secs?|seconds?|m|mins?|minutes?|h|hours?)$/i;

/** The rows of a table as lines: metric, comparison, value; one line for each column that holds a limit. */
export function tableLines(table: Table, onlyMetrics: boolean): Line[] {
  if (table.header.some((cell, index) => index > 0 && isFigure(cell.text))) {
    // Its author left the header out, so that the first line of the rows stands there.
    const header = table.header.map((cell) => ({ ...cell, text: "" }));
    return tableLines({ ...table, header, rows: [table.header, ...table.rows] }, onlyMetrics);
  }
  const columns = table.header.map((cell) => cell.text);
  const limits = columns.flatMap((header, index) => (index > 0 && LIMIT_COLUMN.test(header) ? [index] : []));
  const unitColumn = columns.findIndex((header, index) => index > 0 && UNIT_COLUMN.test(header));
  return table.rows.flatMap((row): Line[] => {
    const [first] = row;
    if (first === undefined) return [];
    if (onlyMetrics && limits.length === 0) return [first];
    const hold = holdOf(row, columns);
    const during = hold === undefined ? "" : `for ${hold.text}`;
    if (limits.length === 0) {
      const cells = row.flatMap((cell, index) => (index === 0 || index === hold?.index ? [] : [cell.text]));
      const colon = /^\d/.test(cells[0] ?? "") ? ":" : "";
      return [{ ...first, text: [`${first.text}${colon}`, ...cells, during].join(" ").trim() }];
    }
    const asides = row.filter(
      (cell, index) => index > 0 && cell.text !== "" && ASIDE_COLUMN.test(columns[index] ?? ""),
    );
    return limits.flatMap((index): Line[] => {
      const cell = row[index];
      if (cell === undefined || /^\W*$/.test(cell.text)) return [];
      const header = columns[index] ?? "";
      const isBare = /\d\s*$/.test(cell.text);
      const unit = isBare ? (row[unitColumn]?.text ?? unitOf(header) ?? "") : "";
      const aside = asides.map((one) => one.text).join(" ");
      const level = levelOf(header);
      const colon = /^\d/.test(cell.text) ? ":" : "";
      const subject = `${first.text} ${aside}`.trim();
      const text = `${subject}${colon} ${cell.text} ${unit} ${during}`.replaceAll(/\s+/g, " ").trim();
      const alarm = ALARM_COLUMN.test(header) ? ({ isLimit: true } as const) : {};
      return [{ text, at: first.at, end: first.end, ...alarm, ...(level === undefined ? {} : { level }) }];
    });
  });
}

/** "500 ms", "> 1 %": a value, not the name of a column. */
function isFigure(text: string): boolean {
  return /^[<>≥≤=\s]*\d+(?:[.,]\d+)?\s*(?:%|[a-z]{1,12})?$/i.test(text.trim());
}

/** For how long the row's limit has to be broken; its unit may stand in the header: "For (min)". */
function holdOf(row: readonly Words[], columns: readonly string[]): { text: string; index: number } | undefined {
  for (const [index, cell] of row.entries()) {
    const header = columns[index] ?? "";
    if (index === 0 || !HOLD_COLUMN.test(header)) continue;
    const bare = withDigits(cell.text.trim());
    const unit = /\d$/.test(bare) ? unitOf(header) : undefined;
    const text = unit !== undefined && TIME_UNIT.test(unit) ? `${bare} ${unit}` : bare;
    if (DURATION.test(text)) return { text: text.replace(/^(?:for |over )?~?/i, ""), index };
  }
  return undefined;
}

const TRAILING_UNIT =
  /(?:^|[\s,/])(%|percent|ms|msecs?|milliseconds?|s|secs?|seconds?|mins?|minutes?|hours?|[kmg]i?b)\s*$/i;

/** The unit that a header names for its column: "Limit (ms)", "Limit [ms]", "Limit in ms", "Limit, ms", "Limit / ms". */
function unitOf(header: string): string | undefined {
  return /[([]\s*(?:in\s+)?([^)\]]+?)\s*[)\]]/.exec(header)?.[1] ?? TRAILING_UNIT.exec(header)?.[1];
}
