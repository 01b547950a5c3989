import type { DurableContext } from "../engine/context.ts";
import type { Json } from "../json.ts";
import { planSteps, type Plan, type PlanStep } from "../plan/model.ts";
import { takeBackStep, verificationAt } from "../plan/rollback.ts";
import { nestedWaysBack } from "./nested.ts";
import { reasonOf } from "./reason.ts";
import { isFailure, runStep, type StepRun } from "./run-step.ts";

/** A person may ask for a failed rollback step again this often. */
const MAX_TURNS = 20;

/** What a person answers when a rollback cannot go on by itself. */
export interface RollbackDecision {
  /**
   * `retry` runs the step again, `skip` leaves it, `done` says that a person has done it. `rollback`, where there is no
   * release to go back to, takes each step back that can be: the service is stopped, the schema as it was before.
   */
  readonly as: "retry" | "skip" | "done" | "rollback";
  readonly by: string;
  readonly reason: string;
}

/** The signal that answers a held rollback step. */
export function decisionSignal(stepId: string, turn: number): string {
  return `decision/${stepId}/turn-${turn}`;
}

/**
 * Carries out the rollback part. No interrupt is delivered inside. A step that fails holds the run and asks a person, with
 * the exact state; the decisions are returned for the record.
 */
export function rollBack(ctx: DurableContext, run: Omit<StepRun, "mode" | "turn">, reason: string): Promise<Json[]> {
  return ctx.shielded(async () => {
    run.board.set({ stage: "rollback", reason, waitingFor: [] });
    const { plan, board, ports } = run;
    const nested = await nestedWaysBack(ctx, plan, ports.nested, run.actedIn);
    for (const { id, why } of nested.left) board.note(id, `stays as it is: ${why}`);
    const own = plan.rollback?.steps ?? [];
    const at = verificationAt(own);
    const decisions: Json[] = [];
    const postponed: PlanStep[] = [];
    const carryOut = async (step: PlanStep): Promise<void> => {
      if (!changesComeAfter(own, step)) decisions.push(...(await takeBack(ctx, step, run)));
      else if (!(await isWell(ctx, step, run))) postponed.push(step);
    };
    for (const step of own.slice(0, at)) await carryOut(step);
    for (const { run: actedIn, step, release, previous } of nested.steps) {
      decisions.push(...(await takeBack(ctx, step, { ...run, actedIn, plan: { ...plan, release, previous } })));
    }
    for (const step of own.slice(at)) await carryOut(step);
    for (const step of postponed) decisions.push(...(await takeBack(ctx, step, run, 2)));
    if (plan.rollback === null) {
      const takeable = begunOf(run).flatMap((step) => (step.wayBack?.kind === "revert" ? [takeBackStep(step)] : []));
      const answer = await ask(ctx, "no-way-back", 1, nothingToGoBackTo(run, reason, takeable));
      decisions.push(recorded(answer, { id: "no-way-back", title: "what has no way back" }));
      if (answer.as === "rollback") for (const step of takeable) decisions.push(...(await takeBack(ctx, step, run)));
    }
    return decisions;
  });
}

function recorded({ as, by, reason }: RollbackDecision, { id, title }: Pick<PlanStep, "id" | "title">): Json {
  return { step: id, title, as, by, reason };
}

/** A check that stands before what takes back says how it was; only afterwards it says whether the rollback has worked. */
function changesComeAfter(steps: readonly PlanStep[], step: PlanStep): boolean {
  return step.changes.length === 0 && steps.slice(steps.indexOf(step) + 1).some(({ changes }) => changes.length > 0);
}

async function isWell(ctx: DurableContext, step: PlanStep, run: Omit<StepRun, "mode" | "turn">): Promise<boolean> {
  try {
    await runStep(ctx, step, { ...run, mode: "rollback", turn: 1 });
    return true;
  } catch (error) {
    if (!isFailure(error)) throw error;
    return false;
  }
}

/**
 * Carries out a step of a rollback that somebody asked for. Once something was changed, a failure and an abort leave it
 * standing there: a person has it tried again, or decides.
 */
export function goBack(
  ctx: DurableContext,
  step: PlanStep,
  run: Omit<StepRun, "mode" | "turn">,
  touched: () => boolean,
): Promise<Json[]> {
  return takeBack(ctx, step, { ...run, mayAsk: touched }, 0);
}

