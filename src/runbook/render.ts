import type { Diagnostic, Severity } from "./diagnostic.ts";
import { excerpt } from "./reading.ts";
import { renderSarif } from "./sarif.ts";

export interface RenderContext {
  readonly file: string;
  /** The runbook, for diagnostics that were made without it at hand; default: their places are told alone. */
  readonly text?: string;
}

export interface RenderOptions {
  /** ANSI colours in the text form; default false. */
  readonly color?: boolean;
}

export type DiagnosticFormat = "text" | "json" | "sarif";

/**
 * Renders diagnostics: `text` for people, with excerpt and caret and a closing line of counts; `json` as one document;
 * `sarif` 2.1.0 for code hosts. Ends without a line break.
 */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  context: RenderContext,
  format: DiagnosticFormat,
  options: RenderOptions = {},
): string {
  const complete = withExcerpts(diagnostics, context);
  switch (format) {
    case "text":
      return renderText(complete, options.color === true);
    case "json":
      return JSON.stringify({ diagnostics: complete.map(toJson) }, null, 2);
    case "sarif":
      return renderSarif(complete);
  }
}

function withExcerpts(diagnostics: readonly Diagnostic[], context: RenderContext): Diagnostic[] {
  let lines: readonly string[] | undefined;
  return diagnostics.map((one) => {
    if (one.excerpt !== "" || context.text === undefined || one.file !== context.file) return one;
    lines ??= context.text.split(/\r\n|\n|\r/);
    const line = lines[one.line - 1];
    return line === undefined ? one : { ...one, excerpt: excerpt(line, one) };
  });
}

function toJson(one: Diagnostic): Record<string, unknown> {
  const { code, severity, line, column, endColumn, message, excerpt, remedy, file } = one;
  return { code, severity, line, column, endColumn, message, excerpt, remedy, file };
}

const COLORS: Readonly<Record<Severity | "dim" | "bold", string>> = {
  error: "\u001B[1;31m",
  warning: "\u001B[1;33m",
  info: "\u001B[1;36m",
  dim: "\u001B[2m",
  bold: "\u001B[1m",
};

type Paint = (color: keyof typeof COLORS, text: string) => string;

function renderText(diagnostics: readonly Diagnostic[], color: boolean): string {
  const paint: Paint = (name, text) => (color ? `${COLORS[name]}${text}\u001B[0m` : text);
  const blocks = diagnostics.map((one) => renderOne(one, paint));
  return [...blocks, countLine(diagnostics)].join("\n\n");
}

function renderOne(one: Diagnostic, paint: Paint): string {
  const gutter = " ".repeat(String(one.line).length);
  const bar = paint("dim", "|");
  const lines = [
    `${paint(one.severity, `${one.severity}[${one.code}]`)}${paint("bold", `: ${one.message}`)}`,
    `${gutter}${paint("dim", "-->")} ${one.file}:${one.line}:${one.column}`,
  ];
  const [source, caret] = one.excerpt.split("\n");
  if (source !== undefined && caret !== undefined) {
    lines.push(
      `${gutter} ${bar}`,
      `${paint("dim", String(one.line))} ${bar} ${source}`,
      `${gutter} ${bar} ${paint(one.severity, caret)}`,
    );
  }
  lines.push(`${gutter} ${paint("dim", "=")} ${one.remedy}`);
  return lines.join("\n");
}

/** "1 error, 3 warnings, no notes" in one line. */
export function countLine(diagnostics: readonly Diagnostic[]): string {
  const count = (severity: Severity, one: string): string => {
    const number = diagnostics.filter((diagnostic) => diagnostic.severity === severity).length;
    return `${number === 0 ? "no" : number} ${one}${number === 1 ? "" : "s"}`;
  };
  return [count("error", "error"), count("warning", "warning"), count("info", "note")].join(", ");
}
