import type { Json } from "../json.ts";
import { Interrupted } from "./context.ts";
import type { Probed, StepCall, StepScope } from "./context.ts";
import { attemptOnce } from "./attempt.ts";
import type { AttemptResult } from "./attempt.ts";
import type { Entry } from "./history.ts";
import type { JournalTransaction } from "./journal.ts";
import { recordError } from "./recorded-error.ts";
import type { AttemptEnd, Delivery, Outcome, Question, RecordedError, Resolution } from "./rows.ts";
import type { RunContext } from "./run-context.ts";
import type { ResolveRow } from "./run-controls.ts";
import { nothing } from "./settling.ts";
import { openStepScope } from "./step-scope.ts";

/** How a step ended, and the interrupt that it observed. */
export interface StepEnd {
  readonly outcome: Outcome;
  readonly delivery?: Delivery;
  readonly attempt?: number;
  /** Its outcome is in the journal already. */
  readonly recorded?: boolean;
}

/** What comes next: another attempt, or the end. */
type Next = "again" | StepEnd;
type Cause = AttemptEnd["cause"];

const PROBES = 3;
const CRASHED: RecordedError = {
  code: "STEP_FAILED",
  message: "the orchestrator ended while the step was under way",
  details: null,
};

/** Journals the first intents of several steps in one transaction. */
export function beginAll<T>(runs: readonly StepRun<T>[]): void {
  for (const run of runs) run.cover();
  runs[0]?.context.commit((tx) => {
    for (const run of runs) run.beginIn(tx);
  });
}

/** Carries one step to its end: attempts within its retry policy, and what is unknown through its disposition. */
export class StepRun<T> {
  readonly #context: RunContext;
  readonly #op: number;
  readonly #kind: "step" | "parallel";
  readonly #call: StepCall<T>;
  #attempt = 0;
  #failures = 0;
  #begun = false;
  /** The newest row about this step that is in the journal: a decision counts when it was made later. */
  #lastSeq = 0;

  constructor(context: RunContext, op: number, kind: "step" | "parallel", call: StepCall<T>) {
    this.#context = context;
    this.#op = op;
    this.#kind = kind;
    this.#call = call;
  }

  /** Journals the first intent; for a step that begins together with others. */
  beginIn(tx: JournalTransaction): void {
    this.#lastSeq = tx.append(this.#intent());
    this.#begun = true;
  }

  get context(): RunContext {
    return this.#context;
  }

  /** Runs the step, or goes on from where its journal stops. */
  async run(entry: Entry | undefined): Promise<StepEnd> {
    let next: Next = entry === undefined ? "again" : await this.#resume(entry);
    while (next === "again") {
      if (!this.#begun) this.#begin();
      this.#begun = false;
      next = await this.#act();
    }
    this.#context.execution.uncover(this.#key);
    return { ...next, attempt: this.#attempt };
  }

  get #key(): string {
    return `${this.#context.runId}/${this.#call.name}`;
  }

  get #limits() {
    return this.#context.execution.options.limits;
  }

