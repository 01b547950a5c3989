import { RetryableError, StepFailedError, TerminalError } from "./context.ts";
import type { StepFn, StepScope } from "./context.ts";
import { SunnyError } from "../errors.ts";
import type { Clock } from "../clock.ts";
import type { Json } from "../json.ts";
import { asKept } from "./payload.ts";
import { nothing } from "./settling.ts";

/** How an attempt ended: `terminal` and `not-done` are known, `unknown` is not. */
export type AttemptResult =
  | { readonly type: "ok"; readonly value: Json }
  | { readonly type: "terminal"; readonly error: unknown }
  | { readonly type: "not-done"; readonly error: unknown }
  | { readonly type: "unknown"; readonly error: unknown; readonly cause: "error" | "deadline" | "interrupt" };

/** Limits of one attempt at a step; what is aborted has `graceMs` to settle. */
export interface AttemptBounds {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly graceMs: number;
  readonly payloadBytes: number;
}

/**
 * Runs a step's function once. At the deadline, or when `controller` aborts, it is given `graceMs` to end; after that
 * its outcome is unknown, whether it ever returns or not.
 */
export async function attemptOnce<T>(
  step: string,
  fn: StepFn<T>,
  scope: StepScope,
  controller: AbortController,
  bounds: AttemptBounds,
): Promise<AttemptResult> {
  let late = false;
  const cancelDeadline = bounds.clock.timer(bounds.deadlineMs, () => {
    late = true;
    controller.abort(deadlineError(step, bounds.deadlineMs));
  });
  let cancelGrace = nothing;
  const stuck = new Promise<AttemptResult>((resolve) => {
    const onAbort = (): void => {
      const cause = late ? "deadline" : "interrupt";
      cancelGrace = bounds.clock.timer(bounds.graceMs, () =>
        resolve({ type: "unknown", error: controller.signal.reason, cause }),
      );
    };
    if (controller.signal.aborted) onAbort();
    else controller.signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([stuck, run(step, fn, scope, bounds.payloadBytes, () => late)]);
  } finally {
    cancelDeadline();
    cancelGrace();
  }
}

async function run<T>(
  step: string,
  fn: StepFn<T>,
  scope: StepScope,
  payloadBytes: number,
  late: () => boolean,
): Promise<AttemptResult> {
  let value: T;
  try {
    value = await fn(scope);
  } catch (error) {
    if (error instanceof RetryableError) return { type: "not-done", error };
    if (error instanceof TerminalError || error instanceof StepFailedError) return { type: "terminal", error };
    if (late()) return { type: "unknown", error: scope.signal.reason, cause: "deadline" };
    return { type: "unknown", error, cause: scope.signal.aborted ? "interrupt" : "error" };
  }
  try {
    return { type: "ok", value: asKept(value, payloadBytes, `the value of step "${step}"`) };
  } catch (error) {
    return { type: "terminal", error };
  }
}

function deadlineError(step: string, deadlineMs: number): SunnyError {
  return new SunnyError(
    "STEP_DEADLINE",
    `Step "${step}" did not end within ${deadlineMs} ms; whether it took effect is unknown`,
    {
      place: { step },
    },
  );
}
