import { formatSeconds } from "../analysis/wording.ts";
import { Interrupted, StepFailedError, TerminalError, type DurableContext } from "../engine/context.ts";
import { canonicalJson, type Json } from "../json.ts";
import type { Operation, OperationCall, OperationReport } from "../operation.ts";
import type { Plan, PlanStep } from "../plan/model.ts";
import { noticing } from "./noticing.ts";
import type { DeploymentPorts } from "./ports.ts";
import type { ProgressBoard } from "./progress.ts";
import { detailText, reasonOf } from "./reason.ts";

/** How long reading facts again may take, milliseconds. */
const OBSERVE_MS = 60_000;

export interface StepRun {
  readonly plan: Plan;
  readonly ports: DeploymentPorts;
  readonly board: ProgressBoard;
  readonly mode: "deploy" | "rollback" | "by-hand";
  /** Later attempts at a step, which a person asked for or a remedy gave reason to, need names of their own. */
  readonly turn?: number;
  /** The run that acted, for a way back of what another run did. */
  readonly actedIn?: string;
  /** Called before the first durable step that may change something; what only looked has nothing to take back. */
  readonly beforeActing?: () => void;
}

/** Carries out one step of the plan. Throws what the operation throws, after recording it. */
export async function runStep(ctx: DurableContext, step: PlanStep, run: StepRun): Promise<OperationReport> {
  const { board, ports } = run;
  const operation = operationOf(ports, step);
  const stepName = run.turn === undefined ? step.id : `${step.id}/turn-${run.turn}`;
  board.set({ current: step.id });
  try {
    if (run.mode !== "rollback" && operation.observe !== undefined) await requireSameFacts(ctx, step, run);
    if (step.direction === "run") await operation.guard?.(ctx, callFor(step, stepName, run));
    const acting = run.beforeActing === undefined ? ctx : noticing(ctx, run.beforeActing);
    const report = await actThroughHolds(acting, operation, step, stepName, run);
    board.finish(step.id, step.operation, report);
    return report;
  } catch (error) {
    if (isFailure(error)) board.fail(step.id, reasonOf(error));
    throw error;
  }
}

/** The signal that answers a hold of a running step. */
export function holdSignal(stepName: string): string {
  return `${stepName}/hold`;
}

/** A hold (both arms are in trouble, so the release is not to blame) may come again; beyond this it is a failure. */
const MAX_HOLDS = 5;

/**
 * Runs the operation. When a hold interrupts it, a person decides: to go on, which runs it again from what the world then
 * says, or to go back. Without an answer in time it goes back.
 */
async function actThroughHolds(
  ctx: DurableContext,
  operation: Operation,
  step: PlanStep,
  stepName: string,
  run: StepRun,
): Promise<OperationReport> {
  for (let again = 0; ; again++) {
    const name = again === 0 ? stepName : `${stepName}/again-${again}`;
    try {
      const call = callFor(step, name, run);
      return await act(ctx, operation, step, again === 0 ? call : { ...call, again: true });
    } catch (error) {
      if (!(error instanceof Interrupted) || error.reason.kind !== "hold" || again === MAX_HOLDS) throw error;
      const answer = await ctx.waitFor<{ readonly as: string; readonly by: string }>(holdSignal(name), {
        timeoutMs: run.plan.system.rollout.decisionMs,
        held: {
          what: `"${step.title}" is held by ${error.reason.by}: ${detailText(error.reason.detail)}`,
          choices: ["continue", "rollback"],
          withoutAnswer: `rollback after ${formatSeconds(run.plan.system.rollout.decisionMs / 1_000)}`,
        },
      });
      if (!answer.ok)
        throw new TerminalError("HOLD_UNANSWERED", `${detailText(error.reason.detail)}; nobody decided in time`);
      if (answer.value.as !== "continue") {
        throw new TerminalError(
          "HOLD_ENDED",
          `${detailText(error.reason.detail)}; ${answer.value.by} decided to go back`,
        );
      }
    }
  }
}

/** Errors that end a step for a known reason; anything else is a defect and ends the run. */
export function isFailure(error: unknown): error is StepFailedError | TerminalError | Interrupted {
  return error instanceof StepFailedError || error instanceof TerminalError || error instanceof Interrupted;
}

/** The operation that a step names. @throws OPERATION_UNKNOWN when a newer Sunny made the plan */
export function operationOf(ports: DeploymentPorts, step: Pick<PlanStep, "operation">): Operation {
  const operation = ports.operations.get(step.operation);
  if (operation === undefined) {
    throw new TerminalError("OPERATION_UNKNOWN", `This version of Sunny has no operation "${step.operation}"`);
  }
  return operation;
}

function act(
  ctx: DurableContext,
  operation: Operation,
  step: PlanStep,
  call: OperationCall<unknown>,
): Promise<OperationReport> {
  if (step.direction === "run") return operation.run(ctx, call);
  if (operation.wayBack?.kind !== "revert") {
    throw new TerminalError("NO_WAY_BACK", `"${step.title}" cannot be taken back by Sunny`);
  }
  return operation.wayBack.run(ctx, call);
}

function callFor(step: PlanStep, stepName: string, run: StepRun): OperationCall<unknown> {
  const { plan, board, mode } = run;
  return {
    args: step.args,
    facts: step.facts,
    system: plan.system,
    release: plan.release,
    previous: plan.previous,
    stepName,
    actor: plan.author,
    mode,
    ...(run.actedIn === undefined ? {} : { actedIn: run.actedIn }),
    earlier: board.reports,
  };
}

async function requireSameFacts(ctx: DurableContext, step: PlanStep, { plan, ports }: StepRun): Promise<void> {
  const now = await ctx.step<Json>(`${step.id}/facts`, () => ports.observe(plan, step), {
    disposition: { kind: "idempotent", readOnly: true },
    deadlineMs: OBSERVE_MS,
  });
  if (canonicalJson(now) === canonicalJson(step.facts)) return;
  throw new TerminalError("FACTS_CHANGED", `What "${step.title}" would act on has changed since the plan was frozen`, {
    planned: step.facts,
    now,
  });
}
