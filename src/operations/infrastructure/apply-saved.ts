import type { DurableContext } from "../../engine/context.ts";
import type { InfrastructurePorts } from "./ports.ts";

const APPLY_MS = 3_600_000;

/** Applies a saved plan as one durable step. After a crash it is done only when nothing is left to do. */
export async function applySaved(
  { terraform }: Pick<InfrastructurePorts, "terraform">,
  ctx: DurableContext,
  stepName: string,
  sha256: string,
): Promise<void> {
  await ctx.step<null>(`${stepName}/apply`, async (scope) => (await terraform.apply(sha256, scope), null), {
    disposition: {
      kind: "probe",
      probe: async (scope) => {
        if ((await terraform.interrupted()) !== sha256) {
          // The plan was never begun, or it ended: a plan that was applied is gone.
          const saved = await terraform.saved();
          return saved?.sha256 === sha256 ? { state: "not-done" } : { state: "done", value: null };
        }
        const { drifted } = await terraform.drift(scope);
        return drifted ? { state: "unknown" } : { state: "done", value: null };
      },
    },
    deadlineMs: APPLY_MS,
    target: "bounded",
  });
}
