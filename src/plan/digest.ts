import { SunnyError } from "../errors.ts";
import { digestOf } from "../json.ts";
import { PLAN_FORMAT, type Plan } from "./model.ts";

/** Gives a plan its digest: SHA-256 of the canonical JSON (RFC 8785) of everything else in it. */
export function freeze(plan: Omit<Plan, "digest">): Plan {
  return { ...plan, digest: digestOf(plan) };
}

/**
 * Reads a frozen plan from text and proves that it is whole.
 * @throws PLAN_INVALID when it is no plan, of another format, or its digest does not fit
 */
export function thaw(text: string, file: string): Plan {
  const hint = "Make a new plan with `sunny plan --out FILE`, and have it approved anew.";
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SunnyError("PLAN_INVALID", "The plan is not JSON: the file is cut off or is something else", {
      place: { file },
      hint,
      cause,
    });
  }
  if (typeof value !== "object" || value === null || !("format" in value) || !("digest" in value)) {
    throw new SunnyError("PLAN_INVALID", "The file holds no plan", { place: { file }, hint });
  }
  if (value.format !== PLAN_FORMAT) {
    const message = `The plan has format ${String(value.format)}, this version of Sunny reads format ${PLAN_FORMAT}`;
    throw new SunnyError("PLAN_INVALID", message, { place: { file }, hint });
  }
  const { digest, ...rest } = value as unknown as Plan;
  const actual = digestOf(rest);
  if (actual !== digest) {
    throw new SunnyError("PLAN_INVALID", `The plan was altered: it says ${digest}, its content gives ${actual}`, {
      place: { file },
      hint,
    });
  }
  return value as unknown as Plan;
}