/** A step on the way back; `mayAsk` is false as long as a failure only means that nothing was begun. */
type BackRun = Omit<StepRun, "mode" | "turn"> & { readonly mayAsk?: () => boolean };

async function takeBack(ctx: DurableContext, step: PlanStep, run: BackRun, from = 1): Promise<Json[]> {
  const decisions: Json[] = [];
  for (let turn = from; ; turn++) {
    try {
      // The first turn of a plan's own step has the step's name.
      await runStep(ctx, step, { ...run, mode: "rollback", ...(turn === 0 ? {} : { turn }) });
      return decisions;
    } catch (error) {
      if (!isFailure(error) || run.mayAsk?.() === false) throw error;
      const answer = await ctx.shielded(() => ask(ctx, step.id, turn, standsStill(step, run, turn, error)));
      decisions.push(recorded(answer, step));
      if (answer.as !== "retry" || turn === MAX_TURNS) return decisions;
    }
  }
}

function standsStill(
  step: PlanStep,
  { plan, board }: Pick<StepRun, "plan" | "board">,
  turn: number,
  error: Error,
): Json {
  const steps = plan.rollback?.steps ?? planSteps(plan);
  const { done, failed } = board.state;
  const notDone = steps.slice(steps.indexOf(step)).map((one) => one.id);
  const titles = (ids: readonly string[]): string =>
    ids.map((id) => steps.find((one) => one.id === id)?.title ?? id).join(", ");
  const ofThese = done.filter((id) => steps.some((one) => one.id === id));
  return {
    what: `The rollback stands still at "${step.title}": ${reasonOf(error)}`,
    state: { done, failed, notDone },
    details: [`taken back: ${ofThese.length === 0 ? "nothing yet" : titles(ofThese)}`, `not yet: ${titles(notDone)}`],
    step: step.id,
    choices: turn < MAX_TURNS ? ["retry", "done", "skip"] : ["done", "skip"],
  };
}

/** The steps that acted or may have, newest first. */
function begunOf({ plan, board }: Pick<StepRun, "plan" | "board">): PlanStep[] {
  const { done, failed } = board.state;
  const begun = new Set([...done, ...failed]);
  return planSteps(plan)
    .filter((step) => step.changes.length > 0 && begun.has(step.id))
    .toReversed();
}

/** A plan that is a rollback itself, or has nothing that Sunny could take back, is for a person alone. */
function nothingToGoBackTo(run: Pick<StepRun, "plan" | "board">, reason: string, takeable: readonly PlanStep[]): Json {
  const { plan } = run;
  const offers = plan.kind !== "rollback" && takeable.length > 0;
  const stays = begunOf(run).filter((step) => step.wayBack?.kind === "none");
  return {
    what: `${failed(plan)}: ${reason}`,
    state: "hosts and database are as the last step left them; `sunny status` shows which",
    details: [
      ...(offers ? takeable.map(({ title, text }) => `rollback: ${title} (${text})`) : []),
      ...stays.map((step) => `stays in any case: ${step.title}`),
      "done: everything stays as it is, and the environment is free for the next deployment",
    ],
    choices: offers ? ["rollback", "done"] : ["done"],
  };
}

/** What stands still, and why nothing takes it back. */
function failed(plan: Plan): string {
  switch (plan.kind) {
    case "deploy":
      return "The first deployment failed and there is no release to go back to";
    case "rollback":
      return "The rollback failed, and what it left is for a person to look at";
    case "run":
    case "procedure": {
      const step = planSteps(plan).find(({ wayBack }) => wayBack?.kind === "none");
      const why = step?.wayBack?.kind === "none" ? step.wayBack.why : "no release was active when it was planned";
      return `"${step?.title ?? plan.phases[0]?.title ?? ""}" failed and is not taken back (${why})`;
    }
  }
}

async function ask(
  ctx: DurableContext,
  stepId: string,
  turn: number,
  question: Json,
): Promise<RollbackDecision & Json> {
  const answer = await ctx.waitFor<RollbackDecision & Json>(decisionSignal(stepId, turn), { held: question });
  if (!answer.ok) throw new Error("a wait without an end timed out");
  return answer.value;
}
