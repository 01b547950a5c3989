/** Thrown inside the engine when an execution has stopped; never reaches workflow code. */
export class Halted extends Error {
  override readonly name = "Halted";
}

/** Nothing to cancel. */
export function nothing(): void {}

/** What an operation of a stopped execution returns: it never settles. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/**
 * Calls `fn` after `turns` microtasks unless it was cancelled meanwhile. Long enough for workflow code to reach its
 * next operation, and without a timer, so that a virtual clock does not notice.
 */
export function afterMicrotasks(turns: number, fn: () => void): () => void {
  let cancelled = false;
  const turn = (left: number): void => {
    if (cancelled) return;
    if (left === 0) fn();
    else queueMicrotask(() => turn(left - 1));
  };
  turn(turns);
  return () => {
    cancelled = true;
  };
}
