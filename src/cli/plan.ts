import { writeFileSync } from "node:fs";
import path from "node:path";
import { renderChanges, renderPlan } from "../plan/render.ts";
import type { Plan } from "../plan/model.ts";
import type { CliContext } from "./context.ts";
import { makePlan, planOptions, type PlanOptions } from "./make-plan.ts";
import { lastDeployment } from "./runs.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  planOptions(command)
    .option("-o, --out <file>", "write the frozen plan to this file")
    .action(async (options: PlanOptions & { out?: string }) => plan(context, options));
};

async function plan(context: CliContext, options: PlanOptions & { out?: string }): Promise<void> {
  const sunny = await context.sunny();
  const made = await makePlan(context, sunny, options);
  const { output } = context;
  output.text(renderPlan(made));
  const last = lastDeployment(sunny);
  if (last !== null) showChanges(context, last, made);
  if (options.out !== undefined) {
    const file = path.resolve(context.cwd, options.out);
    writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 });
    output.note(`\nWritten to ${file}. Carry it out with \`sunny deploy --plan ${options.out}\`.`);
  }
  output.event("plan", { plan: made });
  output.summary({ digest: made.digest, kind: made.kind, release: made.release?.version ?? null });
}

function showChanges(context: CliContext, last: Plan, made: Plan): void {
  const changes = renderChanges(last, made);
  context.output.event("changes", { since: last.digest, changes });
  const since = `the last deployment (${last.release?.version ?? "none"})`;
  if (changes.length === 0) context.output.text(`\nNothing but the release differs from ${since}.`);
  else context.output.text(["", `Different from ${since}:`, ...changes.map((line) => `  ${line}`)].join("\n"));
}
