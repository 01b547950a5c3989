import type { Origin } from "./script.ts";

/** What a target that checks fences remembers: the highest token, and the attempts at steps under it. */
export class FencedTarget {
  #token = 0;
  readonly #attempts = new Map<string, number>();

  get token(): number {
    return this.#token;
  }

  /** Why this origin is refused, or undefined. */
  refusal({ token, key, attempt }: Origin): string | undefined {
    if (token < this.#token) return `it has seen token ${this.#token}, this one is ${token}`;
    const seen = token === this.#token ? (this.#attempts.get(key) ?? 0) : 0;
    return attempt < seen ? `it has seen attempt ${seen} of this step, this one is ${attempt}` : undefined;
  }

  /** From now on everything older is refused. */
  admit({ token, key, attempt }: Origin): void {
    if (token > this.#token) {
      this.#token = token;
      this.#attempts.clear();
    }
    if (token === this.#token) this.#attempts.set(key, Math.max(attempt, this.#attempts.get(key) ?? 0));
  }

  /** Whether a newcomer ends work that is under way: it has a newer token, or a later attempt at the same step. */
  static outranks(newcomer: Origin, worker: Origin): boolean {
    if (worker.token !== newcomer.token) return worker.token < newcomer.token;
    return worker.key === newcomer.key && worker.attempt < newcomer.attempt;
  }
}
