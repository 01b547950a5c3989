import { StepFailedError, TerminalError } from "../engine/context.ts";
import { planSteps, type Plan, type PlanStep } from "../plan/model.ts";
import type { DeploymentPorts } from "./ports.ts";
import type { ProgressBoard } from "./progress.ts";

/** Carries out one step; `turn` 2 is the same step again, under names of its own. */
type RunOne = (step: PlanStep, turn?: number) => Promise<unknown>;

/** Carries out the phases of a plan, step by step. The first failure ends it, but for the checks of a procedure. */
export async function runPhases(
  plan: Plan,
  { operations }: Pick<DeploymentPorts, "operations">,
  board: ProgressBoard,
  runOne: RunOne,
): Promise<void> {
  if (plan.kind === "procedure") return runProcedure(plan, operations, board, runOne);
  for (const step of planSteps(plan)) await runOne(step);
}

/**
 * An operator procedure is a diagnosis and its remedy: a check that finds something wrong does not end it when a remedy
 * stands after it, a step "if needed" is left out when the checks before it found nothing, and whatever was found wrong is
 * checked again at the end. A remedy changes something, and is either written as "if needed" or brings a good state back.
 */
async function runProcedure(
  plan: Plan,
  operations: DeploymentPorts["operations"],
  board: ProgressBoard,
  runOne: RunOne,
): Promise<void> {
  const steps = planSteps(plan);
  const isCheck = (step: PlanStep): boolean => step.changes.length === 0;
  const isRemedy = (step: PlanStep): boolean =>
    !isCheck(step) && (step.when === "if-needed" || operations.get(step.operation)?.restores === true);
  const wrong: PlanStep[] = [];
  for (const [index, step] of steps.entries()) {
    const wasChecked = steps.slice(0, index).some(isCheck);
    if (isRemedy(step) && step.when === "if-needed" && wasChecked && wrong.length === 0) {
      const summary = "Not needed: the checks before it found nothing wrong";
      board.finish(step.id, step.operation, { summary, data: { notNeeded: true } });
      continue;
    }
    try {
      await runOne(step);
    } catch (error) {
      const found = error instanceof StepFailedError || error instanceof TerminalError;
      if (!found || !isCheck(step) || !steps.slice(index + 1).some(isRemedy)) throw error;
      wrong.push(step);
    }
  }
  for (const step of wrong) await runOne(step, 2);
}
