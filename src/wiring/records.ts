import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import type { AuditLeaf } from "../audit/leaf.ts";
import type { AuditLog } from "../audit/log.ts";
import { openAuditLog } from "../audit/open-log.ts";
import { generateKey, parseSigner, verifierKey, verifierOf, type NoteSigner } from "../audit/note.ts";
import { AuditRows } from "../audit/rows.ts";
import { CHECKPOINT } from "../audit/standing.ts";
import { auditPlaces, type AuditPlaces } from "../audit/places.ts";
import type { Clock } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { Journal } from "../engine/journal.ts";
import { leafOf } from "../engine/leaf.ts";
import { openJournal } from "../engine/open-journal.ts";
import { keepReserve, releaseReserve } from "../engine/reserve.ts";
import type { System } from "../system/schema.ts";

/** Journal and audit log of an environment: one file, one transaction. */
export interface Records {
  readonly journal: Journal;
  readonly audit: AuditLog;
  readonly places: AuditPlaces;
  /** Every entry of the log, oldest first. */
  leaves(): Iterable<AuditLeaf>;
  /** Keeps room on the disk for the way back of a run that is about to start. @throws DISK_FULL, JOURNAL_UNWRITABLE */
  keepRoom(): void;
  /** Gives that room back, for a rollback or a hold only; false when there was none. */
  releaseRoom(): boolean;
  close(): void;
}

/** From where this process acts, for the audit log. */
export const ORIGIN: AuditLeaf["origin"] = { host: hostname(), pid: process.pid };

/** What may be set right while the log is opened; both default to false. */
export interface RecordsRepair {
  /** Write the published log again from the database. */
  readonly republish?: boolean;
  /** Begin a new second copy where it is gone. */
  readonly acceptMissingCopy?: boolean;
}

/**
 * Opens both, making them and their signing key on first use. Nothing is written when the log does not fit what is
 * known of it.
 * @throws JOURNAL_* and AUDIT_* codes
 */
export function openRecords(system: System, clock: Clock, repair: RecordsRepair = {}): Records {
  const places = auditPlaces(system.stateDir, system.checkpointCopyDir);
  // The journal makes the state directory; the key comes after it, so that an unwritable place is reported once.
  let audit: AuditLog | undefined;
  const journal = openJournal(places.journal, {
    clock,
    toLeaf: leafOf({ service: system.service, ...ORIGIN }),
    sink: (db: DatabaseSync) => {
      audit = openAuditLog({
        db,
        dir: places.log,
        copyDir: places.copy,
        origin: originOf(system),
        signer: auditSigner(places, system, isSigned(places, db)),
        clock,
        ...repair,
      });
      return audit;
    },
  });
  if (audit === undefined) throw new Error("the journal opened without its audit log");
  const log = audit;
  return {
    journal,
    audit: log,
    places,
    keepRoom: () => keepReserve(places.journal),
    releaseRoom: () => releaseReserve(places.journal),
    *leaves() {
      for (const { leaf } of log.leaves()) yield leaf;
    },
    close() {
      log.close();
      journal.close();
    },
  };
}

/** Whether a checkpoint of this log was ever signed, as far as this machine knows. */
function isSigned(places: AuditPlaces, db: DatabaseSync): boolean {
  const known = [places.log, places.copy].some((place) => existsSync(path.join(place, CHECKPOINT)));
  return known || new AuditRows(db, true).published() !== undefined;
}

function auditSigner(places: AuditPlaces, system: System, isOld: boolean): NoteSigner {
  if (!existsSync(places.signer)) {
    if (isOld) throw keyMissing(places);
    mkdirSync(path.dirname(places.signer), { recursive: true, mode: 0o700 });
    writeOnce(places.signer, generateKey(originOf(system)).signer);
  }
  const signer = parseSigner(readFileSync(places.signer, "utf8").trim());
  if (!existsSync(places.verifier)) writeFileSync(places.verifier, `${verifierKey(verifierOf(signer))}\n`);
  return signer;
}

/** Puts a private file in place whole or not at all; where another process was faster, its file stays. */
function writeOnce(file: string, text: string): void {
  const candidate = `${file}.${process.pid}`;
  writeFileSync(candidate, `${text}\n`, { mode: 0o600, flush: true });
  try {
    linkSync(candidate, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(candidate, { force: true });
  }
}

/** Which log this is; its key has the same name. */
function originOf({ service, environment }: System): string {
  return `sunny/${service}/${environment}`;
}

/** Another key would make a log that nobody can tell from a forged one. */
function keyMissing({ signer }: AuditPlaces): SunnyError {
  return new SunnyError("AUDIT_KEY_MISSING", `The key that signs the audit log is gone: ${signer}`, {
    place: { file: signer },
    hint: "Restore it from a backup of the state directory, mode 0600. Nothing is done until then.",
  });
}
