import type { Clock } from "../clock.ts";
import { SunnyError, messageOf } from "../errors.ts";
import type { EngineOptions, RunResult } from "./engine.ts";
import type { Journal, JournalTransaction } from "./journal.ts";
import { renewed } from "./lease.ts";
import type { Claim } from "./lease.ts";
import type { EngineLimits } from "./limits.ts";
import { recordError } from "./recorded-error.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import type { ControlRow, Question, RecordedError } from "./rows.ts";
import type { RunContext } from "./run-context.ts";
import { toControlRow } from "./run-controls.ts";
import { Halted, nothing } from "./settling.ts";
import type { Lease, RunRecord } from "./storage.ts";

export interface ExecutionOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly ids: () => string;
  readonly scrub: (text: string) => string;
  readonly verify: EngineOptions["verify"];
  readonly liveness: Claim["liveness"];
  /** The root run, and the lease that was just taken for it. */
  readonly root: RunRecord;
  readonly lease: Lease;
  /** On whose behalf rows are written. */
  readonly actor: string;
  /** The newest row when the lease was taken: an older request to pause no longer counts. */
  readonly since: number;
}

class TakenOver extends Error {
  override readonly name = "TakenOver";
}

/**
 * One process's turn at a run and its children: holds the lease, writes every row under its token, watches for requests
 * and decides when nothing can go on. Once it halted, no row is written and no operation settles.
 */
export class Execution {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly options: ExecutionOptions;
  readonly contexts = new Set<RunContext>();
  pauseRequested = false;
  #lease: Lease;
  #halted = false;
  #finish: (end: { result: RunResult } | { error: unknown }) => void = () => undefined;
  readonly ended: Promise<{ result: RunResult } | { error: unknown }>;
  readonly #aborts = new Set<AbortController>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #processes = new Set<ProcessIdentity>();
  readonly #covers = new Map<string, number>();
  readonly #stopping: (() => void)[] = [];
  #pulling: Promise<void> = Promise.resolve();
  #committing = false;
  #dirty = true;
  #counter = -1;

