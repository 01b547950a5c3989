import type { Command } from "commander";
import { preparePlan, requirePlan } from "../deployment/prepare.ts";
import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { describeDifference } from "../plan/difference-words.ts";
import { differences } from "../plan/differences.ts";
import type { Plan } from "../plan/model.ts";
import { carryOut } from "./carry-out.ts";
import type { CliContext } from "./context.ts";
import { makePlan, planOptions, type PlanOptions } from "./make-plan.ts";
import { readRunbook } from "./read-runbook.ts";
import { readPlanFile } from "./plan-ref.ts";
import { requireFree } from "./occupied.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command: Command, context) => {
  planOptions(command)
    .option("--plan <file>", "carry out this frozen plan; refused when anything has changed since")
    .action(async (options: PlanOptions & { plan?: string }) => {
      const sunny = await context.sunny();
      requireFree(sunny, undefined);
      const plan =
        options.plan === undefined
          ? await makePlan(context, sunny, options)
          : await frozen(context, sunny, options.plan);
      await carryOut(context, sunny, plan);
    });
};

/** Reads a frozen plan and proves that making it anew would give the same one. */
async function frozen(context: CliContext, sunny: Sunny, file: string): Promise<Plan> {
  const plan = readPlanFile(context, file);
  if (plan.kind !== "deploy") {
    throw new SunnyError("PLAN_INVALID", `The plan is a ${plan.kind}, not a deployment`, { place: { file } });
  }
  const read = await readRunbook(plan.runbook?.file ?? sunny.system.runbook, plan.runbook?.file ?? "");
  const compiled = await preparePlan(
    {
      runbook: read.runbook,
      diagnostics: read.diagnostics,
      system: { ...sunny.system, runbook: read.runbook.file },
      subject: { kind: "deploy" },
      ...(plan.release === null ? {} : { release: plan.release.version }),
      author: plan.author,
      reason: plan.reason,
      acceptNoWayBack: plan.noWayBackAccepted,
      frozen: { rules: plan.rules, metrics: plan.metrics },
    },
    await sunny.prepare(),
  );
  requireUnchanged(plan, requirePlan(compiled), file);
  return plan;
}

function requireUnchanged(plan: Plan, fresh: Plan, file: string): void {
  if (fresh.digest === plan.digest) return;
  const found = differences({ ...plan, digest: "" }, { ...fresh, digest: "" });
  throw new SunnyError(
    "PLAN_CHANGED",
    `What the plan was made from has changed: ${found.slice(0, 5).map(describeDifference).join("; ")}`,
    {
      place: { file },
      hint: "Make a new plan with `sunny plan --out FILE`, and have it approved anew.",
      details: { differences: found },
    },
  );
}
