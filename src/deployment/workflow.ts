import { TerminalError, type DurableContext, type WorkflowDef } from "../engine/context.ts";
import type { Json } from "../json.ts";
import { changesAnything, type Plan } from "../plan/model.ts";
import { closingItems } from "./closing.ts";
import { checkGates } from "./gates.ts";
import { announcing, notify } from "./notify.ts";
import { askPermission } from "./permission.ts";
import type { DeploymentOutput, DeploymentPorts, Notice } from "./ports.ts";
import { DEPLOYMENT, type DeploymentInput } from "./input.ts";
import { runPhases } from "./procedure.ts";
import { ProgressBoard } from "./progress.ts";
import { goBack, rollBack } from "./rollback.ts";
import { reasonOf } from "./reason.ts";
import { isFailure, runStep } from "./run-step.ts";
import { onTheirWord } from "./their-word.ts";

/** The one workflow of Sunny: a deployment, a rollback, an operator procedure and a single operation are plans of it. */
export function deploymentWorkflow(ports: DeploymentPorts): WorkflowDef<DeploymentInput, DeploymentOutput> {
  return { ...DEPLOYMENT, run: (ctx, { plan }) => deploy(announcing(ctx, plan, ports), plan, ports) };
}

async function deploy(ctx: DurableContext, plan: Plan, ports: DeploymentPorts): Promise<DeploymentOutput> {
  const board = new ProgressBoard(ctx);
  const tell = (notice: Notice): Promise<void> => notify(ctx, plan, ports, notice);
  /** True from the moment in which something may have been changed: from then on a failure means going back. */
  let touched = false;
  const decisions: Json[] = [];
  try {
    const refusal = await mayStart(ctx, plan, ports, board);
    if (refusal !== null) return await end(board, plan, tell, { outcome: "refused", reason: refusal, cause: "gate" });
    if (changesAnything(plan)) {
      await ctx.occupy(plan.environment);
      await requireSameActiveRelease(ctx, plan, ports);
      await tell({ event: "started", text: `${headline(plan)} has started`, detail: { digest: plan.digest } });
    }
    if (plan.takesBack !== undefined) {
      const taken = await rollBack(ctx, { plan, ports, board, actedIn: plan.takesBack }, plan.reason);
      return await end(board, plan, tell, { outcome: "succeeded", reason: null, cause: null }, taken);
    }
    board.set({ stage: "phases", waitingFor: [] });
    const isWayBack = plan.kind === "rollback" && plan.rollback === null;
    const mode = plan.kind === "deploy" ? "deploy" : plan.kind === "rollback" ? "rollback" : "by-hand";
    await runPhases(plan, ports, board, async (step, turn) => {
      const beforeActing = (): void => {
        if (step.changes.length > 0) touched = true;
      };
      const run = { plan, ports, board, beforeActing };
      // A way back has no way back itself: what fails in it is tried again, or a person does it.
      if (isWayBack) return void decisions.push(...(await goBack(ctx, step, run, () => touched)));
      await runStep(ctx, step, { ...run, mode, ...(turn === undefined ? {} : { turn }) });
    });
    return await end(board, plan, tell, { outcome: "succeeded", reason: null, cause: null }, decisions);
  } catch (error) {
    if (!isFailure(error)) throw error;
    const reason = reasonOf(error);
    const cause = board.state.failed.at(-1) ?? null;
    if (!touched) return await end(board, plan, tell, { outcome: "refused", reason, cause });
    await tell({ event: "rolling-back", text: `${headline(plan)} goes back: ${reason}`, detail: { cause } });
    const taken = await rollBack(ctx, { plan, ports, board }, reason);
    return await end(board, plan, tell, { outcome: "rolled-back", reason, cause }, taken);
  }
}

/** Gates, windows and approvals; null when the plan may go on, else why not. */
async function mayStart(
  ctx: DurableContext,
  plan: Plan,
  ports: DeploymentPorts,
  board: ProgressBoard,
): Promise<string | null> {
  const guarded = plan.gates.length > 0 || plan.windows.length > 0 || plan.approvals.length > 0;
  if (!guarded) return null;
  const gates = await checkGates(ctx, plan, ports, board);
  const failed = gates.filter((gate) => gate.state === "failed");
  if (failed.length > 0) return failed.map((gate) => `gate "${gate.text}" failed: ${gate.evidence}`).join("; ");
  const permission = await askPermission(ctx, plan, ports, board);
  if (permission.denied.length > 0) return permission.denied.join("; ");
  if (permission.missing.length > 0) return `nobody gave what was missing: ${permission.missing.join("; ")}`;
  return null;
}

async function requireSameActiveRelease(ctx: DurableContext, plan: Plan, ports: DeploymentPorts): Promise<void> {
  if (plan.kind !== "deploy") return;
  const active = await ctx.step("active-release", async () => ports.activeRelease(plan), {
    disposition: { kind: "idempotent", readOnly: true },
    deadlineMs: 60_000,
  });
  if (active?.id === plan.previous?.id) return;
  const planned = plan.previous?.version ?? "none";
  throw new TerminalError(
    "PLAN_CHANGED",
    `The active release is ${active?.version ?? "none"}; the plan was made when it was ${planned}. Make a new plan`,
  );
}

async function end(
  board: ProgressBoard,
  plan: Plan,
  tell: (notice: Notice) => Promise<void>,
  what: Pick<DeploymentOutput, "outcome" | "reason" | "cause">,
  decisions: Json[] = [],
): Promise<DeploymentOutput> {
  const verb = { succeeded: "has succeeded", "rolled-back": "was rolled back", refused: "was refused" }[what.outcome];
  const word = onTheirWord(decisions).map((one) => `; ${one}`);
  const text = `${headline(plan)} ${verb}${what.reason === null ? "" : `: ${what.reason}`}${word.join("")}`;
  if (changesAnything(plan)) await tell({ event: what.outcome, text, detail: { cause: what.cause } });
  board.set({ stage: "ended", current: null, waitingFor: [] });
  const { gates, given, summaries, notNeeded, done } = board.state;
  const closing = what.outcome === "succeeded" ? closingItems(plan, done) : [];
  return { ...what, gates, given, summaries, notNeeded, decisions, closing };
}

/** Whoever cannot be told keeps nobody from going on or back: the step's own record says that it failed. */
function headline(plan: Plan): string {
  switch (plan.kind) {
    case "deploy":
      return `Deployment of ${plan.service} ${plan.release?.version ?? ""} to ${plan.environment}`;
    case "rollback":
      return `Rollback of ${plan.service} in ${plan.environment}`;
    case "run":
    case "procedure":
      return `"${plan.phases[0]?.steps[0]?.title ?? plan.phases[0]?.title ?? ""}" in ${plan.environment}`;
  }
}
