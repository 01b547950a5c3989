import { execute } from "./carry-out.ts";
import { findRun } from "./runs.ts";
import { requestAndWait } from "./request.ts";
import { isMisfit, takeBackRecorded } from "./take-back.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the one that runs)")
    .option("--reason <text>", "why, for the record")
    .action(async (id: string | undefined, options: { reason?: string }) => {
      const sunny = await context.sunny();
      const run = findRun(sunny, id);
      const reason = { kind: "abort", by: context.actor, detail: options.reason ?? null } as const;
      if (sunny.isCarriedOut(run.id)) {
        await requestAndWait(context, run.id, { kind: "interrupt", reason }, options.reason, "goes back");
        return;
      }
      if (run.endedAt === null && isMisfit(sunny, run)) return takeBackRecorded(context, sunny, run, options.reason);
      // Nobody carries it out: the rollback is done here, so that an abort is never a wish only.
      sunny.engine.interrupt(run.id, reason);
      await execute(context, sunny, run.id);
    });
};
