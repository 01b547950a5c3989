import type { Clock } from "../../clock.ts";

interface Timer {
  readonly at: number;
  readonly sequence: number;
  readonly fn: () => void;
}

/** A clock whose time passes only while somebody waits in `until`; events run one by one, by time and then by sequence. */
export class VirtualClock implements Clock {
  /** Added to wall time by a jump; monotonic time never jumps. */
  #offset: number;
  #elapsed = 0;
  #sequence = 0;
  #timers: Timer[] = [];
  /** Resolves when all has happened that needs no time; a world with real sockets waits for these as well. */
  settled: () => Promise<void> = () => new Promise((resolve) => setImmediate(resolve));

  constructor(start = Date.UTC(2026, 0, 5, 20)) {
    this.#offset = start;
  }

  now(): number {
    return this.#offset + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  timer(ms: number, fn: () => void): () => void {
    this.#sequence += 1;
    const timer = { at: this.#elapsed + Math.max(0, ms), sequence: this.#sequence, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  jump(ms: number): void {
    this.#offset += ms;
  }

  /** Lets time pass until `promise` settles. Rejects when nothing is left that could settle it. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    for (;;) {
      await this.settled();
      if (settled) return promise;
      if (!this.#fire()) throw new Error("nothing is left that could happen");
    }
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    await this.until(new Promise<void>((resolve) => this.timer(ms, resolve)));
  }

  #fire(): boolean {
    const next = this.#timers.toSorted((a, b) => a.at - b.at || a.sequence - b.sequence)[0];
    if (next === undefined) return false;
    this.#timers = this.#timers.filter((timer) => timer !== next);
    this.#elapsed = next.at;
    next.fn();
    return true;
  }
}
