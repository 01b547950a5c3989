import type { DurableContext } from "../engine/context.ts";
import type { Json } from "../json.ts";
import type { OperationReport } from "../operation.ts";
import type { GateOutcome, Progress } from "./ports.ts";

/** Keeps the progress of one run and publishes each change. Rebuilt by replay, so it needs no journal of its own. */
export class ProgressBoard {
  #state: Progress = {
    stage: "gates",
    current: null,
    done: [],
    failed: [],
    notNeeded: [],
    summaries: {},
    gates: [],
    waitingFor: [],
    given: [],
    reason: null,
  };
  readonly #reports: Record<string, OperationReport> = {};
  readonly #ctx: DurableContext;

  constructor(ctx: DurableContext) {
    this.#ctx = ctx;
  }

  get state(): Progress {
    return this.#state;
  }

  /** Reports by operation name: what later steps may look at. */
  get reports(): Readonly<Record<string, OperationReport>> {
    return this.#reports;
  }

  set(change: Partial<Progress>): void {
    this.#state = { ...this.#state, ...change };
    this.#ctx.publish(this.#state as unknown as Json);
  }

  gate(outcome: GateOutcome): void {
    this.set({ gates: [...this.#state.gates.filter((gate) => gate.id !== outcome.id), outcome] });
  }

  finish(stepId: string, operation: string, report: OperationReport): void {
    this.#reports[operation] = report;
    const { done, failed, notNeeded, summaries } = this.#state;
    this.set({
      current: null,
      done: [...done.filter((id) => id !== stepId), stepId],
      // What failed before and was done when somebody had it tried again is done.
      failed: failed.filter((id) => id !== stepId),
      notNeeded: isNotNeeded(report) ? [...notNeeded, stepId] : notNeeded,
      summaries: { ...summaries, [stepId]: report.summary },
    });
  }

  /** Says of something that is no step of the plan what became of it. */
  note(id: string, text: string): void {
    this.set({ summaries: { ...this.#state.summaries, [id]: text } });
  }

  fail(stepId: string, message: string): void {
    const { done, failed, summaries } = this.#state;
    this.set({
      current: null,
      done: done.filter((id) => id !== stepId),
      failed: [...failed.filter((id) => id !== stepId), stepId],
      summaries: { ...summaries, [stepId]: message },
    });
  }
}

/** Operations mark by `data.state` (or `data.notNeeded`) that states were compared and nothing had to change. */
export function isNotNeeded(report: OperationReport): boolean {
  const { data } = report;
  if (typeof data !== "object" || data === null) return false;
  return ("notNeeded" in data && data["notNeeded"] === true) || ("state" in data && data["state"] === "not needed");
}
