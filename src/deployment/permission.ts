import type { DurableContext } from "../engine/context.ts";
import type { Plan } from "../plan/model.ts";
import { notify } from "./notify.ts";
import type { DeploymentPorts, Notice, Permission } from "./ports.ts";
import type { ProgressBoard } from "./progress.ts";

/** Signals are looked at this often at most within one run; each comes from a person. */
const MAX_LOOKS = 200;
const READ_MS = 30_000;

/** The signal that makes a waiting run look at its permission again, by the number of the look. */
export function permissionSignal(look: number): string {
  return `permission/${look}`;
}

/**
 * Waits until windows, approvals and attestations allow the plan. Holds no lease of the environment meanwhile. Ends with
 * what is still missing when the time for it is over: silence is a denial.
 */
export async function askPermission(
  ctx: DurableContext,
  plan: Plan,
  ports: DeploymentPorts,
  board: ProgressBoard,
): Promise<Permission> {
  const startedAt = await ctx.now();
  let told = "";
  for (let look = 1; ; look++) {
    const permission = await ctx.step(`permission/look-${look}`, () => ports.permission(plan, ctx.runId), {
      disposition: { kind: "idempotent", readOnly: true },
      deadlineMs: READ_MS,
    });
    for (const gate of permission.attested) board.gate(gate);
    board.set({ stage: "permission", waitingFor: permission.missing, given: permission.given });
    if (permission.missing.length === 0 || permission.denied.length > 0 || look === MAX_LOOKS) return permission;
    const left = startedAt + permission.waitMs - (await ctx.now());
    if (left <= 0) return permission;
    // Once for what is missing, not at every look.
    const missing = permission.missing.join("; ");
    if (missing !== told) await notify(ctx, plan, ports, waitingNotice(ctx.runId, look, permission.missing));
    told = missing;
    const answered = await ctx.waitFor(permissionSignal(look), { timeoutMs: left });
    if (!answered.ok) return permission;
  }
}

function waitingNotice(runId: string, look: number, missing: readonly string[]): Notice {
  const text = `${runId} waits for permission: ${missing.join("; ")}`;
  return { event: "waiting", key: `look-${look}`, text, detail: { missing: [...missing] } };
}
