import { SunnyError, isSunnyError, messageOf } from "../errors.ts";
import type { Json } from "../json.ts";
import { Interrupted, RetryableError, StepFailedError, TerminalError } from "./context.ts";
import type { RecordedError } from "./rows.ts";

/** Any error in the form that the journal keeps, with secrets removed from its text. */
export function recordError(error: unknown, scrub: (text: string) => string): RecordedError {
  return { code: codeOf(error), message: scrub(messageOf(error)), details: scrubJson(detailsOf(error), scrub) };
}

/** The error that workflow code sees of a step that failed. */
export function stepFailed(step: string, error: RecordedError): StepFailedError {
  return new StepFailedError(step, error.code, error.message, error.details);
}

/**
 * Whether an error that a workflow threw is an end of it. Anything else is a defect of its code: the run pauses then,
 * because a corrected version can still go on.
 */
export function isEnd(error: unknown): boolean {
  return (
    error instanceof StepFailedError ||
    error instanceof TerminalError ||
    error instanceof RetryableError ||
    error instanceof Interrupted ||
    error instanceof SunnyError
  );
}

/**
 * Whether workflow code may see an error that an operation threw. Anything else is the engine's own trouble, such as a
 * journal that cannot be read, and stops the run like a crash.
 */
export function isForWorkflow(error: unknown): boolean {
  if (error instanceof StepFailedError || error instanceof Interrupted) return true;
  return isSunnyError(error, "PAYLOAD_INVALID", "PAYLOAD_TOO_LARGE");
}

function codeOf(error: unknown): string {
  if (error instanceof Interrupted) return "INTERRUPTED";
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return "STEP_FAILED";
}

function detailsOf(error: unknown): Json {
  if (error instanceof TerminalError || error instanceof StepFailedError) return error.details;
  if (error instanceof Interrupted) return { ...error.reason };
  if (!(error instanceof SunnyError)) return null;
  const { hint, place, details } = error;
  return toJson({ ...details, ...(hint === undefined ? {} : { hint }), ...(place === undefined ? {} : { place }) });
}

function toJson(value: unknown): Json {
  try {
    return JSON.parse(JSON.stringify(value) ?? "null") as Json;
  } catch {
    return null;
  }
}

function scrubJson(value: Json, scrub: (text: string) => string): Json {
  if (typeof value === "string") return scrub(value);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((item: Json) => scrubJson(item, scrub));
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, scrubJson(member, scrub)]));
}
