import { rfc3339 } from "../clock.ts";
import type { RunRecord } from "../engine/storage.ts";
import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { planSteps } from "../plan/model.ts";
import { closest } from "../system/closest.ts";
import { findNewest, planOf } from "./runs.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the newest)")
    .option("--step <step>", "only this step and what belongs to it")
    .action(async (id: string | undefined, options: { step?: string }) => {
      const sunny = await context.sunny();
      const run = findNewest(sunny, id);
      const { step } = options;
      if (step !== undefined) requireStep(sunny, run, step);
      const chunks = sunny.journal.read
        .output(run.id, null, 0)
        .filter((chunk) => step === undefined || chunk.step === step || chunk.step.startsWith(`${step}/`));
      let at = "";
      for (const chunk of chunks) {
        context.output.event("output", {
          step: chunk.step,
          attempt: chunk.attempt,
          at: rfc3339(chunk.at),
          text: chunk.text,
        });
        if (context.output.json) continue;
        if (chunk.step !== at) context.output.text(`== ${chunk.step}`);
        at = chunk.step;
        context.output.text(chunk.text);
      }
      if (chunks.length === 0) context.output.note(`No output was kept of ${step ?? run.id}.`);
      context.output.summary({ deployment: run.id, chunks: chunks.length });
    });
};

/** @throws USAGE when neither the plan nor the journal knows the step */
function requireStep(sunny: Sunny, run: RunRecord, step: string): void {
  const plan = planOf(run);
  const planned = [...planSteps(plan), ...(plan.rollback?.steps ?? [])].map(({ id }) => id);
  const taken = sunny.journal.read.history(run.id).flatMap(({ name }) => name ?? []);
  if ([...planned, ...taken].some((name) => name === step || name.startsWith(`${step}/`))) return;
  const near = closest(step, planned);
  throw new SunnyError("USAGE", `${run.id} has no step "${step}"`, {
    place: { deployment: run.id },
    hint: `${near === undefined ? "" : `Did you mean "${near}"? `}Its steps: ${planned.join(", ")}.`,
  });
}
