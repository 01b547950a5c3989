import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { SunnyError } from "../errors.ts";
import { thaw } from "../plan/digest.ts";
import type { Plan } from "../plan/model.ts";
import type { Sunny } from "../main.ts";
import type { CliContext } from "./context.ts";
import { findRun, planOf } from "./runs.ts";

/** Plans that were made are kept by digest, so that people can approve what they were shown. */
export function readPlanFile(context: CliContext, file: string): Plan {
  const full = path.resolve(context.cwd, file);
  if (!existsSync(full)) {
    throw new SunnyError("FILE_UNREADABLE", "Cannot read the plan: there is no such file", {
      place: { file },
      hint: "Make one with `sunny plan --out FILE`.",
    });
  }
  return thaw(readFileSync(full, "utf8"), file);
}

/**
 * The plan that a person means: a file, a deployment's id, the digest (or its beginning) of a plan that was made here, or,
 * with nothing given, that of the deployment that waits.
 * @throws PLAN_INVALID, RUN_UNKNOWN
 */
export function planOfReference(context: CliContext, sunny: Sunny, reference: string | undefined): Plan {
  if (reference === undefined) return planOf(findRun(sunny, undefined));
  if (existsSync(path.resolve(context.cwd, reference))) return readPlanFile(context, reference);
  const kept = sunny.plans.find(reference);
  return kept ?? planOf(findRun(sunny, reference));
}
