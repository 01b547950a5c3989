import { SunnyError } from "../errors.ts";
import { runByHand } from "./by-hand.ts";
import type { Configure } from "./configure.ts";

interface Options {
  readonly reason?: string;
  readonly hosts?: string;
}

export const configure: Configure = (command, context) => {
  command
    .requiredOption("--reason <text>", "why these hosts are taken over, for the record")
    .option("--hosts <names>", "some hosts, comma-separated, when the others do not answer (default: all)")
    .description(
      "Take hosts and load balancer over for this state directory: of a running environment, or after a state directory was lost. What serves stays as it is; whoever had them before is refused from then on.",
    )
    .action(async ({ reason = "", hosts }: Options) => {
      if (reason.trim() === "") {
        throw new SunnyError("USAGE", "A takeover needs a reason", {
          hint: 'For example --reason "the laptop with the state directory was lost".',
        });
      }
      const sunny = await context.sunny();
      for (const { host, found } of await sunny.found()) {
        context.output.event("found", { host, found });
        context.output.text(`${host}: ${found}`);
      }
      const raw = { _: [], ...(hosts === undefined ? {} : { hosts }) };
      await runByHand(context, sunny, { verb: "adopt", name: "adopt", raw, reason });
    });
};
