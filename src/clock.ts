/** Milliseconds since the Unix epoch. */
export type Millis = number;

/**
 * The only source of time and timers. Code never calls `Date.now`, `setTimeout` or `performance.now` itself, so that
 * the same code runs in a simulated world.
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch; may jump. */
  now(): Millis;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Calls `fn` once after `ms`; returns a function that cancels it. The timer does not keep the process alive when `unref` is set. */
  timer(ms: number, fn: () => void, options?: { unref?: boolean }): () => void;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(ms, fn, options) {
    // setTimeout fires at once above 2^31 - 1 ms, so a longer wait is walked in laps.
    const lap = 2_147_483_647;
    let handle: NodeJS.Timeout;
    const arm = (left: number): void => {
      handle = setTimeout(() => (left > lap ? arm(left - lap) : fn()), Math.min(left, lap));
      if (options?.unref === true) handle.unref();
    };
    arm(Math.max(0, ms));
    return () => clearTimeout(handle);
  },
};

/** Resolves after `ms`, or rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.timer(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Runs `work` with a signal that aborts when `signal` does or when `ms` have passed; in the latter case the rejection
 * is whatever `late()` makes. Always awaits `work` before it settles, so nothing goes on behind the caller's back.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => Error,
): Promise<T> {
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal?.reason);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  let expired = false;
  const cancel = clock.timer(ms, () => {
    expired = true;
    own.abort(late());
  });
  try {
    return await work(own.signal);
  } catch (error) {
    throw expired ? own.signal.reason : error;
  } finally {
    cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

/** RFC 3339 in UTC with milliseconds, as used in every event, leaf and report. */
export function rfc3339(ms: Millis): string {
  return new Date(ms).toISOString();
}
