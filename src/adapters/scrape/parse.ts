import type { Series } from "../../operations/monitor/binding.ts";

/** What a page of metrics says. */
export interface ParsedMetrics {
  readonly series: ReadonlyMap<string, readonly Series[]>;
  /** Lines that are neither a sample nor a comment. */
  readonly malformed: number;
}

/**
 * Reads the Prometheus text format (version 0.0.4, and the samples of OpenMetrics 1.0), in one pass over the text.
 * A broken line is counted and skipped. `wanted` leaves out metrics that nobody asks for. A metric that is declared but
 * has no sample yet is an empty list. Timestamps and exemplars are ignored.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function parseMetrics(text: string, wanted?: ReadonlySet<string>): ParsedMetrics {
  const series = new Map<string, Series[]>();
  const asked = (name: string): boolean => wanted === undefined || wanted.has(name);
  let malformed = 0;
  let from = 0;
  while (from < text.length) {
    let end = text.indexOf("\n", from);
    if (end === -1) end = text.length;
    const line = text.slice(from, end).trim();
    from = end + 1;
    if (line === "") continue;
    if (line.startsWith("#")) {
      for (const name of declared(line)) if (asked(name) && !series.has(name)) series.set(name, []);
      continue;
    }
    const nameEnd = endOfName(line);
    const name = line.slice(0, nameEnd);
    if (nameEnd > 0 && !asked(name)) continue;
    const sample = nameEnd === 0 ? null : parseSample(line, nameEnd);
    if (sample === null) {
      malformed++;
      continue;
    }
    const known = series.get(name);
    if (known === undefined) series.set(name, [sample]);
    else known.push(sample);
  }
  return { series, malformed };
}

/** The metrics that a `# TYPE` line promises. */
function declared(line: string): string[] {
  const [, keyword, name, type] = line.split(/\s+/, 4);
  if (keyword !== "TYPE" || name === undefined) return [];
  return type === "histogram" ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name];
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;

function endOfName(line: string): number {
  NAME.lastIndex = 0;
  return NAME.test(line) ? NAME.lastIndex : 0;
}

function parseSample(line: string, nameEnd: number): Series | null {
  const labels: Record<string, string> = {};
  let at = nameEnd;
  if (line[at] === "{") {
    at = parseLabels(line, at + 1, labels);
    if (at === -1) return null;
  } else if (line[at] !== " " && line[at] !== "\t") return null;
  const rest = line.slice(at).trimStart();
  const space = rest.search(/[ \t]/);
  const value = parseValue(space === -1 ? rest : rest.slice(0, space));
  return value === null ? null : { labels, value };
}

const LABEL = /[ \t,]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"/y;
const LABELS_END = /[ \t,]*\}/y;

/** Fills `labels`; returns the position after the closing brace, or -1. */
function parseLabels(line: string, start: number, labels: Record<string, string>): number {
  let at = start;
  for (;;) {
    LABELS_END.lastIndex = at;
    if (LABELS_END.test(line)) return LABELS_END.lastIndex;
    LABEL.lastIndex = at;
    const label = LABEL.exec(line);
    if (label === null) return -1;
    const close = closingQuote(line, LABEL.lastIndex);
    if (close === -1) return -1;
    const raw = line.slice(LABEL.lastIndex, close);
    const value = raw.includes("\\") ? raw.replaceAll(/\\(.)/g, (_, c: string) => (c === "n" ? "\n" : c)) : raw;
    // A label called __proto__ must be data, not a prototype.
    Object.defineProperty(labels, label[1]!, { value, enumerable: true, configurable: true, writable: true });
    at = close + 1;
  }
}

function closingQuote(line: string, start: number): number {
  for (let at = start; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (line[at] === '"') return at;
  }
  return -1;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

function parseValue(text: string): number | null {
  if (NUMBER.test(text)) return Number(text);
  switch (text.toLowerCase()) {
    case "nan":
      return Number.NaN;
    case "+inf":
    case "inf":
      return Infinity;
    case "-inf":
      return -Infinity;
    default:
      return null;
  }
}
