import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import type {
  DurableContext,
  Settled,
  StepCall,
  StepFn,
  StepOptions,
  WaitOptions,
  Waited,
  WorkflowDef,
} from "./context.ts";
import { Interrupted } from "./context.ts";
import { runChildren } from "./children.ts";
import type { Execution } from "./execution.ts";
import { deliveryOf, operationsOf, outcomeOf } from "./history.ts";
import type { OperationRecord } from "./history.ts";
import type { JournalTransaction } from "./journal.ts";
import { occupy } from "./occupancy.ts";
import type { StepOutput } from "./output.ts";
import { asKept } from "./payload.ts";
import { deliveryAt, settledOf, valueOf } from "./outcomes.ts";
import { isForWorkflow } from "./recorded-error.ts";
import { fits, mismatch, nameOf, pendingError } from "./replay-check.ts";
import type { Delivery, HistoryRow, OperationKind, Outcome, Question, RowDraft } from "./rows.ts";
import { RunControls } from "./run-controls.ts";
import { Halted, afterMicrotasks, never, nothing } from "./settling.ts";
import { StepRun, beginAll } from "./step-run.ts";
import type { StepEnd } from "./step-run.ts";
import type { RunRecord } from "./storage.ts";
import { waitAt } from "./wait.ts";
import { Watchers } from "./watchers.ts";

/** How many microtasks an outcome waits for the next operation, to be committed together with its intent. */
const TURNS = 48;

/** Where an operation stands in its run. */
export interface Place {
  readonly op: number;
  /** What the journal knows of it; undefined for a new one. */
  readonly record: OperationRecord | undefined;
}

/** The durable context of one run: replays what its journal holds, and goes on from there. */
export class RunContext implements DurableContext {
  readonly runId: string;
  readonly record: RunRecord;
  readonly execution: Execution;
  readonly controls = new RunControls();
  /** Control rows that were refused by an earlier executor. */
  readonly refusals = new Set<number>();
  readonly watchers: Watchers;
  readonly outputs = new Set<StepOutput>();
  readonly #parent: RunContext | undefined;
  readonly #history: OperationRecord[];
  readonly #names = new Set<string>();
  #next = 0;
  #pending: string | undefined;
  #shield = 0;
  #deferred: ((tx: JournalTransaction) => void)[] = [];
  #cancelFlush = nothing;
  #cancelDrain: (() => void) | undefined;

  constructor(execution: Execution, record: RunRecord, rows: readonly HistoryRow[], parent?: RunContext) {
    this.execution = execution;
    this.record = record;
    this.runId = record.id;
    this.#parent = parent;
    this.#history = operationsOf(rows);
    this.watchers = new Watchers(execution);
    for (const row of rows) {
      if (row.type === "refused") this.refusals.add((JSON.parse(row.data) as { control: number }).control);
    }
  }

