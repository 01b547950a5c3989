import type { DatabaseSync } from "node:sqlite";
import type { Checkpoint } from "./checkpoint.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { messageOf } from "../errors.ts";
import type { AuditFiles } from "./files.ts";
import type { Findings } from "./findings.ts";
import { openNote } from "./note.ts";
import type { NoteVerifier } from "./note.ts";
import { AuditRows } from "./rows.ts";
import { CHECKPOINT } from "./standing.ts";
import { TILE_WIDTH, tilePath, tilesBetween } from "./tiles.ts";

/**
 * What there is of a log at one moment. Read in the reverse of the order in which it is written (second copy,
 * checkpoint, tiles at the edge, list of files, database), so that a log which somebody is writing to agrees with
 * itself: full tiles and rows never change, and rows are there before the files that are made of them.
 */
export interface Snapshot {
  /** The second copy's checkpoint as text; `undefined` when there is none. */
  readonly copyText: string | undefined;
  readonly text: string | undefined;
  /** The checkpoint, when it is signed by a known key. */
  readonly checkpoint: Checkpoint | undefined;
  readonly files: readonly string[];
  read(file: string): Buffer | undefined;
  readonly rows: AuditRows | undefined;
}

export interface SnapshotOptions {
  readonly files: AuditFiles;
  readonly copy: AuditFiles | undefined;
  /** Opened read-only. */
  readonly db: DatabaseSync | undefined;
  readonly verifiers: readonly NoteVerifier[];
}

/** Takes a snapshot. Leaves a read transaction open in `db`. */
export function takeSnapshot(options: SnapshotOptions, findings: Findings): Snapshot {
  const { files, copy, db } = options;
  const copyText = copy?.read(CHECKPOINT)?.toString("utf8");
  const text = files.read(CHECKPOINT)?.toString("utf8");
  const checkpoint = readSigned(text, options.verifiers, (why) => {
    const where = { file: `${files.name}/${CHECKPOINT}` };
    if (text === undefined) findings.add("CHECKPOINT_MISSING", "The log has no checkpoint", where);
    else findings.add("CHECKPOINT_INVALID", why, where);
  });
  const edge = new Map<string, Buffer | undefined>();
  for (const tile of tilesBetween(0, checkpoint?.size ?? 0)) {
    if (tile.width < TILE_WIDTH) edge.set(tilePath(tile), files.read(tilePath(tile)));
  }
  return {
    copyText,
    text,
    checkpoint,
    files: files.list(),
    read: (file) => edge.get(file) ?? files.read(file),
    rows: db === undefined ? undefined : readRows(db, findings),
  };
}

/** Opens a signed checkpoint; tells why when it cannot be believed, also when somebody unknown signed it as well. */
export function readSigned(
  note: string | undefined,
  verifiers: readonly NoteVerifier[],
  refuse: (why: string) => void,
): Checkpoint | undefined {
  if (note === undefined) {
    refuse("there is none");
    return undefined;
  }
  try {
    const opened = openNote(note, verifiers);
    if (opened.unverified.length > 0) refuse(`It carries signatures of unknown keys: ${opened.unverified.join(", ")}`);
    return parseCheckpoint(opened.text);
  } catch (error) {
    refuse(messageOf(error));
    return undefined;
  }
}

function readRows(db: DatabaseSync, findings: Findings): AuditRows | undefined {
  try {
    db.exec("BEGIN");
    const rows = new AuditRows(db, false);
    // The first read fixes what the transaction sees.
    rows.published();
    return rows;
  } catch (error) {
    findings.add("DATABASE_DAMAGED", `The audit log's tables cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}
