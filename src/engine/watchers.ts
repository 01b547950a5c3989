import type { Execution } from "./execution.ts";
import type { Question } from "./rows.ts";
import { nothing } from "./settling.ts";

interface Watcher {
  readonly question: Question | undefined;
  readonly until: number | null;
  wake(): void;
  cancel(): void;
}

export interface WatchOptions {
  /** Absolute end of the wait; default none. */
  readonly until?: number | null;
  /** What a person is asked meanwhile. */
  readonly question?: Question;
}

/** What a run waits for: how the engine knows that nothing goes on by itself any more. */
export class Watchers {
  readonly #execution: Execution;
  readonly #watchers = new Set<Watcher>();
  /** How many lines of work this run has at the moment: several in `parallel`, none of its own in `children`. */
  strands = 1;

  constructor(execution: Execution) {
    this.#execution = execution;
  }

  /** Resolves with what `check` finds, now or when it is woken, or with "time" at `until`. */
  watch<T>(options: WatchOptions, check: () => T | undefined): Promise<T | "time"> {
    const found = check();
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => {
      const { clock } = this.#execution;
      let cancel = nothing;
      const finish = (result: T | "time"): void => {
        cancel();
        this.#watchers.delete(watcher);
        resolve(result);
      };
      const watcher: Watcher = {
        question: options.question,
        until: options.until ?? null,
        wake: () => {
          const result = check();
          if (result !== undefined) finish(result);
        },
        cancel: () => cancel(),
      };
      this.#watchers.add(watcher);
      if (watcher.until !== null) cancel = clock.timer(watcher.until - clock.now(), () => finish("time"));
      this.#execution.reconsider();
    });
  }

  /** Listens to wakes without counting as waiting: for work that goes on. Returns how to stop. */
  listen(wake: () => void): () => void {
    this.#listeners.add(wake);
    return () => this.#listeners.delete(wake);
  }

  readonly #listeners = new Set<() => void>();

  wake(): void {
    for (const watcher of this.#watchers) watcher.wake();
    for (const listener of this.#listeners) listener();
  }

  isIdle(): boolean {
    return this.#watchers.size === this.strands;
  }

  isParkable(): boolean {
    for (const { question, until } of this.#watchers) {
      if (question === undefined || until !== null) return false;
    }
    return true;
  }

  questions(): Question[] {
    return [...this.#watchers].flatMap(({ question }) => question ?? []);
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.cancel();
  }
}
