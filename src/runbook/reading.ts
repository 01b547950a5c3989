import { diagnostic } from "./diagnostic.ts";
import type { Diagnostic, DiagnosticCode } from "./diagnostic.ts";
import type { Item } from "./model.ts";
import type { FoundSecret } from "../secret-shapes.ts";
import { lineText, placeAt, spanAt } from "./source.ts";
import type { Source } from "./source.ts";
import { wordsOf } from "./heading.ts";

/** What is collected while one runbook is read. */
export interface Reading {
  readonly source: Source;
  readonly diagnostics: Diagnostic[];
  /** By offsets in the source; they never appear in an excerpt. */
  readonly secrets: FoundSecret[];
  /** How often each id was asked for. */
  readonly ids: Map<string, number>;
}

/** Begins the reading of a runbook. */
export function createReading(source: Source): Reading {
  return { source, diagnostics: [], secrets: [], ids: new Map() };
}

/** A stretch of the source, by offsets. */
export interface Range {
  readonly at: number;
  readonly end: number;
}

/** Adds a diagnostic about a stretch of the source. */
export function report(reading: Reading, code: DiagnosticCode, range: Range, message: string, remedy?: string): void {
  const span = spanAt(reading.source, range.at, range.end);
  const details = remedy === undefined ? { message } : { message, remedy };
  reading.diagnostics.push(diagnostic(code, reading.source.file, span, details));
}

/** An id that is unique in this runbook: the second of its name gets `-2`. */
export function uniqueId(reading: Reading, wanted: string): string {
  const count = (reading.ids.get(wanted) ?? 0) + 1;
  reading.ids.set(wanted, count);
  if (count === 1) return wanted;
  return uniqueId(reading, `${wanted}-${count}`);
}

/** At most 60 characters of lower-case words with hyphens; `untitled` when there are none. */
export function slug(text: string): string {
  const words = wordsOf(text);
  let out = "";
  for (const word of words) {
    const longer = out === "" ? word : `${out}-${word}`;
    if (longer.length > 60) break;
    out = longer;
  }
  return out === "" ? (words[0]?.slice(0, 60) ?? "untitled") : out;
}

/** A piece of text as an item of the model. */
export function toItem(reading: Reading, words: { readonly text: string; readonly at: number }): Item {
  return { text: words.text, ...placeAt(reading.source, words.at) };
}

/** The diagnostics in the order of the file, each with its excerpt; secrets are masked. */
export function finishDiagnostics(reading: Reading): Diagnostic[] {
  const masked = new Map<number, string>();
  for (const secret of reading.secrets) {
    const { line, column } = placeAt(reading.source, secret.at);
    const text = masked.get(line) ?? lineText(reading.source, line);
    const length = Math.min(secret.end - secret.at, Math.max(0, text.length - column + 1));
    masked.set(line, text.slice(0, column - 1) + "*".repeat(length) + text.slice(column - 1 + length));
  }
  return reading.diagnostics
    .toSorted((a, b) => a.line - b.line || a.column - b.column || (a.code < b.code ? -1 : 1))
    .map((one) => ({ ...one, excerpt: excerpt(masked.get(one.line) ?? lineText(reading.source, one.line), one) }));
}

/** Longer lines are cut around the place. */
const MAX_EXCERPT = 160;

/** A line of the source with a line of carets below it. Tabs become spaces, so that both stay aligned. */
export function excerpt(line: string, span: { readonly column: number; readonly endColumn: number }): string {
  const from = span.column <= MAX_EXCERPT - 40 ? 0 : span.column - 41;
  const shown = line
    .slice(from, from + MAX_EXCERPT)
    .replaceAll(/\p{Cc}/gu, " ")
    .replaceAll(/\p{Bidi_Control}/gu, "\uFFFD");
  const start = Math.max(0, span.column - 1 - from);
  const length = Math.max(1, Math.min(span.endColumn - span.column, Math.max(1, shown.length - start)));
  return `${shown}\n${" ".repeat(start)}${"^".repeat(length)}`;
}
