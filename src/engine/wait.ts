import type { WaitOptions } from "./context.ts";
import { outcomeOf } from "./history.ts";
import type { Outcome, Question } from "./rows.ts";
import type { Place, RunContext } from "./run-context.ts";
import type { StepEnd } from "./step-run.ts";

/** Waits for an answer until an absolute time that is journaled before; an interrupt ends it. */
export async function waitAt(
  context: RunContext,
  place: Place,
  kind: "sleep" | "wait",
  name: string,
  options: WaitOptions,
  answer: (until: number | null) => Outcome | undefined,
): Promise<StepEnd> {
  const { clock } = context.execution;
  const entry = place.record?.entries[0];
  const known = entry && outcomeOf(entry);
  if (known !== undefined) return { outcome: known, recorded: true };
  const ms = options.timeoutMs ?? null;
  const question: Question | undefined =
    options.held === undefined ? undefined : { ask: "signal", signal: name, question: options.held };
  let until = ms === null ? null : clock.now() + ms;
  if (entry === undefined) {
    context.commit((tx) => {
      const { actor } = context.execution.options;
      const row = { run: context.runId, op: place.op, kind, name, attempt: 0, actor } as const;
      tx.append({ ...row, type: "intent", data: { until } });
      if (question !== undefined) tx.append({ ...row, type: "held", data: question });
      if (question !== undefined) context.showHeld(tx, question);
    });
  } else if (ms !== null) {
    // The clock may have been set back meanwhile; nobody waits longer than was meant.
    const meant = (JSON.parse(entry.intent.data) as { until: number | null }).until ?? until!;
    until = Math.min(meant, clock.now() + ms);
    if (question !== undefined) context.commit((tx) => context.showHeld(tx, question));
  } else if (question !== undefined) context.commit((tx) => context.showHeld(tx, question));
  await context.execution.refresh();
  const what = { until, ...(question && { question }) };
  const found = await context.watchers.watch(what, () => answer(until) ?? context.pending());
  if (question !== undefined) context.showRunning();
  if (found === "time") return { outcome: kind === "sleep" ? { result: "ok", value: null } : { result: "timed-out" } };
  if ("result" in found) return { outcome: found };
  const error = { code: "INTERRUPTED", message: `${kind} was interrupted`, details: null };
  return { outcome: { result: "abandoned", error, delivery: found } };
}
