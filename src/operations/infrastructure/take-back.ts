import type { DurableContext } from "../../engine/context.ts";
import type { Json } from "../../json.ts";
import type { OperationCall, OperationReport } from "../../operation.ts";
import { bad } from "../checks/findings.ts";
import type { InfrastructurePorts, SavedPlan } from "./ports.ts";
import { destructive, folderDigest, type InfrastructureFacts } from "./state.ts";
import { applySaved } from "./apply-saved.ts";

const STEP_MS = 1_200_000;

type TerraformPorts = Pick<InfrastructurePorts, "configuration" | "terraform">;

/** What there is to go back to. */
type Back =
  | { readonly needed: false; readonly why: string }
  | { readonly needed: true; readonly digest: string; readonly recorded: boolean };

/**
 * Applies the infrastructure of the release before, when that destroys and replaces nothing. What it would destroy may
 * hold data or serve the other release, so it is kept, and the report says what.
 */
export async function takeBackInfrastructure(
  { configuration, terraform }: TerraformPorts,
  ctx: DurableContext,
  call: OperationCall<unknown>,
): Promise<OperationReport> {
  const { previous, system } = call;
  const { dir } = system.infrastructure;
  const back = await ctx.step<Back>(`${call.stepName}/read`, () => wayBack({ configuration, terraform }, call), {
    disposition: { kind: "idempotent", readOnly: true },
    deadlineMs: STEP_MS,
  });
  if (!back.needed || previous === null) {
    return {
      summary: back.needed ? "Kept: there is no release before" : back.why,
      data: { state: back.needed ? "kept" : "not needed" },
    };
  }
  const saved = await ctx.step<SavedPlan>(
    `${call.stepName}/plan`,
    async (scope) => terraform.plan(await configuration.files(previous, dir), scope),
    { disposition: { kind: "idempotent" }, deadlineMs: STEP_MS },
  );
  if (saved.changes.length === 0 && back.recorded) {
    return { summary: "Not needed: the infrastructure was not changed", data: { state: "not needed" } };
  }
  const lost = destructive(saved.changes);
  if (lost.length > 0) {
    const named = lost.map(({ action, address }) => `${action} ${address}`).join(", ");
    return {
      summary: `Kept: going back to the infrastructure of ${previous.version} would ${named}`,
      findings: lost.map(({ action, address }) => bad(address, `kept, since going back would ${action} it`)),
      data: { state: "kept", changes: saved.changes as unknown as Json },
    };
  }
  if (saved.changes.length > 0) await applySaved({ terraform }, ctx, call.stepName, saved.sha256);
  const record = { digest: back.digest, releaseId: previous.id, version: previous.version };
  await ctx.step<null>(`${call.stepName}/record`, async (scope) => (await terraform.remember(record, scope), null), {
    disposition: { kind: "idempotent" },
    deadlineMs: STEP_MS,
  });
  return {
    summary: `The infrastructure of ${previous.version} is applied again`,
    data: { state: "applied", digest: back.digest },
  };
}

async function wayBack({ configuration, terraform }: TerraformPorts, call: OperationCall<unknown>): Promise<Back> {
  const facts = call.facts as unknown as InfrastructureFacts | null;
  if (facts !== null && !facts.changed)
    return { needed: false, why: "Not needed: the release does not change the infrastructure" };
  const applied = (await terraform.applied())?.digest ?? null;
  const begun = await terraform.interrupted();
  // A plan that was applied is gone, also when a crash or an abort kept that from being recorded.
  const isSaved = (await terraform.saved()) !== null;
  if (begun === null && isSaved && facts !== null && applied === facts.applied) {
    return { needed: false, why: "Not needed: the infrastructure was not changed" };
  }
  if (call.previous === null)
    return { needed: false, why: "Kept: there is no release before, so nothing to go back to" };
  const digest = folderDigest(await configuration.files(call.previous, call.system.infrastructure.dir));
  if (digest === null) return { needed: false, why: `Kept: ${call.previous.version} has no infrastructure folder` };
  return { needed: true, digest, recorded: applied === digest };
}
