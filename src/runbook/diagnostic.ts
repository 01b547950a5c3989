import { DIAGNOSTICS } from "./catalogue.ts";
import type { DiagnosticCode } from "./catalogue.ts";
import type { Severity } from "./catalogue-entry.ts";
import type { Place } from "./model.ts";

export type { DiagnosticCode } from "./catalogue.ts";
export type { Severity } from "./catalogue-entry.ts";

/** Something that the reader of a runbook should know, with its place and what to do about it. */
export interface Diagnostic extends Place {
  /** Stable: `RB1xx` structure, `RB2xx` commands, `RB3xx` thresholds, `RB4xx` windows, `PL2xx` the plan. */
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  readonly file: string;
  /** The column after the last one it is about, on the same line. */
  readonly endColumn: number;
  /** One sentence about this very place. */
  readonly message: string;
  /** The line and a caret line below it; empty when the text was not at hand. */
  readonly excerpt: string;
  readonly remedy: string;
}

export interface DiagnosticDetails {
  readonly message: string;
  /** Default: the remedy of the catalogue. */
  readonly remedy?: string;
  /** Default: the empty string; `renderDiagnostics` fills it from the text. */
  readonly excerpt?: string;
}

/**
 * Makes a diagnostic of a catalogued code. The severity belongs to the code. `at` is any node of the runbook; without
 * `endColumn` the caret stands below one character.
 */
export function diagnostic(
  code: DiagnosticCode,
  file: string,
  at: Place & { readonly endColumn?: number },
  details: DiagnosticDetails,
): Diagnostic {
  const entry = DIAGNOSTICS[code];
  return {
    code,
    severity: entry.severity,
    file,
    line: at.line,
    column: at.column,
    endColumn: Math.max(at.endColumn ?? at.column + 1, at.column + 1),
    message: details.message,
    excerpt: details.excerpt ?? "",
    remedy: details.remedy ?? entry.remedy,
  };
}

/** True when one of them is an error, so that nothing may be planned or run. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((one) => one.severity === "error");
}
