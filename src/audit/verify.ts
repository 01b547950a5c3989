import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { directoryFiles } from "./files.ts";
import type { AuditFiles } from "./files.ts";
import { Findings } from "./findings.ts";
import type { Problem } from "./findings.ts";
import type { NoteVerifier } from "./note.ts";
import { readSigned, takeSnapshot } from "./snapshot.ts";
import type { Snapshot, SnapshotOptions } from "./snapshot.ts";
import { compareCheckpoint, verifyCopy, verifyHosts } from "./verify-copy.ts";
import { verifyJournal } from "./verify-journal.ts";
import type { JournalReader } from "./verify-journal.ts";
import { verifyRows } from "./verify-rows.ts";
import { verifyTiles } from "./verify-tiles.ts";

export interface VerifyAuditOptions {
  /** Directory of the published log. */
  readonly dir: string | AuditFiles;
  /** The second place; without it a log put back to an older state is found through `against` only. */
  readonly copyDir?: string | AuditFiles;
  /** The journal's database; it is opened read-only. */
  readonly dbPath?: string;
  /** How the journal beside the audit rows is read; without it the journal itself is not compared. */
  readonly journal?: JournalReader;
  /** Keys that may have signed; at least one. */
  readonly verifiers: readonly NoteVerifier[];
  /** Text of a checkpoint that was kept elsewhere. */
  readonly against?: string;
  /** Texts of the checkpoints that hosts keep, by host; undefined when they were not asked. */
  readonly hosts?: ReadonlyMap<string, string>;
}

export interface VerifyReport {
  /** True when nothing is wrong. */
  readonly ok: boolean;
  readonly origin: string | null;
  /** Number of actions that the checkpoint covers. */
  readonly size: number | null;
  /** Root of the checkpoint, base64. */
  readonly root: string | null;
  /** Actions in the database; `null` when it was not looked at. */
  readonly rows: number | null;
  /** What is wrong, where, and what to do; at most 1,000. */
  readonly problems: readonly Problem[];
  /** What is worth knowing and no problem: leftovers of a crash, what could not be compared. */
  readonly notes: readonly string[];
}

const MAX_ATTEMPTS = 5;

/**
 * Verifies an audit log from end to end and trusts no single source: every leaf and every hash is recomputed and
 * compared with the tiles, the signed checkpoint, the second copy with its history, the database, and a checkpoint
 * kept elsewhere. Changes nothing, and works while the log is written to. Never throws for what it finds.
 */
export async function verifyAuditLog(options: VerifyAuditOptions): Promise<VerifyReport> {
  const { DatabaseSync } = await import("node:sqlite");
  for (let attempt = 1; ; attempt++) {
    const findings = new Findings();
    const db = openReadOnly(DatabaseSync, options.dbPath, findings);
    try {
      const { report, settled } = verifyOnce(options, db, findings);
      // A checkpoint that was replaced meanwhile may have taken its partial tiles with it: look again.
      if (report.ok || settled || attempt === MAX_ATTEMPTS) return report;
    } finally {
      db?.close();
    }
  }
}

function verifyOnce(
  options: VerifyAuditOptions,
  db: DatabaseSync | undefined,
  findings: Findings,
): { report: VerifyReport; settled: boolean } {
  const { verifiers } = options;
  const sources: SnapshotOptions = { files: filesOf(options.dir), copy: optionalFiles(options.copyDir), db, verifiers };
  const snapshot = takeSnapshot(sources, findings);
  const compared = snapshot.checkpoint ?? fallback(snapshot, verifiers);
  let rows: number | null = null;
  if (compared !== undefined) {
    const truth = verifyTiles(snapshot, compared, findings);
    const log = { checkpoint: compared, truth };
    if (sources.copy === undefined) findings.note("There was no second copy to compare with");
    else verifyCopy(log, sources.copy, snapshot.copyText, verifiers, findings);
    if (options.against !== undefined) {
      const other = readSigned(options.against, verifiers, (why) =>
        findings.add("CHECKPOINT_INVALID", `The checkpoint to compare with cannot be believed: ${why}`),
      );
      if (other !== undefined) compareCheckpoint(log, other, "the checkpoint kept elsewhere", findings);
    }
    if (options.hosts !== undefined) verifyHosts(log, options.hosts, verifiers, findings);
    if (db !== undefined && snapshot.rows !== undefined) {
      const own = snapshot.rows;
      rows = guarded(findings, () => verifyRows(db, own, compared, truth, verifiers, findings));
      const { journal } = options;
      if (journal !== undefined) guarded(findings, () => verifyJournal(db, own, journal, findings));
    }
  }
  const settled = sources.files.read("checkpoint")?.toString("utf8") === snapshot.text;
  return { report: reportOf(snapshot.checkpoint, rows, findings), settled };
}

/** Without a checkpoint that can be believed the others say which tree there should be. */
function fallback(snapshot: Snapshot, verifiers: readonly NoteVerifier[]): Checkpoint | undefined {
  const notes = [snapshot.rows?.published()?.note, snapshot.copyText];
  for (const note of notes) {
    const checkpoint = readSigned(note, verifiers, () => {});
    if (checkpoint !== undefined) return checkpoint;
  }
  return undefined;
}

function reportOf(checkpoint: Checkpoint | undefined, rows: number | null, findings: Findings): VerifyReport {
  return {
    ok: findings.problems.length === 0,
    origin: checkpoint?.origin ?? null,
    size: checkpoint?.size ?? null,
    root: checkpoint === undefined ? null : Buffer.from(checkpoint.root).toString("base64"),
    rows,
    problems: findings.problems,
    notes: findings.notes,
  };
}

function openReadOnly(
  Database: typeof DatabaseSync,
  file: string | undefined,
  findings: Findings,
): DatabaseSync | undefined {
  if (file === undefined) return undefined;
  try {
    if (!existsSync(file)) throw new Error("there is no such file");
    return new Database(file, { readOnly: true, timeout: 5000 });
  } catch (error) {
    findings.add("DATABASE_UNREADABLE", `The database cannot be opened: ${messageOf(error)}`, { file });
    return undefined;
  }
}

function guarded<T>(findings: Findings, work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    findings.add("DATABASE_DAMAGED", `The database cannot be read to its end: ${messageOf(error)}`);
    return null;
  }
}

function filesOf(place: string | AuditFiles): AuditFiles {
  return typeof place === "string" ? directoryFiles(place) : place;
}

function optionalFiles(place: string | AuditFiles | undefined): AuditFiles | undefined {
  return place === undefined ? undefined : filesOf(place);
}
