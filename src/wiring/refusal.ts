import { RetryableError, TerminalError } from "../engine/context.ts";
import type { ErrorCode } from "../error-codes.ts";
import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";

/**
 * What an operation refuses while a plan is made, as people see errors outside of a run: with its code, and with the step
 * that it is about. Anything else is given back as it is.
 */
export function refusalOf(error: unknown, step: string): unknown {
  if (!(error instanceof TerminalError || error instanceof RetryableError)) return error;
  const hint = error instanceof TerminalError ? hintIn(error.details) : undefined;
  const options = { place: { step }, cause: error, ...(hint === undefined ? {} : { hint }) };
  return new SunnyError(error.code as ErrorCode, error.message, options);
}

function hintIn(details: Json): string | undefined {
  const isRecord = typeof details === "object" && details !== null && "hint" in details;
  return isRecord && typeof details["hint"] === "string" ? details["hint"] : undefined;
}
