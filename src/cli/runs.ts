import type { DeploymentOutput } from "../deployment/ports.ts";
import type { DeploymentInput } from "../deployment/input.ts";
import type { RunRecord } from "../engine/storage.ts";
import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import type { Plan } from "../plan/model.ts";
import { closest } from "../system/closest.ts";

/** Runs that are looked through for a name or the last deployment. */
const RUNS = 500;

/** The plan that a run carries out. */
export function planOf(run: RunRecord): Plan {
  return (run.input as unknown as DeploymentInput).plan;
}

/** How a run ended; null while it has not. */
export function outputOf(run: RunRecord): DeploymentOutput | null {
  return run.state === "done" ? (run.output as unknown as DeploymentOutput) : null;
}

/** The plan of the last deployment that succeeded in this environment; null before the first. */
export function lastDeployment(sunny: Sunny): Plan | null {
  const run = sunny.journal.read
    .runs(RUNS)
    .find((one) => planOf(one).kind === "deploy" && outputOf(one)?.outcome === "succeeded");
  return run === undefined ? null : planOf(run);
}

/** As above, of a deployment that changed the release: deploying the active one again leaves the way back as it was. */
export function lastChange(sunny: Sunny): Plan | null {
  const run = sunny.journal.read.runs(RUNS).find((one) => {
    const plan = planOf(one);
    return plan.kind === "deploy" && outputOf(one)?.outcome === "succeeded" && plan.previous?.id !== plan.release?.id;
  });
  return run === undefined ? null : planOf(run);
}

/**
 * As `findRun`, but without an id the newest, whether it has ended or not: for looking back, when one that was left
 * paused long ago is not what is meant.
 * @throws RUN_UNKNOWN
 */
export function findNewest(sunny: Sunny, id: string | undefined): RunRecord {
  return findRun(sunny, id ?? sunny.journal.read.runs(RUNS).find((one) => one.within === null)?.id);
}

/**
 * The run of this id or of an unambiguous beginning of it; without one, the newest that has not ended, else the
 * newest, of those that are not part of another.
 * @throws RUN_UNKNOWN
 */
export function findRun(sunny: Sunny, id: string | undefined): RunRecord {
  const runs = sunny.journal.read.runs(RUNS);
  if (id === undefined) {
    const own = runs.filter((one) => one.within === null);
    const run = own.find((one) => one.endedAt === null) ?? own[0];
    if (run !== undefined) return run;
    throw new SunnyError("RUN_UNKNOWN", "Nothing has run here yet", { hint: "Start with `sunny deploy`." });
  }
  const matches = runs.filter((one) => one.id.startsWith(id));
  const exact = sunny.journal.read.run(id) ?? (matches.length === 1 ? matches[0] : undefined);
  if (exact !== undefined) return exact;
  const near = closest(
    id,
    runs.map((one) => one.id),
  );
  const hint =
    near === undefined ? "`sunny status` lists what has run." : `Did you mean ${near}? \`sunny status\` lists all.`;
  throw new SunnyError(
    "RUN_UNKNOWN",
    `There is no deployment "${id}"${matches.length > 1 ? ": it is ambiguous" : ""}`,
    { hint },
  );
}
