import type { AttemptEnd, JournalRow, OperationKind, Outcome, RecordedError } from "./rows.ts";

/** What can be shown of a step, sleep, wait or child run. */
export interface StepView {
  readonly run: string;
  readonly name: string;
  readonly kind: OperationKind;
  /** `running`: an attempt is under way, or was when its executor ended. `abandoned`: an interrupt ended it, outcome unknown. */
  readonly state: "running" | "retrying" | "held" | "done" | "failed" | "timed-out" | "skipped" | "abandoned";
  readonly attempts: number;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly error: RecordedError | null;
  /** Set when a person decided about it. */
  readonly resolvedBy: string | null;
}

/** Folds journal rows into steps, in the order in which they began. */
export function stepsOf(rows: readonly JournalRow[]): StepView[] {
  const steps = new Map<string, StepView>();
  for (const row of rows.toSorted((a, b) => a.seq - b.seq)) {
    if (row.op === null || row.kind === null || row.name === null) continue;
    if (row.kind === "now" || row.kind === "uuid" || row.type === "interrupted") continue;
    const key = `${row.run}\n${row.op}\n${row.name}`;
    steps.set(key, advance(steps.get(key) ?? begun(row, row.kind, row.name), row));
  }
  return [...steps.values()];
}

function begun(row: JournalRow, kind: OperationKind, name: string): StepView {
  const { run, at } = row;
  return {
    run,
    name,
    kind,
    state: "running",
    attempts: 0,
    startedAt: at,
    endedAt: null,
    error: null,
    resolvedBy: null,
  };
}

function advance(step: StepView, row: JournalRow): StepView {
  switch (row.type) {
    case "intent":
      return { ...step, state: "running", attempts: row.attempt };
    case "attempt":
      return { ...step, state: "retrying", error: (row.data as unknown as AttemptEnd).error };
    case "held":
      return { ...step, state: "held" };
    case "outcome":
      return { ...step, endedAt: row.at, ...ended(row.data as unknown as Outcome) };
    default:
      return step;
  }
}

function ended(outcome: Outcome): Partial<StepView> & Pick<StepView, "state"> {
  switch (outcome.result) {
    case "ok":
      return { state: "done", error: null };
    case "resolved":
      return { state: outcome.as === "skip" ? "skipped" : "done", error: null, resolvedBy: outcome.by };
    case "failed":
      return { state: "failed", error: outcome.error };
    case "abandoned":
      return { state: "abandoned", error: outcome.error };
    case "timed-out":
      return { state: "timed-out" };
  }
}
