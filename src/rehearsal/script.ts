import type { StepScope } from "../engine/context.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** On whose behalf something is changed; null for what a host does by itself. */
export interface Origin {
  readonly run: string;
  readonly key: string;
  readonly token: number;
  readonly attempt: number;
}

/** Who stands behind what a step does. */
export function originIn({ idempotencyKey: key, fence }: Pick<StepScope, "idempotencyKey" | "fence">): Origin {
  return { run: key.slice(0, key.indexOf("/")), key, token: fence.token, attempt: fence.attempt };
}

/**
 * What is carried out on a target, part by part: each `yield` gives the milliseconds until the next one, and between two
 * parts anything can happen. What it throws is its answer.
 */
export type Parts<T> = Generator<number, T, void>;

export interface ScriptSpec<T> {
  readonly origin: Origin | null;
  /** Asks for the target's lock: undefined when it has it, else milliseconds after which to ask again. Throws when refused. */
  readonly enter?: (script: Script<T>) => number | undefined;
  readonly parts: () => Parts<T>;
  /** Told after each part, with its number from 1. */
  readonly onPart?: (part: number) => void;
}

export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** A script under way on a target. It needs nobody who waits for it. */
export class Script<T> {
  readonly origin: Origin | null;
  readonly answer: Promise<Answer<T>>;
  readonly #clock: VirtualClock;
  readonly #spec: ScriptSpec<T>;
  #parts: Parts<T> | undefined;
  #count = 0;
  #isActing = false;
  #state: "waiting" | "running" | "done" | "ended" = "waiting";
  #settle: (answer: Answer<T>) => void = () => undefined;
  readonly #onEnd = new Set<() => void>();

  constructor(clock: VirtualClock, spec: ScriptSpec<T>) {
    this.#clock = clock;
    this.#spec = spec;
    this.origin = spec.origin;
    this.answer = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** True while it may still change something. */
  get active(): boolean {
    return this.#state === "waiting" || this.#state === "running";
  }

  onEnd(fn: () => void): void {
    this.#onEnd.add(fn);
  }

  start(): void {
    if (this.#state !== "waiting") return;
    try {
      const wait = this.#spec.enter?.(this);
      if (wait !== undefined) {
        this.#clock.timer(wait, () => this.start());
        return;
      }
    } catch (error) {
      this.#finish({ ok: false, error });
      return;
    }
    this.#state = "running";
    this.#parts = this.#spec.parts();
    this.#step();
  }

  /** Ends it where it is: the rest never happens. */
  end(why: string): void {
    if (!this.active) return;
    this.#state = "ended";
    this.#leave();
    this.#settle({ ok: false, error: new Error(why) });
    for (const fn of this.#onEnd) fn();
  }

  /** What it has started itself ends with it; of a part that is under way, once that is over. */
  #leave(): void {
    if (!this.#isActing) this.#parts?.return(undefined as never);
  }

  #step(): void {
    if (this.#state !== "running") return;
    let next: IteratorResult<number, T>;
    try {
      this.#isActing = true;
      next = this.#parts!.next();
      this.#isActing = false;
      if (!this.active) return this.#leave();
    } catch (error) {
      this.#isActing = false;
      this.#finish({ ok: false, error });
      return;
    }
    if (next.done === true) {
      this.#finish({ ok: true, value: next.value });
      return;
    }
    this.#count += 1;
    // Before anybody is told: being told may end it.
    this.#clock.timer(next.value, () => this.#step());
    this.#spec.onPart?.(this.#count);
  }

  #finish(answer: Answer<T>): void {
    this.#state = "done";
    this.#settle(answer);
    for (const fn of this.#onEnd) fn();
  }
}
