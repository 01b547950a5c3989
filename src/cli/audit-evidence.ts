import { readFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import type { VerifiedEvidence } from "../audit/evidence.ts";
import type { AuditLeaf } from "../audit/leaf.ts";
import { messageOf, SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import type { CliContext } from "./context.ts";

/** `sunny audit export` and `sunny audit verify-evidence`. */
export function configureEvidence(command: Command, context: CliContext): void {
  command
    .command("export")
    .description("Write the evidence of one deployment: its actions, a proof for each, checkpoint and key.")
    .argument("<deployment>", "its id, as `sunny status` shows it")
    .requiredOption("--out <dir>", "a directory that does not exist yet")
    .action((deployment: string, options: { out: string }) => exportOne(context, deployment, options.out));
  command
    .command("verify-evidence")
    .description("Prove that exported evidence is what was recorded. Needs no configuration.")
    .argument("<dir>", "what `sunny audit export` wrote")
    .requiredOption("--key <file>", "the log's verifier key, from somebody you trust: not the one in the directory")
    .action((dir: string, options: { key: string }) => verifyOne(context, dir, options.key));
}

async function exportOne(context: CliContext, deployment: string, directory: string): Promise<void> {
  const sunny = await context.sunny();
  const { exportEvidence } = await import("../audit/evidence.ts");
  const { auditPlaces } = await import("../audit/places.ts");
  const places = auditPlaces(sunny.system.stateDir, sunny.system.checkpointCopyDir);
  const out = path.resolve(context.cwd, directory);
  const plan = planOf(sunny, deployment);
  // Opening the log has published all of it.
  const evidence = exportEvidence({
    dir: places.log,
    deployment,
    out,
    verifier: readKey(places.verifier),
    ...(plan === null ? {} : { plan }),
  });
  sunny.record(context.actor, "evidence.exported", "success", null, { deployment, actions: evidence.leaves.length });
  context.output.text(
    `${evidence.leaves.length} actions of ${deployment}, each with its proof, are in ${out}.\n` +
      "Whoever has the log's key (`keys/audit.pub` in the state directory) verifies them with\n" +
      `  sunny audit verify-evidence ${directory} --key FILE\nor, without Sunny, as the README.md in it says.`,
  );
  context.output.summary({ deployment, out, actions: evidence.leaves.length, plan });
}

/** The plan's digest, by which attestations and approvals are found; null when the journal does not know the run. */
function planOf(sunny: Sunny, deployment: string): string | null {
  const input = sunny.journal.read.run(deployment)?.input as
    | { readonly plan?: { readonly digest?: string } }
    | undefined;
  return input?.plan?.digest ?? null;
}

async function verifyOne(context: CliContext, directory: string, keyFile: string): Promise<void> {
  const { verifyEvidence } = await import("../audit/evidence.ts");
  const key = readKey(path.resolve(context.cwd, keyFile));
  const { origin, size, leaves, gaps } = verifyEvidence(path.resolve(context.cwd, directory), key);
  const { output } = context;
  for (const { index, leaf } of leaves) {
    output.event("entry", { index, entry: leaf });
    output.text(lineOf(index, leaf));
  }
  output.text(`verified: ${leaves.length} actions, as they are in the log ${origin} of ${size} actions`);
  const left = gaps.map(([from, to]) => (from === to ? String(from) : `${from} to ${to}`));
  if (left.length > 0) {
    output.text(
      `Not among them, being of others or left out: ${left.slice(0, 20).join(", ")}${left.length > 20 ? ", ..." : ""}.`,
    );
  }
  for (const [deployment, end] of endsMissing(leaves)) output.text(`The ${end} of ${deployment} is not among them.`);
  output.summary({ ok: true, origin, size, actions: leaves.length, gaps });
}

/** Deployments whose first or last action is not in the evidence: it was left out, or the run goes on. */
function endsMissing(leaves: VerifiedEvidence["leaves"]): [deployment: string, end: "beginning" | "end"][] {
  const runs = Map.groupBy(leaves, ({ leaf }) => leaf.resource.deployment ?? "");
  return [...runs].flatMap(([deployment, own]): [string, "beginning" | "end"][] => {
    const actions = new Set(own.map(({ leaf }) => leaf.action));
    if (deployment === "" || ![...actions].some((action) => /^(?:run|step)\./.test(action))) return [];
    const lacks = (action: string): boolean => !actions.has(action);
    return [
      ...(lacks("run.started") ? [[deployment, "beginning"] as [string, "beginning"]] : []),
      ...(lacks("run.ended") ? [[deployment, "end"] as [string, "end"]] : []),
    ];
  });
}

function lineOf(index: number, leaf: AuditLeaf): string {
  const { at, actor, action, outcome, resource } = leaf;
  const what = resource.step === undefined ? action : `${action}  ${resource.step}`;
  return `${String(index).padStart(6)}  ${at}  ${actor.name.padEnd(12)}  ${outcome.padEnd(9)}  ${what}`;
}

function readKey(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new SunnyError("FILE_UNREADABLE", `Cannot read the log's key: ${messageOf(error)}`, {
      place: { file },
      hint: "It is one line, as in `keys/audit.pub` of the state directory.",
      cause: error,
    });
  }
}
