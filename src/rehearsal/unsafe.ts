import { planSteps } from "../plan/model.ts";
import type { Plan, PlanStep } from "../plan/model.ts";

/** A way into a state from which nothing leads back. */
export interface UnsafePath {
  /** The step of the plan; null when it is about the run as a whole. */
  readonly step: string | null;
  /** What happens, one thing after the other. */
  readonly path: readonly string[];
}

/** Paths that need no run to be seen: a step changes something, nothing takes it back, and nobody was asked before. */
export function unsafeByDesign(plan: Plan): UnsafePath[] {
  const isAsked = plan.gates.length > 0 || plan.approvals.length > 0;
  if (isAsked || plan.noWayBackAccepted || plan.kind === "rollback") return [];
  const covered = new Set(plan.rollback?.steps.flatMap((step) => step.changes) ?? []);
  const steps = planSteps(plan);
  return steps.flatMap((step, index) => {
    if (step.wayBack?.kind !== "none" || step.changes.every((subject) => covered.has(subject))) return [];
    return [{ step: step.id, path: pathOf(step, step.wayBack.why, steps[index + 1]) }];
  });
}

function pathOf(step: PlanStep, why: string, next: PlanStep | undefined): string[] {
  const changes = step.changes.join(", ");
  return [
    `"${step.title}" (line ${step.line}) changes ${changes}, and no gate or approval stands before it`,
    next === undefined ? "it fails half way" : `"${next.title}" fails after it, or it fails half way itself`,
    `the rollback does not cover ${changes}: ${why}`,
  ];
}
