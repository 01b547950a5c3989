import { requestAndWait } from "./request.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the one that runs)")
    .option("--reason <text>", "why, for the record")
    .action((id: string | undefined, options: { reason?: string }) =>
      requestAndWait(context, id, { kind: "pause" }, options.reason, "is paused after its current step"),
    );
};
