import type { DurableContext } from "../engine/context.ts";
import type { Json } from "../json.ts";
import type { ReleaseRef, Subject } from "../operation.ts";
import { planSteps, type Plan, type PlanStep } from "../plan/model.ts";
import { takeBackStep } from "../plan/rollback.ts";

/** For reading the journal, milliseconds. */
const READ_MS = 30_000;

/** What a run that a step of a deployment has started did, or may have done. JSON. */
export interface NestedChange {
  readonly run: string;
  readonly release: ReleaseRef | null;
  readonly previous: ReleaseRef | null;
  /** The steps of its plan that change something, in their order. */
  readonly steps: readonly PlanStep[];
}

/** A step that takes back what a nested run did, with the releases that it was about. */
export interface NestedStep {
  /** The run that acted. */
  readonly run: string;
  readonly step: PlanStep;
  readonly release: ReleaseRef | null;
  readonly previous: ReleaseRef | null;
}

export interface NestedWaysBack {
  /** Newest change first. */
  readonly steps: readonly NestedStep[];
  /** What cannot be taken back: step id and why. */
  readonly left: readonly { readonly id: string; readonly why: string }[];
}

/** Only a foreign program can start runs, so other plans need not ask. */
export function mayNest(plan: Plan): boolean {
  const steps = [...planSteps(plan), ...(plan.rollback?.steps ?? [])];
  return steps.some((step) => step.operation === "subprocess" && step.changes.length > 0);
}

/**
 * The ways back of what runs within this one have changed and the plan's own rollback does not bring back anyway. They
 * are read once and kept, so that a resumed rollback has the same ones.
 */
export async function nestedWaysBack(
  ctx: DurableContext,
  plan: Plan,
  nested: ((run: string) => readonly NestedChange[]) | undefined,
  acted = ctx.runId,
): Promise<NestedWaysBack> {
  if (nested === undefined || !mayNest(plan)) return { steps: [], left: [] };
  const changes = await ctx.step<Json>("nested-runs", async () => nested(acted) as unknown as Json, {
    disposition: { kind: "idempotent", readOnly: true },
    deadlineMs: READ_MS,
  });
  const covered = new Set((plan.rollback?.steps ?? []).flatMap((step) => step.changes));
  return waysBackOf(changes as unknown as readonly NestedChange[], covered);
}

/** Works out what is taken back of `changes` (oldest first) when the subjects in `covered` are brought back anyway. */
export function waysBackOf(changes: readonly NestedChange[], covered: ReadonlySet<Subject>): NestedWaysBack {
  const steps: NestedStep[] = [];
  const left: { id: string; why: string }[] = [];
  for (const { run, release, previous, steps: done } of changes.toReversed()) {
    for (const step of done.toReversed()) {
      if (step.changes.every((subject) => covered.has(subject))) continue;
      const id = `nested/${run}/${step.id}`;
      if (step.wayBack?.kind === "revert") steps.push({ run, step: { ...takeBackStep(step), id }, release, previous });
      else left.push({ id, why: step.wayBack?.why ?? "it has no way back" });
    }
  }
  return { steps, left };
}
