import { SunnyError } from "../errors.ts";
import { openCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { AuditFiles } from "./files.ts";
import { rootOf, sameHash } from "./merkle.ts";
import type { NoteVerifier } from "./note.ts";
import type { AuditRows } from "./rows.ts";

/** The file name of a checkpoint, in the log's directory and in the second place. */
export const CHECKPOINT = "checkpoint";

/** What the two places say, after they were found to agree with the rows. */
export interface Standing {
  /** Size that both places hold at least; everything below was published. */
  readonly size: number;
  /** True when both places hold exactly the given size. */
  readonly complete: boolean;
}

export interface StandingOptions {
  readonly rows: AuditRows;
  readonly files: AuditFiles;
  readonly copy: AuditFiles;
  readonly origin: string;
  readonly verifiers: readonly NoteVerifier[];
  /** Number of leaves in the database. */
  readonly size: number;
  /** On opening, a checkpoint ahead of the log means that the log's end is lost; later that another log is in use. */
  readonly opening: boolean;
  /** Go on although the second copy is gone. */
  readonly acceptMissingCopy: boolean;
  /** Everything is written again from the rows: a checkpoint that is gone from the directory is no obstacle. */
  readonly republish: boolean;
}

/**
 * Compares the rows with the two checkpoints that stand. A crash may leave the second copy behind the first, and the
 * note in the database behind both, never the other way round; anything else is refused.
 * @throws AUDIT_AHEAD, AUDIT_LOST_TAIL, AUDIT_ROLLED_BACK, AUDIT_COPY_MISSING, AUDIT_FORKED, NOTE_*, AUDIT_CHECKPOINT_INVALID
 */
export function checkStanding(options: StandingOptions): Standing {
  const published = options.rows.published();
  // Both places mostly say the same, which is looked at once.
  const read = new Map<string, Checkpoint>();
  const first = readCheckpoint(options, options.files, published?.note, read);
  const second = readCheckpoint(options, options.copy, published?.note, read);
  if (published !== undefined && first === undefined && !options.republish) {
    throw rolledBack(`${options.files.name}/${CHECKPOINT} is gone`, { published: published.size });
  }
  if (second === undefined && first !== undefined && published !== undefined && !options.acceptMissingCopy) {
    throw copyMissing(options.copy);
  }
  const known = published?.size ?? 0;
  if (first !== undefined && first.size < known) {
    throw rolledBack(`${options.files.name} holds ${first.size} actions, ${known} were published`, {
      published: known,
    });
  }
  const held = first?.size ?? (options.republish ? known : 0);
  if (second !== undefined && second.size > held) {
    throw rolledBack(`${options.files.name} holds ${held} actions, the second copy knows of ${second.size}`, {
      log: held,
      copy: second.size,
    });
  }
  if (second !== undefined && second.size < known) {
    throw rolledBack(`the second copy ${options.copy.name} holds ${second.size} actions, ${known} were published`, {
      published: known,
      copy: second.size,
    });
  }
  const complete = first?.size === options.size && second?.size === options.size && known === options.size;
  return { size: Math.min(known, first?.size ?? 0), complete: complete && published !== undefined };
}

function readCheckpoint(
  options: StandingOptions,
  files: AuditFiles,
  known: string | undefined,
  read: Map<string, Checkpoint>,
): Checkpoint | undefined {
  const note = files.read(CHECKPOINT)?.toString("utf8");
  if (note === undefined) return undefined;
  const same = read.get(note);
  if (same !== undefined) return same;
  const checkpoint = openCheckpoint(note, options.verifiers, options.origin);
  if (checkpoint.size > options.size) throw ahead(options, files, checkpoint);
  read.set(note, checkpoint);
  if (note === known && !options.opening) return checkpoint;
  if (!sameHash(rootOf(options.rows.frontier(checkpoint.size)), checkpoint.root)) {
    throw new SunnyError(
      "AUDIT_FORKED",
      `${files.name}/${CHECKPOINT} contradicts the audit log: its first ${checkpoint.size} actions have another root`,
      { hint: "Run `sunny audit verify`: it names what was altered. Keep the files as they are." },
    );
  }
  return checkpoint;
}

function ahead(options: StandingOptions, files: AuditFiles, checkpoint: Checkpoint): SunnyError {
  const details = { log: options.size, checkpoint: checkpoint.size };
  const what = `${files.name}/${CHECKPOINT} covers ${checkpoint.size} actions, the audit log holds ${options.size}`;
  if (!options.opening) {
    return new SunnyError("AUDIT_AHEAD", `The audit log is behind its own checkpoint: ${what}`, {
      details,
      hint: "Another process writes here with another database: let only one state directory use this log.",
    });
  }
  if (files === options.copy) return rolledBack(what, details);
  return new SunnyError("AUDIT_LOST_TAIL", `The end of the audit log is lost: ${what}`, {
    details,
    hint: "Restore the newest database file; the entries in the log's directory still show what was recorded.",
  });
}

function rolledBack(what: string, details: Record<string, unknown>): SunnyError {
  return new SunnyError("AUDIT_ROLLED_BACK", `The audit log was put back to an older state: ${what}`, {
    details,
    hint: "Nothing is started on an older log: restore the newest state directory. `sunny audit verify` shows what differs.",
  });
}

function copyMissing(copy: AuditFiles): SunnyError {
  return new SunnyError("AUDIT_COPY_MISSING", `The second copy of the audit log's checkpoint is gone: ${copy.name}`, {
    hint: "Bring the directory back. `sunny audit repair --new-copy` begins a new one; what the old one knew is lost then.",
  });
}
