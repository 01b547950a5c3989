import type { RunFrozen, RunRecord } from "./storage.ts";

/** The record of a run that has not begun. */
export function newRun(
  def: { readonly name: string; readonly version: number },
  frozen: Omit<RunFrozen, "workflow" | "version">,
): RunRecord {
  return {
    ...frozen,
    workflow: def.name,
    version: def.version,
    state: "ready",
    question: null,
    reason: null,
    output: null,
    error: null,
    endedAt: null,
    lease: null,
    executions: 0,
    observedSeq: 0,
  };
}
