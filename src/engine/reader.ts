import { sleep } from "../clock.ts";
import type { Clock } from "../clock.ts";
import type { Json } from "../json.ts";
import { unknownRun } from "./unknown-run.ts";
import type { Journal } from "./journal.ts";
import { isDead } from "./lease.ts";
import { liveness as systemLiveness } from "./process-identity.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import type { JournalRow } from "./rows.ts";
import type { OutputChunk, RunFrozen, RunProgress, RunRecord } from "./storage.ts";
import { stepsOf } from "./step-view.ts";
import type { StepView } from "./step-view.ts";

/** The process that has a run's lease. */
export interface ExecutorView {
  readonly pid: number;
  readonly since: number;
  readonly leaseExpiresAt: number;
  /** `dead` and `expired`: nobody carries the run on; it can be resumed. */
  readonly condition: "alive" | "dead" | "expired";
}

export interface RunSummary
  extends Omit<RunFrozen, "input" | "root" | "supersedes">, Omit<RunProgress, "lease" | "executions" | "observedSeq"> {
  readonly executor: ExecutorView | null;
  /** True when it has not ended, is not held or paused, and nobody executes it. */
  readonly isInterrupted: boolean;
}

export interface RunView extends RunSummary {
  readonly input: Json;
  /** What the workflow published last. */
  readonly status: { readonly at: number; readonly value: Json } | null;
  /** In the order in which they began; those of child runs are among them. */
  readonly steps: readonly StepView[];
}

export interface Reader {
  /** Root runs, newest first. Default: at most 100. */
  listRuns(limit?: number): RunSummary[];
  /** @throws SunnyError with code RUN_UNKNOWN. */
  readRun(id: string): RunView;
  /** Output of one step, or of all, after `afterSeq`. */
  readOutput(id: string, step?: string, afterSeq?: number): OutputChunk[];
  /** Who occupies an environment. */
  readOccupant(environment: string): { readonly run: string; readonly since: number } | null;
  /**
   * Rows after `sinceSeq` as they are committed, by this or any other process, in batches; an empty batch says that
   * something else changed (state, output, published status). Ends when `signal` aborts.
   */
  tail(sinceSeq: number, options?: TailOptions): AsyncGenerator<JournalRow[]>;
}

export interface TailOptions {
  readonly run?: string;
  readonly signal?: AbortSignal;
  /** How often other processes' commits are looked for; default 200 ms. */
  readonly pollMs?: number;
}

/** Reads the journal of runs that this or another process executes, or has executed. */
export function readerOn(
  journal: Journal,
  clock: Clock,
  liveness: (process: ProcessIdentity) => "alive" | "dead" | "unknown" = systemLiveness,
): Reader {
  const { read } = journal;
  const executorOf = ({ lease }: RunRecord): ExecutorView | null => {
    if (lease === null) return null;
    const dead = isDead(lease, liveness);
    const condition = dead ? "dead" : lease.expiresAt <= clock.now() ? "expired" : "alive";
    return { pid: lease.owner.pid, since: lease.acquiredAt, leaseExpiresAt: lease.expiresAt, condition };
  };
  const summarise = (run: RunRecord): RunSummary => {
    const { input: _input, root: _root, supersedes: _supersedes, lease: _lease, ...rest } = run;
    const { executions: _executions, observedSeq: _observedSeq, ...shown } = rest;
    const executor = executorOf(run);
    const open = run.state === "ready" || run.state === "running" || (run.state === "held" && executor !== null);
    return { ...shown, executor, isInterrupted: open && executor?.condition !== "alive" };
  };
  return {
    listRuns: (limit = 100) =>
      read
        .runs(limit * 10)
        .filter(({ id, root }) => id === root)
        .slice(0, limit)
        .map(summarise),
    readRun: (id) => {
      const run = read.run(id);
      if (run === undefined) throw unknownRun(id);
      const family = read.runs(10_000).filter((other) => other.id === id || (run.root === id && other.root === id));
      const steps = stepsOf(family.flatMap((member) => read.rowsAfter(0, member.id, Number.MAX_SAFE_INTEGER)));
      return { ...summarise(run), input: run.input, status: read.status(id) ?? null, steps };
    },
    readOutput: (id, step, afterSeq = 0) => read.output(id, step ?? null, afterSeq),
    readOccupant: (environment) => {
      const record = read.environment(environment);
      if (record === undefined || record.occupiedBy === null) return null;
      return { run: record.occupiedBy, since: record.occupiedSince ?? 0 };
    },
    tail: (sinceSeq, options = {}) => tail(journal, clock, sinceSeq, options),
  };
}

async function* tail(
  journal: Journal,
  clock: Clock,
  sinceSeq: number,
  { run, signal, pollMs = 200 }: TailOptions,
): AsyncGenerator<JournalRow[]> {
  let seq = sinceSeq;
  let counter = -1;
  let own = true;
  const stop = journal.onCommit(() => {
    own = true;
  });
  const isAborted = (): boolean => signal?.aborted === true;
  try {
    while (!isAborted()) {
      const now = journal.changeCounter();
      if (own || now !== counter) {
        own = false;
        counter = now;
        const rows = journal.read.rowsAfter(seq, run ?? null, 1_000);
        seq = rows.at(-1)?.seq ?? seq;
        if (rows.length === 1_000) own = true;
        yield rows;
        continue;
      }
      await sleep(clock, pollMs, signal).catch(() => undefined);
    }
  } finally {
    stop();
  }
}
