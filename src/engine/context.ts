import type { Json } from "../json.ts";

/**
 * The port of durable execution. A workflow is an ordinary async function over `DurableContext`; everything that
 * touches the world happens inside a step. Two engines implement it: the embedded SQLite journal and Restate.
 */

/** The right to act, as a target sees it: compared as a pair, an older one is refused there. */
export interface Fence {
  /** Fencing token of the lease; grows with every new holder. */
  readonly token: number;
  /** Attempt at this step, from 1. */
  readonly attempt: number;
}

/** What a step is given. */
export interface StepScope {
  /** Aborts at the deadline, on an interrupt, and when the lease is lost. */
  readonly signal: AbortSignal;
  /** The same for every attempt at this step of this run; pass it on to targets that know idempotency keys. */
  readonly idempotencyKey: string;
  readonly fence: Fence;
  /**
   * Names a process (leader of its own group) that acts for this step, so that nobody takes over while it lives, also when
   * the orchestrator is dead. Forgotten when the attempt ends. Absent where there is no journal, as in tests of operations.
   */
  readonly spawned?: (process: { readonly pid: number; readonly startTime: string; readonly boot: string }) => void;
  /**
   * Lets programs that this step starts run operations as part of it, in processes of their own: returns a token, to be
   * handed to them by a way that nobody else can read. It is worth nothing once this attempt has ended. Absent where
   * there is no journal.
   */
  readonly openScope?: () => string;
  /**
   * To be asked right before an effect on a target that knows no fence: a process that slept for longer than its lease learns
   * here that somebody else has taken over, where the signal waits for a timer. It then throws, and nothing of the step
   * counts any more. Absent where there is no journal.
   */
  readonly requireLease?: () => void;
  /** Adds output of the step to `sunny logs`; scrubbed and capped by the engine. */
  readonly log: (text: string) => void;
}

export type Probed<T> =
  | { readonly state: "done"; readonly value: T }
  | { readonly state: "not-done" }
  | { readonly state: "unknown" };

/** How a step whose outcome is not known (crash, lost answer, deadline, abort) is settled. */
export type Disposition<T> =
  /**
   * Running it again does no harm. `readOnly` says that it changes nothing at all: an interrupt or a missed deadline then
   * ends it at once, where any other idempotent step runs once more so that its target has seen the newer fence.
   */
  | { readonly kind: "idempotent"; readonly readOnly?: boolean }
  /** Asks the world, not the journal, whether it happened. */
  | { readonly kind: "probe"; probe(scope: StepScope): Promise<Probed<T>> }
  /** A person decides; `whenDone` is the value if they say that it was done. */
  | {
      readonly kind: "manual";
      readonly intended: string;
      readonly whenDone: T;
      raiseFence?(scope: StepScope): Promise<void>;
    };

/**
 * Attempts in all, after `retryable` errors and, where running again is harmless, after unknown outcomes; between them
 * `initialMs`·`factor`^n, at most `maxMs`. Defaults: 500 ms, 2, 30 s.
 */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialMs?: number;
  readonly factor?: number;
  readonly maxMs?: number;
}

export interface StepOptions<T> {
  readonly disposition: Disposition<T>;
  /** Every step ends: after this long its signal aborts and its outcome is unknown. */
  readonly deadlineMs: number;
  /** Default: one attempt. */
  readonly retry?: RetryPolicy;
  /**
   * Whether the target itself refuses an older fence. For a `bounded` one (the default) the lease is first extended to
   * cover the deadline, so that nobody takes over while the effect may still happen.
   */
  readonly target?: "fenced" | "bounded";
}

export type StepFn<T> = (scope: StepScope) => Promise<T>;

/** One of several steps that run side by side. */
export interface StepCall<T> {
  readonly name: string;
  readonly fn: StepFn<T>;
  readonly options: StepOptions<T>;
}

export type Waited<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly timedOut: true };

export interface WaitOptions {
  /** Default: no end. */
  readonly timeoutMs?: number;
  /**
   * The question for a person. With it the run shows `held` while it waits; without `timeoutMs` the executor parks as
   * soon as nothing else is pending, and a signal followed by a resume goes on.
   */
  readonly held?: Json;
}

export type Settled<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: StepFailedError };

/** A workflow. Its name and version are recorded; a run is only resumed by code of the same version. */
export interface WorkflowDef<I, O> {
  readonly name: string;
  readonly version: number;
  run(ctx: DurableContext, input: I): Promise<O>;
}

/** T, I and O are JSON and at most 4 MiB. Names of operations are unique within a run and come from frozen data. */
export interface DurableContext {
  readonly runId: string;
  /** @throws StepFailedError when the step failed for good, Interrupted when the run was interrupted meanwhile. */
  step<T>(name: string, fn: StepFn<T>, options: StepOptions<T>): Promise<T>;
  /** All at once; results in the order of declaration. One failure does not cancel the others, an interrupt does. */
  parallel<T>(steps: readonly StepCall<T>[]): Promise<Settled<T>[]>;
  children<I, O>(
    runs: readonly { readonly def: WorkflowDef<I, O>; readonly id: string; readonly input: I }[],
  ): Promise<Settled<O>[]>;
  sleep(name: string, ms: number): Promise<void>;
  /** Waits for the signal of that name, sent by a person or another process; one sent earlier counts. */
  waitFor<T>(name: string, options?: WaitOptions): Promise<Waited<T>>;
  /**
   * Occupies the environment for this run, from now until it ended; a paused or held run keeps it. Draws a new fencing
   * token, so that what ran there meanwhile is older. Idempotent within a run.
   *
   * @throws StepFailedError with code ENVIRONMENT_OCCUPIED, and the occupying `run` and `since` in its details.
   */
  occupy(environment: string): Promise<void>;
  now(): Promise<number>;
  uuid(): Promise<string>;
  /** No interrupt is delivered inside: for rollback. */
  shielded<T>(run: () => Promise<T>): Promise<T>;
  /** What `sunny status` shows of this run; replaced by the next call, not part of the replay. */
  publish(status: Json): void;
}

export interface InterruptReason {
  readonly kind: "abort" | "breach" | "hold";
  /** The person, or the rule. */
  readonly by: string;
  readonly detail: Json;
}

/** Thrown into the workflow at the operation that observed an interrupt; delivered once. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly reason: InterruptReason;
  constructor(reason: InterruptReason) {
    super(`interrupted: ${reason.kind} by ${reason.by}`);
    this.reason = reason;
  }
}

/** What a step may throw when it is known that nothing happened: the engine tries again within its retry policy. */
export class RetryableError extends Error {
  override readonly name = "RetryableError";
  /** Stable code, kept when the attempts are exhausted. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What a step throws when it failed, the failure is final, and the state of the target is known. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
  readonly code: string;
  readonly details: Json;
  constructor(code: string, message: string, details: Json = null, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** How workflow code sees a step that failed for good; survives the journal, so it is the same on replay. */
export class StepFailedError extends Error {
  override readonly name = "StepFailedError";
  readonly step: string;
  readonly code: string;
  readonly details: Json;
  constructor(step: string, code: string, message: string, details: Json = null) {
    super(message);
    this.step = step;
    this.code = code;
    this.details = details;
  }
}
