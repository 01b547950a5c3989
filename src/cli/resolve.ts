import type { Question, Resolution } from "../engine/rows.ts";
import { SunnyError } from "../errors.ts";
import { execute } from "./carry-out.ts";
import { findRun } from "./runs.ts";
import type { Configure } from "./configure.ts";

interface Options {
  readonly step?: string;
  readonly as: string;
  readonly reason: string;
}

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the newest that has not ended)")
    .option("--step <step>", "the step that is asked about (default: the one that holds it)")
    .requiredOption("--as <choice>", "done, retry, skip, rollback, promote: what the question offers")
    .requiredOption("--reason <text>", "what you found, for the record")
    .addHelpText(
      "after",
      "\nWho answers is said with --by NAME, since --as is the answer here (default: $SUNNY_ACTOR or the user).",
    )
    .action(async (id: string | undefined, options: Options) => {
      if (options.reason.trim() === "") {
        throw new SunnyError("USAGE", "The reason is empty; it is kept with the answer", {
          hint: "Say with --reason what you found.",
        });
      }
      const sunny = await context.sunny();
      const run = findRun(sunny, id);
      const { question } = run;
      if (run.state !== "held" || question === null) {
        throw new SunnyError("NOT_HELD", `${run.id} asks nothing: it is ${run.state}`, {
          place: { deployment: run.id },
          hint:
            run.endedAt !== null || sunny.isCarriedOut(run.id)
              ? `\`sunny status ${run.id}\` shows what it does.`
              : `Nobody carries it out: \`sunny resume ${run.id}\` takes it up, and asks what must be decided.`,
        });
      }
      const request = { by: context.actor, reason: options.reason };
      if (question.ask === "resolve") {
        requireChoice(options.as, question.choices);
        const step = options.step ?? question.step;
        sunny.engine.request(run.id, { kind: "resolve", step, as: options.as as Resolution }, request);
      } else {
        requireStep(options.step, question);
        const offered = (question.question as { choices?: readonly string[] } | null)?.choices ?? [];
        requireChoice(options.as, offered);
        const value = { as: options.as, decision: options.as, by: context.actor, reason: options.reason };
        sunny.engine.request(run.id, { kind: "signal", name: question.signal, value }, request);
      }
      if (!sunny.isCarriedOut(run.id)) return execute(context, sunny, run.id);
      context.output.text(`${run.id} goes on as "${options.as}".`);
      context.output.summary({ deployment: run.id, as: options.as });
    });
};

/** The question that a step asks is known by the step, by the signal that answers it, and by what stands before that. */
function requireStep(step: string | undefined, { signal, question }: Extract<Question, { ask: "signal" }>): void {
  const own = (question as { readonly step?: string } | null)?.step;
  if (step === undefined || step === own || `${signal}/`.startsWith(`${step}/`)) return;
  throw new SunnyError("USAGE", `Nothing is asked about the step "${step}"`, {
    hint: `What is asked is about ${own ?? signal}; without --step that is meant.`,
  });
}

function requireChoice(choice: string, offered: readonly string[]): void {
  if (offered.includes(choice)) return;
  throw new SunnyError("USAGE", `"${choice}" is no answer to what is asked`, {
    hint: `Choose one of: ${offered.join(", ")}.`,
  });
}