  get #isReadOnly(): boolean {
    const { disposition } = this.#call.options;
    return disposition.kind === "idempotent" && disposition.readOnly === true;
  }

  /** For a target that checks no fence, the lease lasts as long as the effect may. */
  cover(): void {
    const { deadlineMs, target } = this.#call.options;
    if (target === "fenced" || this.#isReadOnly) return;
    this.#context.execution.cover(this.#key, deadlineMs + this.#limits.graceMs);
  }

  #row(type: "intent" | "attempt" | "held", data: Json) {
    const { actor } = this.#context.execution.options;
    const { runId: run } = this.#context;
    return { run, type, op: this.#op, kind: this.#kind, name: this.#call.name, attempt: this.#attempt, actor, data };
  }

  #intent() {
    this.#attempt += 1;
    return this.#row("intent", {
      deadlineMs: this.#call.options.deadlineMs,
      disposition: this.#call.options.disposition.kind,
    });
  }

  #begin(): void {
    this.cover();
    this.#context.commit((tx) => {
      this.#lastSeq = tx.append(this.#intent());
    });
  }

  /** Notes how an attempt ended; goes with whatever is written next. */
  #ended(result: AttemptEnd["result"], cause: Cause, error: RecordedError): void {
    const row = this.#row("attempt", { result, cause, error: { ...error } });
    this.#context.defer((tx) => {
      this.#lastSeq = tx.append(row);
    });
  }

  async #act(): Promise<Next> {
    const result = await this.#attemptUnder(this.#call.fn, this.#attempt, this.#call.options.deadlineMs, true);
    switch (result.type) {
      case "ok":
        return this.#end({ result: "ok", value: result.value });
      case "terminal":
        return this.#fail(this.#record(result.error));
      case "not-done":
        return this.#tryAgain("not-done", "error", this.#record(result.error), this.#maxAttempts);
      case "unknown":
        return this.#settle(result.cause, this.#record(result.error));
    }
  }

  #record(error: unknown): RecordedError {
    return recordError(error, this.#context.execution.options.scrub);
  }

  get #maxAttempts(): number {
    return Math.max(1, this.#call.options.retry?.maxAttempts ?? 1);
  }

  #end(outcome: Outcome): StepEnd {
    const delivery = this.#context.pending();
    return delivery === undefined ? { outcome } : { outcome, delivery };
  }

  #fail(error: RecordedError): StepEnd {
    return this.#end({ result: "failed", error });
  }

  #abandon(error: RecordedError, delivery: Delivery): StepEnd {
    return { outcome: { result: "abandoned", error, delivery } };
  }

  /** Waits and tries again, unless the attempts are used up or an interrupt came. */
  async #tryAgain(result: AttemptEnd["result"], cause: Cause, error: RecordedError, max: number): Promise<Next> {
    this.#failures += 1;
    if (this.#failures >= max || this.#context.pending() !== undefined) return this.#fail(error);
    this.#ended(result, cause, error);
    const { initialMs = 500, factor = 2, maxMs = 30_000 } = this.#call.options.retry ?? {};
    await this.#pauseFor(Math.min(maxMs, initialMs * factor ** (this.#failures - 1)));
    return this.#context.pending() === undefined ? "again" : this.#fail(error);
  }

  async #pauseFor(ms: number): Promise<void> {
    const until = this.#context.execution.clock.now() + ms;
    await this.#context.watchers.watch({ until }, () => this.#context.pending());
  }

  /** An earlier executor left this step open. */
  async #resume(entry: Entry): Promise<Next> {
    this.#attempt = entry.attempt;
    this.#failures = entry.failures;
    this.#lastSeq = entry.last.seq;
    if (entry.last.type === "attempt") {
      const end = JSON.parse(entry.last.data) as AttemptEnd;
      if (end.result === "unknown") return this.#settle("crash", end.error);
      const delivery = this.#context.pending();
      return delivery === undefined ? "again" : { outcome: { result: "failed", error: end.error }, delivery };
    }
    await this.#context.execution.refresh();
    const decided = entry.last.type === "held" ? this.#decision() : undefined;
    if (decided === undefined) return this.#settle("crash", CRASHED);
    const contact = await this.#contact();
    return (await this.#apply(decided, contact)) ?? this.#hold(CRASHED, contact);
  }

  /** Every unknown outcome comes here, whatever it came from. */
  async #settle(cause: Cause, error: RecordedError): Promise<Next> {
    const { disposition } = this.#call.options;
    switch (disposition.kind) {
      case "idempotent":
        return this.#settleIdempotent(cause, error);
      case "probe":
        return this.#settleByProbe(disposition.probe, cause, error);
      case "manual": {
        const contact = await this.#contact();
        const delivery = this.#context.pending();
        return delivery === undefined ? this.#hold(error, contact) : this.#abandon(error, delivery);
      }
    }
  }

  async #settleIdempotent(cause: Cause, error: RecordedError): Promise<Next> {
    const delivery = this.#context.pending();
    if (delivery === undefined) {
      if (cause === "crash") return "again";
      const max = this.#isReadOnly ? this.#maxAttempts : Math.max(2, this.#maxAttempts);
      return this.#tryAgain("unknown", cause, error, max);
    }
    if (this.#isReadOnly) return this.#abandon(error, delivery);
    // Its target must see the newer fence, or what is left of the earlier attempt could still act during a rollback.
    this.#ended("unknown", cause, error);
    this.#begin();
    const bound = Math.min(this.#call.options.deadlineMs, this.#limits.settleMs);
    const result = await this.#attemptUnder(this.#call.fn, this.#attempt, bound, false);
    if (result.type === "ok") return this.#end({ result: "ok", value: result.value });
    if (result.type === "unknown") return this.#abandon(this.#record(result.error), delivery);
    return this.#fail(this.#record(result.error));
  }

  async #settleByProbe(
    probe: (scope: StepScope) => Promise<Probed<T>>,
    cause: Cause,
    error: RecordedError,
  ): Promise<Next> {
    let known = "the world could not be asked";
    for (let i = 0; i < PROBES; i++) {
      if (i > 0) await this.#pauseFor(1_000 * i);
      const answer = await this.#attemptUnder(probe, this.#attempt + 1, this.#limits.settleMs, false);
      const probed = answer.type === "ok" ? (answer.value as unknown as Probed<Json>) : undefined;
      if (probed?.state === "done") return this.#end({ result: "ok", value: probed.value });
      if (probed?.state === "not-done") return this.#notDone(cause, error);
      known =
        answer.type === "ok"
          ? "the world does not tell"
          : `the world could not be asked: ${this.#record(answer.error).message}`;
      if (this.#context.pending() !== undefined) break;
    }
    const delivery = this.#context.pending();
    return delivery === undefined ? this.#hold(error, known) : this.#abandon(error, delivery);
  }

  #notDone(cause: Cause, error: RecordedError): Promise<Next> | Next {
    if (cause === "crash" && this.#context.pending() === undefined) return "again";
    return this.#tryAgain("not-done", cause, error, this.#maxAttempts);
  }

  /** Shows the target the newer fence before anything is decided; returns what came of it, for the person. */
  async #contact(): Promise<string | undefined> {
    const { disposition } = this.#call.options;
    const ask = disposition.kind === "manual" ? disposition.raiseFence?.bind(disposition) : undefined;
    if (ask === undefined) return undefined;
    const answer = await this.#attemptUnder(ask, this.#attempt + 1, this.#limits.settleMs, false);
    return answer.type === "ok" ? undefined : `its target could not be reached: ${this.#record(answer.error).message}`;
  }

  /** Asks a person, and waits. */
  async #hold(error: RecordedError, contact: string | undefined): Promise<Next> {
    const { disposition } = this.#call.options;
    const choices: Resolution[] = disposition.kind === "manual" ? ["done", "retry", "skip"] : ["done", "retry"];
    if (!this.#context.isShielded) choices.push("rollback");
    const question: Question = {
      ask: "resolve",
      step: this.#call.name,
      intended: disposition.kind === "manual" ? disposition.intended : this.#call.name,
      known: [error.message, contact].filter((part) => part !== undefined).join("; "),
      choices,
    };
    this.#context.execution.uncover(this.#key);
    this.#context.commit((tx) => {
      this.#lastSeq = tx.append(this.#row("held", question));
      this.#context.showHeld(tx, question);
    });
    for (;;) {
      const found = await this.#context.watchers.watch({ question }, () => this.#decision() ?? this.#context.pending());
      if (found === "time") continue;
      this.#context.showRunning();
      if ("reason" in found && "control" in found && typeof found.control === "number") {
        return this.#abandon(error, found as Delivery);
      }
      const row = found as ResolveRow;
      this.#lastSeq = row.seq;
      const next = await this.#apply(row, contact);
      if (next !== undefined) return next;
      return this.#hold(error, contact);
    }
  }

  #decision(): ResolveRow | undefined {
    return this.#context.controls.resolution(this.#call.name, this.#lastSeq);
  }

  /** Does what a person decided; undefined when that cannot be done. */
  async #apply(row: ResolveRow, contact: string | undefined): Promise<Next | undefined> {
    const { disposition } = this.#call.options;
    const { as, value } = row.control;
    this.#lastSeq = row.seq;
    switch (as) {
      case "retry":
        return "again";
      case "rollback": {
        if (this.#context.isShielded) return undefined;
        const detail = { step: this.#call.name, reason: row.reason };
        const delivery: Delivery = { control: row.seq, reason: { kind: "abort", by: row.by, detail } };
        return this.#abandon({ code: "STEP_FAILED", message: "given up by a person", details: null }, delivery);
      }
      case "done":
      case "skip": {
        // A target that never saw the newer fence could still be changed by the earlier attempt.
        if (as === "done" && contact !== undefined && (await this.#contact()) !== undefined) return undefined;
        const declared = disposition.kind === "manual" ? (disposition.whenDone as Json) : undefined;
        const result = value ?? declared;
        if (result === undefined) return undefined;
        return this.#end({ result: "resolved", as, value: result, control: row.seq, by: row.by });
      }
    }
  }

  /** Runs `fn` with a scope of the given attempt. Interrupts reach it only when it is `interruptible`. */
  async #attemptUnder<R>(
    fn: (scope: StepScope) => Promise<R>,
    attempt: number,
    deadlineMs: number,
    interruptible: boolean,
  ): Promise<AttemptResult> {
    const context = this.#context;
    const { execution } = context;
    const controller = new AbortController();
    const { name } = this.#call;
    const { scope, end } = openStepScope({ context, name, attempt, key: this.#key, signal: controller.signal });
    const onWake = (): void => {
      const delivery = context.pending();
      if (delivery !== undefined && !controller.signal.aborted) controller.abort(new Interrupted(delivery.reason));
    };
    const stop = interruptible ? context.watchers.listen(onWake) : nothing;
    if (interruptible) onWake();
    const bounds = {
      clock: execution.clock,
      deadlineMs,
      graceMs: this.#limits.graceMs,
      payloadBytes: this.#limits.payloadBytes,
    };
    const result = await execution.track(controller, attemptOnce(name, fn, scope, controller, bounds));
    stop();
    end();
    return result;
  }
}
