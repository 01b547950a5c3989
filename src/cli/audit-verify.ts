import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { parseVerifier } from "../audit/note.ts";
import { auditPlaces, type AuditPlaces } from "../audit/places.ts";
import type { VerifyReport } from "../audit/verify.ts";
import { messageOf, SunnyError } from "../errors.ts";
import type { System } from "../system/schema.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./output.ts";

interface VerifyOptions {
  readonly against?: string;
  readonly key?: string;
  readonly hosts?: boolean;
}

/** `sunny audit verify`. */
export function configureVerify(command: Command, context: CliContext): void {
  command
    .command("verify")
    .description("Prove that nothing in the log was changed, removed, reordered or put back to an older state.")
    .option("--against <file>", "a checkpoint that was kept elsewhere")
    .option("--hosts", "also ask every server for the checkpoint that it keeps")
    .option("--key <file>", "the verifier key as you keep it (default: the one beside the log)")
    .action((options: VerifyOptions) => verify(context, options));
}

async function verify(context: CliContext, options: VerifyOptions): Promise<void> {
  const { system } = await context.system();
  const places = auditPlaces(system.stateDir, system.checkpointCopyDir);
  const at = (file: string): string => path.resolve(context.cwd, file);
  const hosts = options.hosts === true ? await checkpointsOf(context, system) : undefined;
  const report = await verifyPlaces(places, {
    ...(hosts === undefined ? {} : { hosts }),
    ...(options.key === undefined ? {} : { key: at(options.key) }),
    ...(options.against === undefined ? {} : { against: readText(at(options.against)) }),
  });
  show(context, report);
  context.exit(report.ok ? EXIT.done : EXIT.refused);
}

/** What the hosts keep; those that cannot be asked, or keep nothing, are told of. */
async function checkpointsOf({ clock, output }: CliContext, system: System): Promise<ReadonlyMap<string, string>> {
  const { hostCheckpoints } = await import("../wiring/host-checkpoints.ts");
  const { transportsOf } = await import("../wiring/transports.ts");
  const transports = transportsOf(system, clock);
  try {
    const found = new Map<string, string>();
    for (const { host, note, problem } of await hostCheckpoints(system, transports)) {
      if (note === null) output.note(problem ?? `${host} keeps no checkpoint yet`);
      else found.set(host, note);
    }
    return found;
  } finally {
    await transports.close();
  }
}

/** Compares all places of a log, the journal's rows included; opens nothing for writing. @throws FILE_UNREADABLE, NOTE_KEY_INVALID */
export async function verifyPlaces(
  places: AuditPlaces,
  {
    key = places.verifier,
    against,
    hosts,
  }: { readonly key?: string; readonly against?: string; readonly hosts?: ReadonlyMap<string, string> } = {},
): Promise<VerifyReport> {
  const { verifyAuditLog } = await import("../audit/verify.ts");
  const { rowDigests } = await import("../engine/row-digests.ts");
  return verifyAuditLog({
    dir: places.log,
    copyDir: places.copy,
    dbPath: places.journal,
    journal: rowDigests,
    verifiers: [parseVerifier(readText(key, "nothing was ever recorded here").trim())],
    ...(against === undefined ? {} : { against }),
    ...(hosts === undefined ? {} : { hosts }),
  });
}

/** Shows what a verification found; `more` goes into the summary. */
export function show({ output }: CliContext, report: VerifyReport, more: Readonly<Record<string, unknown>> = {}): void {
  for (const problem of report.problems) {
    output.event("problem", { ...problem });
    const place = [problem.file, problem.leaf === undefined ? undefined : `leaf ${problem.leaf}`].filter(
      (one) => one !== undefined,
    );
    output.text(
      `${problem.kind}  ${problem.message}${place.length === 0 ? "" : `\n  at ${place.join(", ")}`}\n  ${problem.remedy}`,
    );
  }
  for (const note of report.notes) output.note(note);
  const { ok, origin, size, root } = report;
  const count = report.problems.length;
  if (ok) output.text(`verified: ${size ?? 0} entries of ${origin ?? "the log"}, root ${root ?? ""}`);
  else output.text(`NOT verified: ${count} ${count === 1 ? "problem" : "problems"}`);
  output.summary({ ok, size, root, problems: count, ...more });
}

/** Reads a file that somebody named, or that should be there. @throws FILE_UNREADABLE */
export function readText(file: string, missing = "there is no such file"): string {
  const why = existsSync(file) ? undefined : missing;
  try {
    if (why === undefined) return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, messageOf(error), error);
  }
  throw unreadable(file, why);
}

function unreadable(file: string, why: string, cause?: unknown): SunnyError {
  return new SunnyError("FILE_UNREADABLE", `Cannot read ${file}: ${why}`, {
    place: { file },
    hint: "Check the path and the configuration.",
    ...(cause === undefined ? {} : { cause }),
  });
}
