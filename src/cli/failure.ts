import type { Journal } from "../engine/journal.ts";
import { stepsOf } from "../engine/step-view.ts";

/** The error of a step that a run ended with, and what to do about it. */
export interface Failure {
  readonly error: string;
  readonly hint?: string;
}

/** Which of its errors a run ended with, by the reason that it gives; null where it was no error of a step. */
export async function failureOf(
  read: Pick<Journal["read"], "rowsAfter">,
  id: string,
  reason: string,
): Promise<Failure | null> {
  const errors = stepsOf(read.rowsAfter(0, id, Number.MAX_SAFE_INTEGER)).flatMap(({ error }) => error ?? []);
  const last = errors.findLast(({ message }) => message !== "" && reason.includes(message));
  if (last === undefined) return null;
  const { details } = last;
  const own = typeof details === "object" && details !== null && "hint" in details ? details["hint"] : undefined;
  const { remedyFor } = await import("../error-remedies.ts");
  const hint = remedyFor(last.code, own);
  return { error: last.code, ...(hint === undefined ? {} : { hint }) };
}
