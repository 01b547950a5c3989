import { heldText } from "./carry-out.ts";
import { followUntilStill } from "./follow.ts";
import { EXIT, exitStatusOfOutcome } from "./output.ts";
import { findRun, outputOf } from "./runs.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the one that runs)")
    .description("Follow a deployment live; its exit status is that of the deployment. Ctrl-C ends the watching only.")
    .action(async (id: string | undefined) => {
      const sunny = await context.sunny();
      const run = await followUntilStill(context, sunny, findRun(sunny, id).id);
      const output = outputOf(run);
      if (run.state === "held" && run.question !== null) context.output.text(heldText(run.id, run.question));
      context.output.summary({
        deployment: run.id,
        state: run.state,
        outcome: output?.outcome ?? null,
        reason: output?.reason ?? null,
      });
      if (context.signal.aborted) context.exit(EXIT.interrupted);
      else context.exit(output === null ? EXIT.held : exitStatusOfOutcome(output.outcome));
    });
};
