import type { Json } from "../json.ts";
import type { InterruptReason } from "./context.ts";

/**
 * What the journal of a run is made of. A row is written once and never changed; the order of `seq` is the order in
 * which everything became true.
 */

/** The operations of `DurableContext` that leave rows. */
export type OperationKind = "step" | "parallel" | "children" | "sleep" | "wait" | "now" | "uuid" | "occupy";

/**
 * - `started`: the run is registered, its input frozen; `resumed`: a later executor took it up.
 * - `intent`: an attempt is about to act; `attempt`: it ended and the operation goes on (tried again, or put to a person).
 * - `outcome`: the operation is settled for good.
 * - `interrupted`: an interrupt was delivered at this operation.
 * - `refused`: a request was not accepted.
 * - `nested`: a program that a step started began a run of its own as part of this one.
 * - `control`: a request of a person or of a watcher; `held`, `paused`: why nothing goes on; `end`: nothing follows.
 */
export type RowType =
  | "started"
  | "resumed"
  | "intent"
  | "attempt"
  | "outcome"
  | "interrupted"
  | "control"
  | "refused"
  | "nested"
  | "held"
  | "paused"
  | "end";

export interface RowDraft {
  readonly run: string;
  readonly type: RowType;
  /** Position of the operation in its run, from 0; null for rows that belong to the run as a whole. */
  readonly op: number | null;
  readonly kind: OperationKind | null;
  /** Name of the step, wait, sleep or child run. */
  readonly name: string | null;
  /** From 1; 0 where there is none. */
  readonly attempt: number;
  /** The person or process on whose behalf the row was written. */
  readonly actor: string;
  readonly data: Json;
}

export interface JournalRow extends RowDraft {
  /** Grows over all runs of the journal; never used twice. */
  readonly seq: number;
  readonly at: number;
}

/** A row of the replay: `data` stays text until somebody asks for it. */
export interface HistoryRow {
  readonly seq: number;
  readonly type: RowType;
  readonly op: number | null;
  readonly kind: OperationKind | null;
  readonly name: string | null;
  readonly attempt: number;
  readonly data: string;
}

/** An error as it survives the journal. */
export interface RecordedError {
  readonly code: string;
  readonly message: string;
  readonly details: Json;
}

/** Data of an `outcome`. `abandoned`: an interrupt ended the operation before it was known whether it happened. */
export type Outcome =
  | { readonly result: "ok"; readonly value: Json }
  | { readonly result: "failed"; readonly error: RecordedError }
  | {
      readonly result: "resolved";
      readonly as: "done" | "skip";
      readonly value: Json;
      readonly control: number;
      readonly by: string;
    }
  | { readonly result: "timed-out" }
  | { readonly result: "abandoned"; readonly error: RecordedError; readonly delivery: Delivery };

/** Data of an `attempt` row. */
export interface AttemptEnd {
  /** `not-done`: known not to have happened. */
  readonly result: "not-done" | "unknown";
  readonly cause: "error" | "deadline" | "interrupt" | "crash";
  readonly error: RecordedError;
}

/** Data of an `interrupted` row. */
export interface Delivery {
  /** The `seq` of the control row that asked for it. */
  readonly control: number;
  readonly reason: InterruptReason;
}

/** What a person is asked; shown by `sunny status` and answered with `sunny resolve` or a signal. */
export type Question =
  | { readonly ask: "signal"; readonly signal: string; readonly question: Json }
  | {
      readonly ask: "resolve";
      readonly step: string;
      /** What the step was about to do. */
      readonly intended: string;
      /** What is known about it. */
      readonly known: string;
      readonly choices: readonly Resolution[];
    };

export type Resolution = "done" | "retry" | "skip" | "rollback";

/** Data of a `control` row. */
export type Control =
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  | { readonly kind: "interrupt"; readonly reason: InterruptReason }
  | { readonly kind: "signal"; readonly name: string; readonly value: Json }
  /** `value` replaces the declared one for `done`; it is needed where the step declares none. */
  | { readonly kind: "resolve"; readonly step: string; readonly as: Resolution; readonly value?: Json };

/** A control row as the executor and `verify` see it. */
export interface ControlRow {
  readonly seq: number;
  readonly run: string;
  readonly at: number;
  readonly by: string;
  readonly reason: string | null;
  readonly signature: string | null;
  readonly control: Control;
}
