import { randomUUID } from "node:crypto";

import type { Clock } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { InterruptReason, WorkflowDef } from "./context.ts";
import { executeRun } from "./execute.ts";
import type { Journal } from "./journal.ts";
import { DEFAULT_LIMITS, type EngineLimits } from "./limits.ts";
import { liveness, ownIdentity } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import { createRequests } from "./requests.ts";
import type { Control, ControlRow, Question, RecordedError } from "./rows.ts";
import type { RunRecord, Within } from "./storage.ts";

/** Everything the engine needs from outside. */
export interface EngineOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** This process; default `ownIdentity()`. */
  readonly owner?: ProcessIdentity;
  /** Whether the holder of a lease runs; default asks the operating system. */
  readonly liveness?: (process: ProcessIdentity) => "alive" | "dead" | "unknown";
  /** New unique ids; default random UUIDs. */
  readonly ids?: () => string;
  /** Removes secrets from the output of steps; default leaves it as it is. */
  readonly scrub?: (text: string) => string;
  /** Refuses a control row by throwing; called before it takes effect. Default accepts. */
  readonly verify?: (control: ControlRow, run: RunRecord) => Promise<void> | void;
  readonly limits?: Partial<EngineLimits>;
}

export interface StartOptions<I> {
  readonly id: string;
  readonly input: I;
  readonly actor: string;
  readonly environment: string;
  readonly meta?: Json;
  /** Takes over the environment of this run at the first `occupy`, and ends that run. */
  readonly supersedes?: string;
  /** The token that a step handed to the program that starts this run: it acts as part of that step, and ends with it. */
  readonly within?: string;
}

/** How an execution ended; the run itself has ended only with `done` and `failed`. */
export type RunResult =
  | { readonly state: "done"; readonly output: Json }
  /** The workflow threw; everything it did is settled. */
  | { readonly state: "failed"; readonly error: RecordedError }
  /** A person must answer; signal or resolve, then execute again. */
  | { readonly state: "held"; readonly question: Question }
  /** Somebody asked for it, or this code cannot go on with the run (reason.code says which). */
  | { readonly state: "paused"; readonly reason: RecordedError }
  /** Another process took over; nothing more was done here. */
  | { readonly state: "superseded" };

/** A request to a run, with who asks for it and why. */
export interface Request {
  readonly by: string;
  readonly reason?: string;
  readonly signature?: string;
}

/** What became of a request. */
export type Observed = "observed" | "refused" | "ended" | "nobody-runs" | "timed-out";

export interface Engine {
  /**
   * Registers a run and freezes its input. Idempotent for the same id, workflow and input.
   *
   * @throws SunnyError with code RUN_EXISTS, SCOPE_ENDED, PAYLOAD_TOO_LARGE, or those of the journal.
   */
  start<I>(def: Pick<WorkflowDef<I, unknown>, "name" | "version">, options: StartOptions<I>): RunRecord;
  /**
   * Takes the lease of a run and carries it on until it ends, holds, pauses or is taken over. `actor` is who resumed it;
   * default who started it. Of a run that has ended it returns the result. `seen` is the run as whoever decided to take it
   * up had read it: when another process has carried it on since, that decision is void.
   *
   * @throws SunnyError with code RUN_UNKNOWN, RUN_BUSY, SCOPE_ENDED, or those of the journal; the run can be resumed then.
   */
  execute(
    runId: string,
    defs: readonly WorkflowDef<never, unknown>[],
    options?: { readonly actor?: string; readonly seen?: Pick<RunRecord, "executions"> },
  ): Promise<RunResult>;
  /**
   * Writes a request for a run, from any process; returns its `seq`.
   *
   * @throws SunnyError with code RUN_UNKNOWN, RUN_ENDED, NOT_HELD or RESOLUTION_INVALID.
   */
  request(runId: string, control: Control, request: Request): number;
  /** The step that a token was handed out by, and the outermost run that it is part of. @throws SCOPE_ENDED */
  scopeOf(token: string): { readonly within: Within; readonly run: RunRecord; readonly host: RunRecord };
  /** Raises a durable interrupt: `abort` of a person, `breach` of a rule, `hold`. */
  interrupt(runId: string, reason: InterruptReason): number;
  /** Waits until the executor has seen the request. Default: at most 10 s. */
  awaitObserved(runId: string, seq: number, options?: { readonly timeoutMs?: number }): Promise<Observed>;
}

/** What people ask of runs, from any process; nothing is carried out by it. */
export type Requests = Omit<Engine, "execute">;

/** Makes the embedded engine. */
export function createEngine(options: EngineOptions): Engine {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const owner = options.owner ?? ownIdentity();
  const isLive = options.liveness ?? liveness;
  const executing = new Set<string>();
  return {
    ...createRequests(options),
    execute: async (runId, defs, { actor, seen } = {}) => {
      if (executing.has(runId)) {
        throw new SunnyError("RUN_BUSY", `Cannot execute run ${runId}: this process does so already`, {
          place: { deployment: runId },
        });
      }
      executing.add(runId);
      try {
        return await executeRun({
          journal: options.journal,
          clock: options.clock,
          limits,
          owner,
          liveness: isLive,
          ids: options.ids ?? randomUUID,
          scrub: options.scrub ?? ((text) => text),
          verify: options.verify,
          runId,
          defs,
          actor,
          seen,
        });
      } finally {
        executing.delete(runId);
      }
    },
  };
}
