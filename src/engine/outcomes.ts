import type { Settled } from "./context.ts";
import { stepFailed } from "./recorded-error.ts";
import type { Delivery, Outcome } from "./rows.ts";
import type { StepEnd } from "./step-run.ts";

/** What an operation returns. @throws StepFailedError */
export function valueOf<T>(name: string, outcome: Outcome): T {
  const settled = settledOf<T>(name, outcome);
  if (!settled.ok) throw settled.error;
  return settled.value;
}

/** The same as a value, for operations that report several. */
export function settledOf<T>(name: string, outcome: Outcome): Settled<T> {
  switch (outcome.result) {
    case "ok":
    case "resolved":
      return { ok: true, value: outcome.value as T };
    case "failed":
    case "abandoned":
      return { ok: false, error: stepFailed(name, outcome.error) };
    case "timed-out":
      return { ok: false, error: stepFailed(name, { code: "STEP_DEADLINE", message: "timed out", details: null }) };
  }
}

/** The interrupt that an operation observed; an abandoned one carries its own. */
export function deliveryAt(end: StepEnd): Delivery | undefined {
  return end.outcome.result === "abandoned" ? end.outcome.delivery : end.delivery;
}
