import { SunnyError } from "../errors.ts";
import type { Emergency } from "../runbook/model.ts";
import { closest } from "../system/closest.ts";
import { carryOut } from "./carry-out.ts";
import type { Configure } from "./configure.ts";
import type { CliContext } from "./context.ts";
import { planFor } from "./make-plan.ts";
import { runbookOf } from "./read-runbook.ts";

interface Options {
  readonly runbook?: string;
  readonly reason?: string;
}

export const configure: Configure = (command, context) => {
  command
    .argument("[name]", 'an emergency procedure of the runbook ("data loss"); without one they are listed')
    .option("--runbook <file>", "instead of the configured one")
    .option("--reason <text>", "what happened, for the record")
    .description(
      "Go through an emergency procedure: contacts are told, and each instruction is put to a person with what Sunny can see of it. `sunny resolve` answers done, skip or abort; who did what is recorded. Sunny changes nothing by itself here.",
    )
    .action(async (name: string | undefined, options: Options) => {
      const sunny = await context.sunny();
      const read = await runbookOf(context, sunny, options);
      const { emergencies } = read.runbook;
      if (name === undefined) return list(context, emergencies);
      const emergency = named(emergencies, name);
      const reason = options.reason ?? "";
      // In an incident nobody should have to set the rest of the runbook right first.
      const plan = await planFor(
        context,
        sunny,
        { ...read, diagnostics: [] },
        { subject: { kind: "emergency", emergency }, reason },
      );
      await carryOut(context, sunny, plan);
    });
};

function list({ output }: CliContext, emergencies: readonly Emergency[]): void {
  for (const { title, steps } of emergencies) {
    output.event("emergency", { name: title, steps: steps.map((step) => step.text) });
    output.text([title, ...steps.map((step, at) => `  ${at + 1}. ${step.text}`)].join("\n"));
  }
  if (emergencies.length === 0) output.text("The runbook has no emergency procedures.");
  output.summary({ emergencies: emergencies.length });
}

function named(emergencies: readonly Emergency[], name: string): Emergency {
  const wanted = fold(name);
  const exact = emergencies.find(({ id, title }) => id === name || fold(title) === wanted);
  const partial = emergencies.filter(({ title }) => fold(title).includes(wanted));
  const found = exact ?? (partial.length === 1 ? partial[0] : undefined);
  if (found !== undefined) return found;
  const near = closest(
    name,
    emergencies.map(({ title }) => title),
  );
  const which = partial.length > 1 ? `: it could be ${partial.map(({ title }) => `"${title}"`).join(" or ")}` : "";
  throw new SunnyError(
    "USAGE",
    `There is no emergency procedure "${name}"${which}${near === undefined || which !== "" ? "" : `; did you mean "${near}"?`}`,
    { hint: "`sunny emergency` lists them." },
  );
}

function fold(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, " ")
    .trim();
}
