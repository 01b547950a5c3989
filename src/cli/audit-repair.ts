import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import type { Problem, ProblemKind } from "../audit/findings.ts";
import { auditPlaces, type AuditPlaces } from "../audit/places.ts";
import { rfc3339 } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import { show, verifyPlaces } from "./audit-verify.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./output.ts";

/** What lies in the published files alone and can be written again from the database. */
const PUBLISHED: ReadonlySet<ProblemKind> = new Set<ProblemKind>([
  "CHECKPOINT_INVALID",
  "CHECKPOINT_MISSING",
  "FILE_ALTERED",
  "FILE_EXTRA",
  "FILE_MISSING",
  "LEAF_ALTERED",
  "LEAF_MISSING",
]);
const COPY: ReadonlySet<ProblemKind> = new Set<ProblemKind>(["COPY_INVALID", "COPY_MISSING"]);

/** `sunny audit repair`. */
export function configureRepair(command: Command, context: CliContext): void {
  command
    .command("repair")
    .description("Write damaged files of the published log again from the database. What is damaged is set aside.")
    .option("--new-copy", "also begin a new second copy where it is lost or damaged: what it knew is then gone")
    .action((options: { newCopy?: boolean }) => repair(context, options.newCopy === true));
}

async function repair(context: CliContext, newCopy: boolean): Promise<void> {
  const { system } = await context.system();
  const places = auditPlaces(system.stateDir, system.checkpointCopyDir);
  const { output } = context;
  const before = await verifyPlaces(places);
  if (before.ok) {
    output.text("Nothing is wrong with the log; nothing was done.");
    output.summary({ ok: true, repaired: 0 });
    return;
  }
  requireRepairable(before.problems, newCopy);
  const aside = setAside(places, before.problems, rfc3339(context.clock.now()));
  const { openRecords } = await import("../wiring/records.ts");
  openRecords(system, context.clock, { republish: true, acceptMissingCopy: newCopy }).close();
  const sunny = await context.sunny();
  const kinds = [...new Set(before.problems.map((problem) => problem.kind))];
  sunny.record(context.actor, "log.repaired", "success", null, { problems: kinds, setAside: aside });
  for (const { kind, message } of before.problems) output.text(`repaired  ${kind}  ${message}`);
  if (aside !== null) output.text(`What was there before is in ${aside}; find out who changed it.`);
  // A second connection reads what the first has committed; it is published when the command ends.
  const after = await verifyPlaces(places);
  context.exit(after.ok ? EXIT.done : EXIT.refused);
  show(context, after, { repaired: before.problems.length, setAside: aside });
}

/**
 * The published files follow from the database and may be written again; database, journal and second copy follow from
 * nothing. @throws AUDIT_BEYOND_REPAIR
 */
function requireRepairable(problems: readonly Problem[], newCopy: boolean): void {
  const others = problems.filter(({ kind }) => !PUBLISHED.has(kind) && !COPY.has(kind));
  const [worst] = others;
  if (worst !== undefined) {
    throw new SunnyError("AUDIT_BEYOND_REPAIR", `Cannot repair the audit log: ${worst.message}; it was left as it is`, {
      hint: worst.remedy,
      details: { problems: others },
    });
  }
  const copy = problems.find(({ kind }) => COPY.has(kind));
  if (copy === undefined || newCopy) return;
  throw new SunnyError("AUDIT_BEYOND_REPAIR", `Cannot repair the audit log: ${copy.message}; it was left as it is`, {
    hint: "Bring the second copy back, or add --new-copy: an older log can then no longer be told from this one.",
    details: { problems: problems.filter(({ kind }) => COPY.has(kind)) },
  });
}

/** Copies every damaged file to a place of its own; those that stand in the way of writing the log again are removed. */
function setAside(places: AuditPlaces, problems: readonly Problem[], at: string): string | null {
  const aside = path.join(path.dirname(places.log), "set-aside", at.replaceAll(":", ""));
  let kept = false;
  const keep = (file: string, name: string, isInTheWay: boolean): void => {
    if (!existsSync(file)) return;
    const target = path.join(aside, name);
    mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
    copyFileSync(file, target);
    kept = true;
    if (isInTheWay) rmSync(file);
  };
  for (const { kind, file } of problems) {
    if (COPY.has(kind)) {
      for (const name of ["checkpoint", "history"]) keep(path.join(places.copy, name), `second-copy/${name}`, true);
    } else if (file !== undefined) {
      const whole = path.resolve(places.log, file);
      const isInTheWay = kind === "CHECKPOINT_INVALID" || kind === "FILE_EXTRA";
      keep(whole, path.join("audit", path.relative(places.log, whole)), isInTheWay);
    }
  }
  return kept ? aside : null;
}
