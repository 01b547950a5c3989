import type { Millis } from "../clock.ts";
import { rfc3339 } from "../clock.ts";

/** The first line of a statement and its members in their order: `key: value`, one a line. */
export interface StatementForm {
  readonly heading: string;
  readonly keys: readonly string[];
}

/** A single line without control characters and without white space at its ends, so that signing tools leave it alone. */
export function oneLine(value: string): string {
  return value
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .replaceAll(/ {2,}/g, " ")
    .trim();
}

/** Writes a statement; every key of the form must have a value. Ends with a line feed. */
export function writeStatement(form: StatementForm, values: Readonly<Record<string, string>>): string {
  const lines = form.keys.map((key) => `${key}: ${oneLine(values[key] ?? "")}`.trimEnd());
  return `${[form.heading, ...lines].join("\n")}\n`;
}

/**
 * Reads a statement strictly: the heading, then each key once and in order, then nothing. CRLF line ends are accepted,
 * since clear-signing uses them. Anything else gives null: what people sign must have one reading only.
 */
export function readStatement(form: StatementForm, text: string): Record<string, string> | null {
  const lines = text.replaceAll("\r\n", "\n").replace(/\n$/, "").split("\n");
  if (lines[0] !== form.heading || lines.length !== form.keys.length + 1) return null;
  const values: Record<string, string> = {};
  for (const [index, key] of form.keys.entries()) {
    const line = lines[index + 1] ?? "";
    const value = line === `${key}:` ? "" : line.startsWith(`${key}: `) ? line.slice(key.length + 2) : null;
    if (value === null || value !== oneLine(value)) return null;
    values[key] = value;
  }
  return values;
}

/** Reads a time as `rfc3339` writes it; NaN for any other text. */
export function parseTime(text: string): Millis {
  const at = Date.parse(text);
  return Number.isFinite(at) && rfc3339(at) === text ? at : Number.NaN;
}
