import type { RunRecord } from "../engine/storage.ts";
import { isSunnyError, messageOf, SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { execute } from "./carry-out.ts";
import { EXIT } from "./output.ts";
import { findRun } from "./runs.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the newest that has not ended)")
    .option("--all", "every one that can go on by itself; safe to call from a timer or at boot")
    .action(async (id: string | undefined, options: { all?: boolean }) => {
      const sunny = await context.sunny();
      if (options.all !== true) return execute(context, sunny, resumable(sunny, id).id);
      const ready = sunny.journal.read
        .runs(500)
        .filter((run) => run.endedAt === null && run.state !== "held" && run.state !== "paused");
      let taken = 0;
      for (const run of ready.filter((one) => !sunny.isCarriedOut(one.id))) {
        try {
          await sunny.execute(run.id, context.actor);
          taken += 1;
        } catch (error) {
          // Another process was quicker, which is as well.
          if (isSunnyError(error, "RUN_BUSY")) continue;
          context.output.note(`${run.id}: ${messageOf(error)}`);
          context.exit(EXIT.refused);
        }
      }
      context.output.text(taken === 0 ? "Nothing was left to go on with." : `${taken} taken up.`);
      context.output.summary({ taken });
    });
};

/** The run that is named, also one that has ended, whose end is then shown; else the newest that has not. */
function resumable(sunny: Sunny, id: string | undefined): RunRecord {
  const run = findRun(sunny, id);
  if (id !== undefined || run.endedAt === null) return run;
  throw new SunnyError("NOTHING_TO_RESUME", "Every deployment of this environment has ended", {
    hint: "`sunny status` lists them; `sunny deploy` starts one.",
  });
}
