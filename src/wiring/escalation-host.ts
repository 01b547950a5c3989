import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { advance, nextDeadline, startEscalation } from "../notify/escalation.ts";
import type { EscalationPolicy, EscalationState, EscalationStep } from "../notify/escalation.ts";
import type { Notifier, Recipient } from "../notify/notice.ts";
import { escalationLevels } from "../notify/routing.ts";
import type { Plan } from "../plan/model.ts";
import type { EscalationStore } from "./escalation-store.ts";
import { noticeAbout } from "./notices.ts";

/** How many times the whole path is walked; after that only the wait's own end remains. */
const ROUNDS = 3;

/** Whoever takes a run up again may be about to answer: nobody else is asked before, milliseconds. */
const RESUMED_MS = 10_000;

/** What a run waits for a person with. */
export interface Waiting {
  /** Names the question within the run: the same when it is asked again after a resume. */
  readonly question: string;
  /** One sentence, with the command that answers. */
  readonly text: string;
  readonly severity: "warning" | "critical";
  /** The workflow has told people itself, so the first level knows. */
  readonly isTold: boolean;
}

/** The run that is looked after. */
export interface Escalated {
  readonly runId: string;
  readonly plan: Plan;
  /** What the run waits for now; null while it goes on by itself. */
  readonly waiting: () => Waiting | null;
  /** Calls back whenever that may have changed; gives back how to stop. */
  readonly onChange: (listener: () => void) => () => void;
}

export interface EscalationOptions {
  readonly clock: Clock;
  readonly notifier: Notifier;
  readonly store: EscalationStore;
  /** What went wrong here; a run never stops because of it. */
  readonly onNote: (text: string) => void;
}

interface Open {
  readonly waiting: Waiting;
  readonly policy: EscalationPolicy;
  state: EscalationState;
}

/**
 * Asks one level of the runbook's escalation path after the other while the run of this process waits for a person. It
 * stands outside of the workflow: nothing waits for it. An answer ends it.
 */
export class EscalationHost {
  readonly #options: EscalationOptions;
  readonly #sending = new Set<Promise<unknown>>();
  #run: Escalated | null = null;
  #open: Open | null = null;
  #off: () => void = () => {};
  #cancel: () => void = () => {};

  constructor(options: EscalationOptions) {
    this.#options = options;
  }

  begin(run: Escalated): void {
    this.#run = run;
    this.#off = run.onChange(() => this.#look());
  }

  /** Ends with the run; what is being sent is waited for, which the notifier bounds. */
  async end(): Promise<void> {
    this.#look();
    this.#off();
    this.#cancel();
    this.#run = null;
    this.#open = null;
    await Promise.all(this.#sending);
  }

  /** Compares what is asked with what the run waits for now. Called within commits, so nothing is thrown. */
  #look(): void {
    const run = this.#run;
    if (run === null) return;
    try {
      const waiting = run.waiting();
      if (this.#open !== null && this.#open.waiting.question !== waiting?.question) this.#drop();
      if (waiting !== null && this.#open === null) this.#ask(run, waiting);
    } catch (error) {
      this.#options.onNote(`the escalation cannot go on: ${messageOf(error)}`);
    }
  }

  #ask(run: Escalated, waiting: Waiting): void {
    const { clock, store } = this.#options;
    const { answerWithinMs } = run.plan.system.notify;
    const policy = { levels: escalationLevels(run.plan), answerWithinMs, rounds: ROUNDS };
    const known = store.load(run.runId, waiting.question);
    const first = known === null ? startEscalation(policy, clock.now()) : { state: known, ask: null };
    this.#open = { waiting, policy, state: first.state };
    const soonestMs = known === null ? 0 : RESUMED_MS;
    this.#take(run, this.#open, { ...first, ask: waiting.isTold ? null : first.ask }, soonestMs);
  }

  #take(run: Escalated, open: Open, { state, ask }: EscalationStep, soonestMs = 0): void {
    open.state = state;
    this.#options.store.save(run.runId, open.waiting.question, state);
    if (ask !== null) this.#send(run, open, ask);
    this.#arm(run, open, soonestMs);
  }

  #arm(run: Escalated, open: Open, soonestMs: number): void {
    const { clock } = this.#options;
    this.#cancel();
    const due = nextDeadline(open.policy, open.state);
    if (due === null) return;
    const tick = (): void => {
      if (this.#open !== open) return;
      try {
        this.#take(run, open, advance(open.policy, open.state, { kind: "tick", now: clock.now() }));
      } catch (error) {
        this.#options.onNote(`the escalation cannot go on: ${messageOf(error)}`);
      }
    };
    this.#cancel = clock.timer(Math.max(soonestMs, due - clock.now()), tick, { unref: true });
  }

  #send(run: Escalated, { waiting, state }: Open, ask: Recipient): void {
    const { clock, notifier } = this.#options;
    const turn = state.kind === "asking" ? `${state.round}-${state.level + 1}` : "last";
    const content = {
      key: `escalation/${waiting.question}/${turn}`,
      event: "deployment.escalated",
      severity: waiting.severity,
      title: `${ask.role}: ${run.runId} waits for a person, and nobody has answered yet`,
      text: waiting.text,
      to: [ask],
    };
    const sending = notifier.notify(noticeAbout(run, content, clock.now())).catch(() => {});
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  /**
   * It was answered, or the run stopped. Each question is asked once in a run: when the same one comes again, nobody has
   * answered it, and the escalation goes on where it was.
   */
  #drop(): void {
    this.#cancel();
    this.#open = null;
  }
}
