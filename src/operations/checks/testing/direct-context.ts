import {
  RetryableError,
  StepFailedError,
  TerminalError,
  type DurableContext,
  type Settled,
  type StepCall,
  type StepFn,
  type StepOptions,
  type StepScope,
} from "../../../engine/context.ts";
import type { Clock } from "../../../clock.ts";
import { messageOf } from "../../../errors.ts";
import type { Json } from "../../../json.ts";

/**
 * A durable context without durability, for tests of single operations: every step runs at once, its outcome is
 * remembered by name, and names are unique. What a step logs, and the steps themselves, can be read afterwards.
 */
export class DirectContext implements DurableContext {
  readonly runId = "run-1";
  readonly steps: string[] = [];
  readonly output: string[] = [];
  readonly #clock: Clock;
  readonly #token: number;

  constructor(clock: Clock, options: { readonly token?: number } = {}) {
    this.#clock = clock;
    this.#token = options.token ?? 1;
  }

  /** The scope that a step of this name gets. */
  scope(name: string, attempt = 1): StepScope {
    return {
      signal: new AbortController().signal,
      idempotencyKey: `${this.runId}/${name}`,
      fence: { token: this.#token, attempt },
      log: (text) => this.output.push(text),
    };
  }

  async step<T>(name: string, fn: StepFn<T>, options: StepOptions<T>): Promise<T> {
    if (this.steps.includes(name)) throw new Error(`the step name ${name} is used twice`);
    this.steps.push(name);
    const attempts = options.retry?.maxAttempts ?? 1;
    for (let attempt = 1; ; attempt++) {
      try {
        const value = await fn(this.scope(name, attempt));
        // As it comes out of a journal.
        return (value === undefined ? undefined : JSON.parse(JSON.stringify(value))) as T;
      } catch (error) {
        if (error instanceof RetryableError && attempt < attempts) continue;
        const code = error instanceof TerminalError || error instanceof RetryableError ? error.code : "STEP_FAILED";
        const details = error instanceof TerminalError ? error.details : null;
        throw new StepFailedError(name, code, messageOf(error), details);
      }
    }
  }

  async parallel<T>(steps: readonly StepCall<T>[]): Promise<Settled<T>[]> {
    return Promise.all(
      steps.map(async ({ name, fn, options }): Promise<Settled<T>> => {
        try {
          return { ok: true, value: await this.step(name, fn, options) };
        } catch (error) {
          if (error instanceof StepFailedError) return { ok: false, error };
          throw error;
        }
      }),
    );
  }

  children(): Promise<never> {
    return Promise.reject(new Error("no operation here starts child runs"));
  }

  async sleep(name: string, ms: number): Promise<void> {
    this.steps.push(name);
    await new Promise<void>((resolve) => void this.#clock.timer(ms, resolve));
  }

  waitFor(): Promise<never> {
    return Promise.reject(new Error("no operation here waits for a person"));
  }

  async occupy(): Promise<void> {}

  now(): Promise<number> {
    return Promise.resolve(this.#clock.now());
  }

  uuid(): Promise<string> {
    return Promise.resolve(`00000000-0000-4000-8000-${String(this.steps.length).padStart(12, "0")}`);
  }

  shielded<T>(run: () => Promise<T>): Promise<T> {
    return run();
  }

  publish(_status: Json): void {}
}