  constructor(options: ExecutionOptions) {
    this.options = options;
    this.journal = options.journal;
    this.clock = options.clock;
    this.#lease = options.lease;
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get token(): number {
    return this.#lease.token;
  }

  get halted(): boolean {
    return this.#halted;
  }

  /** Begins heartbeat and watch for requests. */
  open(): void {
    const { leaseMs, pollMs } = this.options.limits;
    this.#every(Math.max(1, Math.floor(leaseMs / 3)), () => this.tryCommit(() => undefined, true));
    this.#every(pollMs, () => {
      if (this.#isStale()) void this.pull();
    });
    const stopListening = this.journal.onCommit(() => {
      if (this.#committing) return;
      this.#dirty = true;
      queueMicrotask(() => void this.pull());
    });
    this.#stopping.push(stopListening);
  }

  #every(ms: number, tick: () => void): void {
    let cancel = nothing;
    const arm = (): void => {
      cancel = this.clock.timer(ms, () => {
        if (this.#halted) return;
        try {
          tick();
        } catch (error) {
          this.halt({ error });
        }
        if (!this.#halted) arm();
      });
    };
    arm();
    this.#stopping.push(() => cancel());
  }

  /** Halts if the journal says that somebody else has taken over, or the run has ended. @throws Halted */
  requireLease(): void {
    const held = this.journal.read.progress(this.options.root.id)?.lease?.token === this.#lease.token;
    if (!held) this.halt({ result: { state: "superseded" } });
    if (this.#halted) throw new Halted();
  }

  /** Writes under the lease's token, or halts. @throws Halted */
  commit<T>(work: (tx: JournalTransaction) => T, renew = false): T {
    if (this.#halted) throw new Halted();
    const { root } = this.options;
    let lease = this.#lease;
    this.#committing = true;
    try {
      const result = this.journal.transaction((tx) => {
        const progress = tx.progress(root.id);
        if (progress?.lease?.token !== lease.token) throw new TakenOver();
        const done = work(tx);
        // The work may have ended the run, or drawn a new token.
        const after = tx.progress(root.id)?.lease ?? null;
        if (after !== null) {
          const until = renewed(after, this.clock.now(), this.options.limits.leaseMs, this.#covers.values());
          lease = { ...until, processes: [...this.#processes] };
          const uncovered = Math.max(0, ...this.#covers.values()) > after.expiresAt;
          // Later, or much sooner: nobody waits for a lease whose long effect is over.
          const due = Math.abs(lease.expiresAt - after.expiresAt) > this.options.limits.leaseMs / 2;
          if (renew || uncovered || due) tx.updateRun(root.id, { lease });
          else lease = after;
        }
        return done;
      });
      this.#lease = lease;
      return result;
    } catch (error) {
      if (error instanceof TakenOver) this.halt({ result: { state: "superseded" } });
      else this.halt({ error });
      throw new Halted();
    } finally {
      this.#committing = false;
    }
  }

  /** As `commit`, for callers without anybody to tell. */
  tryCommit(work: (tx: JournalTransaction) => void, renew = false): void {
    try {
      this.commit(work, renew);
    } catch (error) {
      if (!(error instanceof Halted)) throw error;
    }
  }

  /** The lease covers an effect on a target that checks no fence until `uncover`. */
  cover(key: string, ms: number): void {
    this.#covers.set(key, this.clock.now() + ms);
  }

  uncover(key: string): void {
    this.#covers.delete(key);
  }

  /** Keeps a process of a step with the lease, for whoever finds this one dead. */
  registerProcess(process: ProcessIdentity): void {
    this.#processes.add(process);
    this.tryCommit(() => undefined, true);
  }

  /** Goes with the next renewal: until then a process that is dead is named, which does no harm. */
  forgetProcess(process: ProcessIdentity): void {
    this.#processes.delete(process);
  }

  /** Stops for good: aborts what runs; nothing that waits is ever told. */
  halt(end: { result: RunResult } | { error: unknown }): void {
    if (this.#halted) return;
    this.#halted = true;
    for (const stop of this.#stopping) stop();
    for (const context of this.contexts) context.close();
    const reason = new SunnyError("INTERRUPTED", "The execution of this run stopped; another may take it up");
    for (const controller of this.#aborts) controller.abort(reason);
    this.#finish(end);
  }

  /** Ends the turn with the run paused, because its code and its journal do not fit or somebody asked. */
  pause(reason: RecordedError, run = this.options.root.id): void {
    const { root, actor } = this.options;
    this.tryCommit((tx) => {
      for (const context of this.contexts) context.drain(tx);
      tx.append({ run, type: "paused", op: null, kind: null, name: null, attempt: 0, actor, data: { ...reason } });
      tx.updateRun(root.id, { state: "paused", reason, question: null, lease: null });
    });
    this.halt({ result: { state: "paused", reason } });
  }

  /** Pauses because of a defect in workflow code. */
  pauseOver(error: unknown, run: string): void {
    const { message, details } = recordError(error, this.options.scrub);
    const code = error instanceof SunnyError ? error.code : "WORKFLOW_DEFECT";
    const stack = error instanceof Error ? (error.stack ?? "").split("\n").slice(1, 6).join("\n") : "";
    this.pause({ code, message, details: error instanceof SunnyError ? details : { stack } }, run);
  }

  /** Registers work whose signal aborts when this halts, and which is awaited then. */
  async track<T>(controller: AbortController, work: Promise<T>): Promise<T> {
    this.#aborts.add(controller);
    this.#running.add(work);
    try {
      return await work;
    } finally {
      this.#aborts.delete(controller);
      this.#running.delete(work);
    }
  }

  /** Settles when nothing that was tracked runs any more. */
  async quiet(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  #isStale(): boolean {
    return this.#dirty || this.journal.changeCounter() !== this.#counter;
  }

  /** Takes in requests that were written since the last time. */
  async pull(): Promise<void> {
    if (this.#halted) return;
    this.#pulling = this.#pulling.then(() => this.#pullNow()).catch((error: unknown) => this.halt({ error }));
    await this.#pulling;
  }

  /** A run has joined, whose requests were not looked at yet. */
  touch(): void {
    this.#dirty = true;
  }

  /** Takes in requests if there may be any; free of cost otherwise. */
  async refresh(): Promise<void> {
    await this.#pulling;
    if (!this.#halted && this.#isStale()) await this.pull();
  }

  async #pullNow(): Promise<void> {
    if (this.#halted) return;
    this.#dirty = false;
    this.#counter = this.journal.changeCounter();
    let changed = false;
    for (const context of this.contexts) {
      const rows = this.journal.read.controlsAfter(context.controls.seen, context.runId).map(toControlRow);
      for (const row of rows) {
        if (this.#halted) return;
        if (await this.#accepts(row, context)) this.#apply(row, context);
        context.controls.seen = row.seq;
        changed = true;
      }
      const last = rows.at(-1);
      if (last !== undefined && last.seq > context.record.observedSeq) {
        this.tryCommit((tx) => tx.updateRun(context.runId, { observedSeq: last.seq }));
      }
    }
    if (!changed || this.#halted) return;
    for (const context of this.contexts) context.watchers.wake();
    this.reconsider();
  }

  async #accepts(row: ControlRow, context: RunContext): Promise<boolean> {
    if (context.refusals.has(row.seq)) return false;
    try {
      await this.options.verify?.(row, context.record);
      return true;
    } catch (error) {
      const refusal = { control: row.seq, by: row.by, message: messageOf(error) };
      this.tryCommit((tx) => {
        const run = context.runId;
        const row = { run, type: "refused", op: null, kind: null, name: null, attempt: 0 } as const;
        tx.append({ ...row, actor: this.options.actor, data: refusal });
      });
      return false;
    }
  }

  #apply(row: ControlRow, context: RunContext): void {
    context.controls.add(row);
    if (row.seq <= this.options.since) return;
    if (row.control.kind === "pause") this.pauseRequested = true;
    if (row.control.kind === "resume") this.pauseRequested = false;
  }

  /** The questions that people are asked at the moment. */
  questions(): Question[] {
    return [...this.contexts].flatMap((context) => context.watchers.questions());
  }

  /** Parks or pauses when nothing is left that could go on by itself. */
  reconsider(): void {
    if (this.#halted || this.contexts.size === 0) return;
    const contexts = [...this.contexts];
    if (!contexts.every((context) => context.watchers.isIdle())) return;
    if (this.pauseRequested) {
      this.pause({ code: "PAUSED", message: "paused on request", details: null });
      return;
    }
    const [question] = this.questions();
    if (question === undefined || !contexts.every((context) => context.watchers.isParkable())) return;
    let unseen = false;
    this.tryCommit((tx) => {
      unseen = contexts.some((context) => tx.controlsAfter(context.controls.seen, context.runId).length > 0);
      if (unseen) return;
      for (const context of contexts) context.drain(tx);
      tx.updateRun(this.options.root.id, { state: "held", question, lease: null });
    });
    if (unseen) void this.pull();
    else this.halt({ result: { state: "held", question } });
  }
}
