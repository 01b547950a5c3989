import type { RunRecord } from "../engine/storage.ts";
import type { Sunny } from "../main.ts";
import { takeBackPlan } from "../plan/take-back.ts";
import { VERSION } from "../version.ts";
import { carryOut } from "./carry-out.ts";
import type { CliContext } from "./context.ts";
import { planOf } from "./runs.ts";

/** What a run is paused for when this code cannot go on with it. */
const MISFITS: readonly string[] = ["WORKFLOW_VERSION", "REPLAY_MISMATCH", "WORKFLOW_DEFECT"];

/** Whether this Sunny cannot go on with a run: another one began it, or a defect stands in the way. */
export function isMisfit(sunny: Sunny, { workflow, version, state, reason }: RunRecord): boolean {
  const own = sunny.deployment;
  return (
    workflow !== own.name || version !== own.version || (state === "paused" && MISFITS.includes(reason?.code ?? ""))
  );
}

/** Carries out the rollback that the run has recorded, as a run of its own that takes its place. */
export async function takeBackRecorded(
  context: CliContext,
  sunny: Sunny,
  run: RunRecord,
  reason: string | undefined,
): Promise<void> {
  const { name, version } = sunny.deployment;
  const plan = takeBackPlan(planOf(run), {
    run: run.id,
    sunny: VERSION,
    workflow: { name, version },
    author: context.actor,
    reason: reason ?? `${run.id} cannot go on with this Sunny`,
  });
  context.output.text(`${run.id} was begun by another Sunny. Its recorded rollback is carried out in its place.`);
  await carryOut(context, sunny, plan, run.id);
}
