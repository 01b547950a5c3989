import type { WorkflowDef } from "./context.ts";
import { asKept } from "./payload.ts";
import { isEnd, recordError } from "./recorded-error.ts";
import type { RecordedError } from "./rows.ts";
import type { RunContext } from "./run-context.ts";
import { never } from "./settling.ts";
import type { Json } from "../json.ts";

/** How a workflow ended. */
export type Ending =
  | { readonly ok: true; readonly output: Json }
  | { readonly ok: false; readonly error: RecordedError };

/** Runs a workflow to its end. Never settles when the execution stops, or pauses over a defect of the workflow's code. */
export async function conclude(context: RunContext, def: WorkflowDef<never, unknown>): Promise<Ending> {
  const { execution, record } = context;
  const { limits, scrub } = execution.options;
  let ending: Ending;
  try {
    const output = await def.run(context, record.input as never);
    ending = { ok: true, output: asKept(output, limits.payloadBytes, `the output of run "${record.id}"`) };
  } catch (error) {
    if (execution.halted) return never();
    if (!isEnd(error)) return pauseOver(context, error);
    ending = { ok: false, error: recordError(error, scrub) };
  }
  try {
    if (!execution.halted) context.assertFinished();
  } catch (error) {
    return pauseOver(context, error);
  }
  return execution.halted ? never() : ending;
}

function pauseOver(context: RunContext, error: unknown): Promise<never> {
  context.execution.pauseOver(error, context.runId);
  return never();
}