  step<T>(name: string, fn: StepFn<T>, options: StepOptions<T>): Promise<T> {
    return this.#operate("step", [name], async (place) => {
      const entry = place.record?.entries[0];
      const known = entry === undefined ? undefined : outcomeOf(entry);
      const end: StepEnd =
        known === undefined
          ? await new StepRun(this, place.op, "step", { name, fn, options }).run(entry)
          : { outcome: known, recorded: true };
      this.#settle(place, "step", name, [end]);
      return valueOf<T>(name, end.outcome);
    });
  }

  parallel<T>(steps: readonly StepCall<T>[]): Promise<Settled<T>[]> {
    if (steps.length === 0) return Promise.resolve([]);
    const names = steps.map(({ name }) => name);
    return this.#operate("parallel", names, async (place) => {
      const runs = steps.map((call) => new StepRun(this, place.op, "parallel", call));
      if (place.record === undefined) beginAll(runs);
      this.watchers.strands = steps.length;
      const ends = await Promise.all(
        runs.map(async (run, i): Promise<StepEnd> => {
          const entry = place.record?.entries.find(({ name }) => name === names[i]);
          const known = entry === undefined ? undefined : outcomeOf(entry);
          const end = known === undefined ? await run.run(entry) : { outcome: known, recorded: true };
          if (!end.recorded)
            this.commit((tx) => tx.append(this.row("outcome", place.op, "parallel", names[i]!, end, end.attempt)));
          this.watchers.strands -= 1;
          this.execution.reconsider();
          return { ...end, recorded: true };
        }),
      );
      this.watchers.strands = 1;
      this.#settle(place, "parallel", names[0]!, ends);
      return ends.map((end, i) => settledOf<T>(names[i]!, end.outcome));
    });
  }

  children<I, O>(
    runs: readonly { readonly def: WorkflowDef<I, O>; readonly id: string; readonly input: I }[],
  ): Promise<Settled<O>[]> {
    if (runs.length === 0) return Promise.resolve([]);
    const ids = runs.map(({ id }) => id);
    return this.#operate("children", ids, async (place) => {
      const isReplayed = place.record?.entries.every(({ outcome }) => outcome !== undefined) ?? false;
      const outcomes = await runChildren(this, place, runs);
      const delivery = isReplayed ? undefined : this.pending();
      const ends = outcomes.map((outcome) => ({ outcome, recorded: true, ...(delivery && { delivery }) }));
      this.#settle(place, "children", ids[0]!, ends);
      return outcomes.map((outcome, i) => settledOf<O>(ids[i]!, outcome));
    });
  }

  sleep(name: string, ms: number): Promise<void> {
    return this.#operate("sleep", [name], async (place) => {
      const end = await waitAt(this, place, "sleep", name, { timeoutMs: ms }, () => undefined);
      this.#settle(place, "sleep", name, [end]);
    });
  }

  waitFor<T>(name: string, options: WaitOptions = {}): Promise<Waited<T>> {
    return this.#operate("wait", [name], async (place) => {
      const answer = (until: number | null): Outcome | undefined => {
        const signal = this.controls.signal(name);
        const isLate = signal !== undefined && until !== null && signal.row.at > until;
        return signal === undefined || isLate ? undefined : { result: "ok", value: signal.value };
      };
      const end = await waitAt(this, place, "wait", name, options, answer);
      this.#settle(place, "wait", name, [end]);
      if (end.outcome.result === "timed-out") return { ok: false, timedOut: true };
      return { ok: true, value: valueOf<T>(name, end.outcome) };
    });
  }

  occupy(environment: string): Promise<void> {
    return this.#operate("occupy", [environment], async (place) => {
      const entry = place.record?.entries[0];
      const outcome =
        (entry && outcomeOf(entry)) ??
        this.commit((tx) => {
          const { root, actor, liveness } = this.execution.options;
          const now = this.execution.clock.now();
          if (environment !== root.environment) {
            throw new SunnyError(
              "WORKFLOW_DEFECT",
              `Run ${root.id} belongs to ${root.environment}, not ${environment}`,
            );
          }
          const outcome = occupy(tx, root, { environment, actor, liveness, now });
          tx.append(this.row("outcome", place.op, "occupy", environment, { outcome }));
          return outcome;
        });
      this.#settle(place, "occupy", environment, [{ outcome, recorded: true }]);
      valueOf(environment, outcome);
    });
  }

  now(): Promise<number> {
    return this.#record("now", () => this.execution.clock.now());
  }

  uuid(): Promise<string> {
    return this.#record("uuid", () => this.execution.options.ids());
  }

  async shielded<T>(run: () => Promise<T>): Promise<T> {
    this.#shield += 1;
    try {
      return await run();
    } finally {
      this.#shield -= 1;
    }
  }

  publish(status: Json): void {
    if (this.execution.halted || this.#next < this.#history.length) return;
    const kept = asKept(status, this.execution.options.limits.payloadBytes, "a published status");
    this.defer((tx) => tx.putStatus(this.runId, kept, this.execution.clock.now()));
  }

  /** The context of a child run, under the same lease. */
  child(record: RunRecord): RunContext {
    return new RunContext(this.execution, record, this.execution.journal.read.history(record.id), this);
  }

  get isShielded(): boolean {
    return this.#shield > 0 || (this.#parent?.isShielded ?? false);
  }

  /** The interrupt that waits to be delivered here: none while shielded, else one's own or the parent's. */
  pending(delivered: (control: number) => boolean = () => false): Delivery | undefined {
    if (this.isShielded) return undefined;
    const isOld = (control: number): boolean => delivered(control) || this.controls.isDelivered(control);
    return this.controls.pending(isOld) ?? this.#parent?.pending(isOld);
  }

  row(
    type: RowDraft["type"],
    op: number,
    kind: OperationKind,
    name: string,
    end: { outcome: Outcome },
    attempt = 0,
  ): RowDraft {
    const { actor } = this.execution.options;
    return { run: this.runId, type, op, kind, name, attempt, actor, data: end.outcome as unknown as Json };
  }

  /** Writes now, with everything that was put off. @throws Halted */
  commit<T>(work: (tx: JournalTransaction) => T): T {
    return this.execution.commit((tx) => {
      this.drain(tx);
      return work(tx);
    });
  }

  /** Writes with the next commit, or as soon as the workflow turns out to do something else. */
  defer(work: (tx: JournalTransaction) => void): void {
    this.#deferred.push(work);
    if (this.#deferred.length > 1) return;
    this.#cancelFlush = afterMicrotasks(TURNS, () => this.flush());
  }

  flush(): void {
    if (!this.execution.halted) this.execution.tryCommit((tx) => this.drain(tx));
  }

  /** Puts everything that was put off, and new output, into a transaction that is about to be committed. */
  drain(tx: JournalTransaction): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    this.#cancelFlush();
    for (const work of deferred) work(tx);
    const now = this.execution.clock.now();
    for (const output of this.outputs) output.drain(tx, now);
  }

  /** New output is kept within a quarter of a second, also of a step that goes on for long. */
  outputCame(): void {
    this.#cancelDrain ??= this.execution.clock.timer(250, () => {
      this.#cancelDrain = undefined;
      this.flush();
    });
  }

  close(): void {
    this.watchers.close();
    this.#cancelFlush();
    this.#cancelDrain?.();
  }

  /** The workflow has returned. @throws SunnyError when journal and code do not fit. */
  assertFinished(): void {
    if (this.#pending !== undefined) throw pendingError(this.runId, this.#pending, "its end");
    const left = this.#history[this.#next];
    if (left !== undefined) throw mismatch(this.runId, this.#next, nameOf(left), "its end");
  }

  /** Frames every operation: one at a time, at its place in the journal, and silent once the execution halted. */
  async #operate<T>(kind: OperationKind, names: readonly string[], body: (place: Place) => Promise<T>): Promise<T> {
    const what = `${kind} "${names.join('", "')}"`;
    if (this.execution.halted) return never();
    if (this.#pending !== undefined) {
      this.execution.pauseOver(pendingError(this.runId, this.#pending, what), this.runId);
      return never();
    }
    this.#pending = what;
    try {
      const value = await body(await this.#place(kind, names, what));
      if (this.execution.halted) return await never();
      this.#pending = undefined;
      return value;
    } catch (error) {
      if (this.execution.halted || error instanceof Halted) return never();
      if (!isForWorkflow(error)) {
        this.execution.halt({ error });
        return never();
      }
      this.#pending = undefined;
      throw error;
    }
  }

  async #place(kind: OperationKind, names: readonly string[], what: string): Promise<Place> {
    const op = this.#next;
    const record = this.#history[op];
    if (record === undefined) {
      if (kind !== "now" && kind !== "uuid") await this.#boundary(op, kind, names[0]!);
    } else {
      if (!fits(record, kind, names)) this.#stop(mismatch(this.runId, op, nameOf(record), what));
    }
    this.#next += 1;
    if (record?.interrupted !== undefined && record.entries.length === 0) this.#throwAgain(record.interrupted);
    if (kind !== "now" && kind !== "uuid" && kind !== "occupy") {
      for (const name of names) {
        if (this.#names.has(name)) this.#stop(mismatch(this.runId, op, `"${name}"`, `a second ${what}`));
        this.#names.add(name);
      }
    }
    return { op, record };
  }

  /** Before a new operation: requests are seen, a pause takes effect, an interrupt is delivered. */
  async #boundary(op: number, kind: OperationKind, name: string): Promise<void> {
    await this.execution.refresh();
    if (this.execution.halted) throw new Halted();
    if (this.execution.pauseRequested) {
      const withdrawn = (): true | undefined => (this.execution.pauseRequested ? undefined : true);
      await this.watchers.watch({}, withdrawn);
    }
    const delivery = this.pending();
    if (delivery === undefined) return;
    this.#next += 1;
    this.#deliver(op, kind, name, delivery);
    throw new Interrupted(delivery.reason);
  }

  #stop(error: SunnyError): never {
    this.execution.pauseOver(error, this.runId);
    throw new Halted();
  }

  #deliver(op: number, kind: OperationKind, name: string, delivery: Delivery): void {
    this.controls.deliver(delivery);
    const { actor } = this.execution.options;
    const row = { run: this.runId, type: "interrupted", op, kind, name, attempt: 0, actor } as const;
    this.defer((tx) => tx.append({ ...row, data: delivery as unknown as Json }));
  }

  #throwAgain(row: HistoryRow): never {
    const delivery = deliveryOf(row);
    this.controls.deliver(delivery);
    throw new Interrupted(delivery.reason);
  }

  /** Journals what is not yet, and delivers the interrupt that this operation observed. */
  #settle(place: Place, kind: OperationKind, name: string, ends: readonly StepEnd[]): void {
    if (place.record?.interrupted !== undefined) this.#throwAgain(place.record.interrupted);
    for (const end of ends) {
      if (!end.recorded) this.defer((tx) => tx.append(this.row("outcome", place.op, kind, name, end, end.attempt)));
    }
    const delivery = ends.map(deliveryAt).find((found) => found !== undefined);
    if (delivery === undefined) return;
    this.#deliver(place.op, kind, name, delivery);
    throw new Interrupted(delivery.reason);
  }

  /** A value that is made once and remembered; its row goes with the next commit. */
  #record<T extends Json>(kind: "now" | "uuid", make: () => T): Promise<T> {
    return this.#operate(kind, [kind], async (place) => {
      const entry = place.record?.entries[0];
      const outcome = (entry && outcomeOf(entry)) ?? { result: "ok", value: make() };
      if (entry === undefined) this.defer((tx) => tx.append(this.row("outcome", place.op, kind, kind, { outcome })));
      return valueOf<T>(kind, outcome);
    });
  }

  /** Makes a question visible, on the run and on its root. */
  showHeld(tx: JournalTransaction, question: Question): void {
    for (const id of new Set([this.runId, this.record.root])) tx.updateRun(id, { state: "held", question });
  }

  /** The question is answered; the root may still have others. */
  showRunning(): void {
    this.defer((tx) => {
      tx.updateRun(this.runId, { state: "running", question: null });
      const [other] = this.execution.questions();
      tx.updateRun(this.record.root, other ? { state: "held", question: other } : { state: "running", question: null });
    });
  }
}
