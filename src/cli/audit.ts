import path from "node:path";
import { auditPlaces } from "../audit/places.ts";
import { configureEvidence } from "./audit-evidence.ts";
import { configureRepair } from "./audit-repair.ts";
import { configureVerify, readText } from "./audit-verify.ts";
import type { CliContext } from "./context.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  configureVerify(command, context);
  command
    .command("checkpoint")
    .description("Print the newest signed checkpoint, to be kept elsewhere.")
    .action(() => checkpoint(context));
  command
    .command("list")
    .description("Print the log's entries, newest last, one JSON document a line.")
    .option("--deployment <id>", "only those of one deployment")
    .action((options: { deployment?: string }) => list(context, options));
  configureEvidence(command, context);
  configureRepair(command, context);
};

async function checkpoint(context: CliContext): Promise<void> {
  const { system } = await context.system();
  const places = auditPlaces(system.stateDir, system.checkpointCopyDir);
  const note = readText(path.join(places.log, "checkpoint"), "the log has no checkpoint yet");
  context.output.text(note);
  context.output.summary({ checkpoint: note });
}

async function list(context: CliContext, options: { deployment?: string }): Promise<void> {
  const sunny = await context.sunny();
  let count = 0;
  for (const leaf of sunny.auditLeaves()) {
    if (options.deployment !== undefined && leaf.resource.deployment !== options.deployment) continue;
    count += 1;
    context.output.event("entry", { entry: leaf });
    context.output.text(JSON.stringify(leaf));
  }
  sunny.record(context.actor, "log.read", "success", null, { entries: count });
  context.output.summary({ entries: count });
}
