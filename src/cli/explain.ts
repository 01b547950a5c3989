import { rfc3339 } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import { renderExplanation } from "../operations/monitor/render.ts";
import type { Configure } from "./configure.ts";
import { EXIT } from "./output.ts";
import { findNewest, planOf } from "./runs.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the newest)")
    .description(
      "Recompute every verdict of a deployment from the intervals that were kept. Exits with 1 when record and data disagree.",
    )
    .action(async (id: string | undefined) => {
      const sunny = await context.sunny();
      const run = findNewest(sunny, id);
      const explanation = (await sunny.watch()).explain(run.id, planOf(run).rules);
      if (explanation === null) {
        throw new SunnyError("NOTHING_WATCHED", `Nothing was watched in ${run.id}: no interval is kept`, {
          hint: "The service is watched from the canary on; `sunny logs` shows what was done before.",
        });
      }
      for (const { judgement, at, ...verdict } of explanation.verdicts) {
        context.output.event("verdict", {
          ...verdict,
          judgedAt: rfc3339(at),
          by: judgement.by,
          eValue: judgement.eValue,
          reasons: judgement.reasons,
        });
      }
      if (!context.output.json) context.output.text(renderExplanation(explanation).join("\n"));
      context.output.summary({
        deployment: run.id,
        intervals: explanation.intervals.length,
        verdicts: explanation.verdicts.length,
        problems: explanation.problems,
        agrees: explanation.agrees,
      });
      if (!explanation.agrees) context.exit(EXIT.refused);
    });
};
