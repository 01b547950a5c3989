import type { Clock } from "../clock.ts";

interface Timer {
  readonly at: number;
  readonly sequence: number;
  readonly fn: () => void;
  cancelled: boolean;
}

/** When a simulated world begins, milliseconds since the epoch. */
export const STARTS_AT = Date.UTC(2026, 0, 7, 1, 30);

/** Thrown by `until` when the promise cannot settle any more, or too much happened: a defect of what was simulated. */
export class Stuck extends Error {
  override readonly name = "Stuck";
}

/**
 * A clock whose time passes only in `until` and `pass`: events run one by one, by time and then in the order in which they
 * were set, each followed by everything that it leads to. Wall time can jump; monotonic time never does.
 */
export class VirtualClock implements Clock {
  #offset: number;
  #elapsed = 0;
  #sequence = 0;
  #fired = 0;
  readonly #limit: number;
  readonly #heap: Timer[] = [];

  /** `limit`: so many events may happen in all; default 200,000. */
  constructor(start = STARTS_AT, limit = 200_000) {
    this.#offset = start;
    this.#limit = limit;
  }

  now(): number {
    return this.#offset + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  timer(ms: number, fn: () => void): () => void {
    this.#sequence += 1;
    const timer = { at: this.#elapsed + Math.max(0, ms), sequence: this.#sequence, fn, cancelled: false };
    this.#push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Sets wall time forward or back. */
  jump(ms: number): void {
    this.#offset += ms;
  }

  /** Lets time pass until `promise` settles. @throws Stuck */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    for (;;) {
      // What an event leads to without further time is done before the next one.
      await new Promise((resolve) => setImmediate(resolve));
      if (settled) return promise;
      if (!this.#fire()) throw new Stuck("nothing is left that could happen");
    }
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    await this.until(new Promise<void>((resolve) => this.timer(ms, resolve)));
  }

  #fire(): boolean {
    for (;;) {
      const next = this.#pop();
      if (next === undefined) return false;
      if (next.cancelled) continue;
      this.#fired += 1;
      if (this.#fired > this.#limit) throw new Stuck(`more than ${this.#limit} events happened`);
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.fn();
      return true;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(timer, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}
