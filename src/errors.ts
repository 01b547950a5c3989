import { ERROR_CODES, type ErrorCode } from "./error-codes.ts";

/** Where in the user's own material an error has its cause. Line and column count from 1. */
export interface ErrorPlace {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly step?: string;
  readonly deployment?: string;
}

export interface SunnyErrorOptions {
  /** What the reader can do next, as one or more sentences; names commands and keys literally. */
  readonly hint?: string;
  readonly place?: ErrorPlace;
  /** Facts for machines; must be JSON and must hold no secret. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The one error class of Sunny. `message` says what could not be done, why and in which state; `code` is stable and
 * the only thing that code may branch on.
 */
export class SunnyError extends Error {
  override readonly name = "SunnyError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly place: ErrorPlace | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: SunnyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.place = options.place;
    this.details = options.details ?? {};
  }
}

/** True when `error` is a `SunnyError`, optionally with one of `codes`. */
export function isSunnyError(error: unknown, ...codes: ErrorCode[]): error is SunnyError {
  return error instanceof SunnyError && (codes.length === 0 || codes.includes(error.code));
}

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\s*\n\s*/g, " ").trim();
}

/** The code of anything that was thrown: its own when it is in the catalogue, else INTERNAL. */
export function codeOf(error: unknown): ErrorCode {
  if (error instanceof SunnyError) return error.code;
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : "INTERNAL";
}

/** Where a module that cannot be read is wrong; Node.js says so in the first line of the stack only. */
export function placeInModule(error: unknown): ErrorPlace | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  return placeInTrace(error.stack ?? "");
}

/** The place that a trace of Node.js begins with: `file:///etc/sunny/hosts.js:2`. */
export function placeInTrace(trace: string): ErrorPlace | undefined {
  const [, file, line] = /^(?:file:\/\/)?(\/.+):(\d+)\n/.exec(trace) ?? [];
  return file === undefined ? undefined : { file: decodeURI(file), line: Number(line) };
}

/** Renders an error for people: code and message, place, hint. Never a stack. */
export function renderError(error: unknown): string {
  if (!(error instanceof SunnyError)) return `${codeOf(error)}  ${messageOf(error)}`;
  const lines = [`${error.code}  ${error.message}`];
  const place = renderPlace(error.place);
  if (place !== "") lines.push(`  at ${place}`);
  for (const line of error.hint?.split("\n") ?? []) lines.push(`  ${line}`);
  return lines.join("\n");
}

function renderPlace(place: ErrorPlace | undefined): string {
  if (place === undefined) return "";
  const parts: string[] = [];
  if (place.file !== undefined) {
    parts.push([place.file, place.line, place.column].filter((part) => part !== undefined).join(":"));
  }
  if (place.step !== undefined) parts.push(`step "${place.step}"`);
  const text = parts.join(", ");
  if (place.deployment === undefined) return text;
  return text === "" ? `deployment ${place.deployment}` : `${text} (deployment ${place.deployment})`;
}
