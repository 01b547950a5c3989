import { freeze } from "./digest.ts";
import { planSteps, ROLLBACK_FORMAT, type Plan, type PlanRollback } from "./model.ts";

/** Who takes back, with which Sunny, and why. */
export interface TakeBackInput {
  /** The run that cannot go on. */
  readonly run: string;
  readonly sunny: string;
  readonly workflow: Plan["workflow"];
  readonly author: string;
  readonly reason: string;
}

/**
 * A plan that carries out the rollback which another run has recorded, in its place: for a Sunny that cannot go on with that
 * run itself. It needs nothing that was not given to that run, and watches nothing.
 */
export function takeBackPlan(plan: Plan, { run, ...who }: TakeBackInput): Plan {
  const { digest: _, ...rest } = plan;
  return freeze({
    ...rest,
    ...who,
    kind: "rollback",
    takesBack: run,
    gates: [],
    windows: [],
    approvals: [],
    rules: [],
    metrics: null,
    rollback: recordedOf(plan),
    closing: [],
  });
}

/** What a rollback does itself is what brings it to its end. */
function recordedOf({ kind, rollback, previous, phases }: Plan): PlanRollback | null {
  if (kind !== "rollback" || rollback !== null || previous === null) return rollback;
  return { format: ROLLBACK_FORMAT, target: previous, steps: planSteps({ phases }), added: [] };
}
