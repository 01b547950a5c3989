import type { NestedChange } from "./nested.ts";
import type { DeploymentOutput } from "./ports.ts";
import type { DeploymentInput } from "./input.ts";
import { runsWithin } from "../engine/scope.ts";
import type { RunRecord, StorageReader } from "../engine/storage.ts";
import { planSteps } from "../plan/model.ts";

/**
 * What runs that steps of `run` have started did or may have done, oldest first; those of their own steps are among them.
 * A run that was refused did nothing, and one that was rolled back has taken everything back itself.
 */
export function nestedChanges(read: Pick<StorageReader, "history" | "run">, run: string): NestedChange[] {
  return runsWithin(read, run).flatMap((nested) => {
    if (hasGoneBack(nested)) return [];
    const { plan } = nested.input as unknown as DeploymentInput;
    const steps = planSteps(plan).filter((step) => step.changes.length > 0);
    const own = { run: nested.id, release: plan.release, previous: plan.previous, steps };
    return [...(steps.length === 0 ? [] : [own]), ...nestedChanges(read, nested.id)];
  });
}

function hasGoneBack({ state, output }: RunRecord): boolean {
  if (state !== "done") return false;
  const { outcome } = output as unknown as DeploymentOutput;
  return outcome === "refused" || outcome === "rolled-back";
}
