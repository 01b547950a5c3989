import { existsSync } from "node:fs";
import path from "node:path";
import type { Plan } from "../plan/model.ts";
import { rehearse as rehearsePlan } from "../rehearsal/rehearse.ts";
import type { Consequence, Rehearsal, StepRehearsal } from "../rehearsal/rehearse.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./output.ts";
import { planOfReference, readPlanFile } from "./plan-ref.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[plan]", "a file of `sunny plan --out`, a digest, or a deployment")
    .action((reference: string | undefined) => rehearse(context, reference));
};

async function rehearse(context: CliContext, reference: string | undefined): Promise<void> {
  const plan = await planOf(context, reference);
  const { output, clock } = context;
  const begun = clock.monotonic();
  const rehearsal = await rehearsePlan(plan, (text) => output.event("progress", { text }));
  const seconds = Math.round((clock.monotonic() - begun) / 100) / 10;
  for (const one of rehearsal.steps) {
    output.event("step", { id: one.step.id, part: one.part, consequences: one.consequences });
  }
  for (const one of rehearsal.unsafe) output.event("unsafe", { ...one });
  output.text(render(plan, rehearsal, seconds));
  const safe = rehearsal.unsafe.length === 0;
  if (!safe) context.exit(EXIT.refused);
  const { failures, crashes } = rehearsal;
  output.summary({ digest: plan.digest, safe, steps: rehearsal.steps.length, failures, crashes, seconds });
}

/** A plan's file needs no environment; anything else is looked up in it. */
async function planOf(context: CliContext, reference: string | undefined): Promise<Plan> {
  if (reference !== undefined && existsSync(path.resolve(context.cwd, reference)))
    return readPlanFile(context, reference);
  return planOfReference(context, await context.sunny(), reference);
}

function render(plan: Plan, { steps, unsafe, failures, crashes }: Rehearsal, seconds: number): string {
  const lines = [`Rehearsal of ${plan.digest.slice(0, "sha256:".length + 12)}`];
  for (const part of ["phases", "rollback"] as const) {
    const some = steps.filter((one) => one.part === part);
    if (some.length > 0) lines.push("", part === "phases" ? "When a step fails" : "When a step of the way back fails");
    for (const one of some) lines.push(...stepLines(one));
  }
  lines.push(
    "",
    `${failures} failures and ${crashes.points} crashes in ${seconds} s; ${crashes.same} of the crashes end as no crash does.`,
  );
  if (unsafe.length === 0) return [...lines, "Every one of them ends in a defined, safe state."].join("\n");
  lines.push(
    "",
    `UNSAFE: ${unsafe.length} ${unsafe.length === 1 ? "path leads" : "paths lead"} to a state from which nothing leads back`,
  );
  for (const { step, path: steps } of unsafe.slice(0, 10)) {
    lines.push(`  ${step ?? "the run"}`, ...steps.map((one, i) => `  ${"  ".repeat(i)}→ ${one}`));
  }
  return lines.join("\n");
}

function stepLines({ step, consequences }: StepRehearsal): string[] {
  const counts = new Map<string, Consequence[]>();
  for (const one of consequences) counts.set(one.outcome, [...(counts.get(one.outcome) ?? []), one]);
  const lines = [`  ${step.title}`];
  if (counts.size === 0) lines.push("      takes no step of its own in the world of this plan");
  for (const [outcome, some] of counts) {
    const places =
      some.length === consequences.length ? "wherever it fails" : `${some.length} of ${consequences.length} places`;
    lines.push(`      ${wording(outcome)} (${places})`);
  }
  return lines;
}

function wording(outcome: string): string {
  switch (outcome) {
    case "refused":
      return "ends, and nothing was changed";
    case "rolled-back":
      return "everything goes back to the state before";
    case "succeeded":
      return "does no harm: the deployment goes on";
    default:
      return outcome.startsWith("held, then")
        ? `holds and asks a person, then ${outcome.slice("held, then ".length)}`
        : outcome;
  }
}
