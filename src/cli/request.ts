import type { Control } from "../engine/rows.ts";
import { SunnyError } from "../errors.ts";
import type { CliContext } from "./context.ts";
import { findRun } from "./runs.ts";

/** How long a running deployment may take to see a request, milliseconds. */
const OBSERVE_MS = 30_000;

/** Writes a request for a run and waits until the process that carries it out has seen it. */
export async function requestAndWait(
  context: CliContext,
  id: string | undefined,
  control: Control,
  reason: string | undefined,
  done: string,
): Promise<void> {
  const sunny = await context.sunny();
  const run = findRun(sunny, id);
  const seq = sunny.engine.request(run.id, control, { by: context.actor, ...(reason === undefined ? {} : { reason }) });
  const seen = await sunny.engine.awaitObserved(run.id, seq, { timeoutMs: OBSERVE_MS });
  if (seen === "timed-out") {
    throw new SunnyError("REQUEST_UNSEEN", `${run.id} has not taken up the request within ${OBSERVE_MS / 1000} s`, {
      place: { deployment: run.id },
      hint: "The request is recorded and counts as soon as the process looks; `sunny status` shows what it is doing.",
    });
  }
  const text =
    seen === "observed"
      ? `${run.id} ${done}.`
      : `Recorded. Nobody runs ${run.id}: \`sunny resume ${run.id}\` takes it up.`;
  context.output.text(text);
  context.output.summary({ deployment: run.id, request: control.kind, seen });
}
