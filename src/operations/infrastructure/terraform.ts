import { z } from "zod";
import { TerminalError, type DurableContext, type StepScope } from "../../engine/context.ts";
import type { Json } from "../../json.ts";
import { defineOperation, type Operation, type OperationCall, type OperationReport } from "../../operation.ts";
import { good, readStep } from "../checks/findings.ts";
import type { InfrastructurePorts, SavedPlan } from "./ports.ts";
import { applySaved } from "./apply-saved.ts";
import { takeBackInfrastructure } from "./take-back.ts";
import {
  infrastructureFacts,
  meantRelease,
  requireHarmless,
  unchangedText,
  type InfrastructureFacts,
} from "./state.ts";

const READ_MS = 120_000;
const PLAN_MS = 1_200_000;
const APPLY_MS = 3_600_000;

/** Flags of the program that say what Sunny does anyway; any other would change what is planned. */
const KNOWN_FLAGS =
  /^-(auto-approve|input=false|no-color|detailed-exitcode|out(=.+)?|lock-timeout=\w+|compact-warnings)$/;

const args = z.strictObject({
  _: z
    .array(z.string())
    .default([])
    .refine(
      (words) => words.every((word, i) => KNOWN_FLAGS.test(word) || !word.startsWith("-") || words[i - 1] === "-out"),
      {
        error:
          "takes no flags but -auto-approve, -input=false, -no-color, -out, -lock-timeout: others would change what is planned",
      },
    ),
  /** Addresses, separated by commas, that may be destroyed or replaced; "all" for whatever the plan has. */
  "allow-destroy": z.string().optional(),
});
type Args = z.output<typeof args>;

type TerraformPorts = Pick<InfrastructurePorts, "configuration" | "terraform">;

/** `terraform-plan`: saves a plan of what the release changes; nothing to do when the folder is the one that is applied. */
export function terraformPlanOperation(ports: TerraformPorts): Operation {
  return defineOperation<Args>({
    name: "terraform-plan",
    script: null,
    title: "Plans the release's changes to the infrastructure and saves the plan",
    args,
    changes: [],
    deadlineMs: PLAN_MS,
    observe: (call) => infrastructureFacts(ports, call),
    run: async (ctx, call) => {
      const facts = await readFacts(ports, ctx, call);
      if (!facts.changed) return { summary: unchangedText(facts), data: { state: "unchanged", ...facts } };
      const saved = await ctx.step<SavedPlan>(`${call.stepName}/plan`, (scope) => savePlan(ports, call, scope), {
        disposition: { kind: "idempotent" },
        deadlineMs: PLAN_MS,
      });
      requireHarmless(saved.changes, allowed(call.args));
      return planReport(facts, saved);
    },
  });
}

async function savePlan(
  { configuration, terraform }: TerraformPorts,
  call: OperationCall<Args>,
  scope: StepScope,
): Promise<SavedPlan> {
  return terraform.plan(await configuration.files(meantRelease(call), call.system.infrastructure.dir), scope);
}

function planReport(facts: InfrastructureFacts, { changes, sha256, program }: SavedPlan): OperationReport {
  const count = (action: string): number => changes.filter((change) => change.action === action).length;
  const figures = `${count("create")} to create, ${count("update")} to change, ${count("delete")} to destroy, ${count("replace")} to replace`;
  return {
    summary: changes.length === 0 ? `${program} has nothing to do` : `${program} planned ${figures}`,
    findings: changes.map(({ action, address, attributes }) =>
      good(address, `${action}${attributes.length === 0 ? "" : `: ${attributes.join("; ")}`}`),
    ),
    data: { state: "planned", ...facts, sha256, changes: changes as unknown as Json },
  };
}

/** `terraform-apply`: applies exactly the plan that was saved, and records what is applied now. */
export function terraformApplyOperation(ports: TerraformPorts): Operation {
  return defineOperation<Args>({
    name: "terraform-apply",
    script: null,
    title: "Applies the saved plan of the infrastructure, and nothing else",
    args,
    changes: ["infrastructure"],
    deadlineMs: APPLY_MS,
    observe: (call) => infrastructureFacts(ports, call),
    run: (ctx, call) => apply(ports, ctx, call),
    wayBack: {
      kind: "revert",
      describe:
        "the infrastructure of the release before is applied again, when that destroys and replaces nothing; else, and where there is no release before, it is kept and reported",
      run: (ctx, call) => takeBackInfrastructure(ports, ctx, call),
    },
  });
}

async function apply(ports: TerraformPorts, ctx: DurableContext, call: OperationCall<Args>): Promise<OperationReport> {
  const { terraform } = ports;
  const facts = await readFacts(ports, ctx, call);
  const { digest } = facts;
  if (!facts.changed || digest === null)
    return { summary: unchangedText(facts), data: { state: "unchanged", ...facts } };
  const saved = await readStep(ctx, call, "saved", READ_MS, () => savedPlan(ports, call));
  requireHarmless(saved.changes, allowed(call.args));
  await applySaved(ports, ctx, call.stepName, saved.sha256);
  const { id, version } = meantRelease(call);
  await ctx.step<null>(
    `${call.stepName}/record`,
    async (scope) => (await terraform.remember({ digest, releaseId: id, version }, scope), null),
    {
      disposition: { kind: "idempotent" },
      deadlineMs: READ_MS,
    },
  );
  const count = saved.changes.length;
  return {
    summary: `${saved.program} applied the saved plan: ${count} ${count === 1 ? "change" : "changes"}`,
    findings: saved.changes.map(({ action, address }) => good(address, `${action}: done`)),
    data: { state: "applied", ...facts, sha256: saved.sha256 },
  };
}

/** The plan that `terraform-plan` saved in this run; by hand the one that was saved last. */
async function savedPlan({ terraform }: TerraformPorts, { earlier }: OperationCall<Args>): Promise<SavedPlan> {
  const saved = await terraform.saved();
  if (saved === null)
    throw new TerminalError("TERRAFORM_PLAN_STALE", "There is no saved plan to apply; run terraform-plan before it");
  const planned = earlier["terraform-plan"]?.data as { readonly sha256?: string } | undefined;
  if (planned?.sha256 !== undefined && planned.sha256 !== saved.sha256) {
    throw new TerminalError(
      "TERRAFORM_PLAN_STALE",
      "The saved plan is not the one of this run: another was saved since; nothing was applied",
    );
  }
  return saved;
}

function readFacts(
  ports: TerraformPorts,
  ctx: DurableContext,
  call: OperationCall<Args>,
): Promise<InfrastructureFacts> {
  return readStep(ctx, call, "read", READ_MS, () => infrastructureFacts(ports, call));
}

function allowed(given: Args): string[] {
  return given["allow-destroy"]?.split(",").map((address) => address.trim()) ?? [];
}
