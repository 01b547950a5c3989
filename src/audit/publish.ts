import { rfc3339 } from "../clock.ts";
import { signCheckpoint } from "./checkpoint.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { AuditFiles } from "./files.ts";
import { appendLeaf, leafHash, rootOf, sameHash } from "./merkle.ts";
import type { Frontier, Hash } from "./merkle.ts";
import type { NoteSigner, NoteVerifier } from "./note.ts";
import { corrupt } from "./rows.ts";
import type { AuditRows } from "./rows.ts";
import { CHECKPOINT, checkStanding } from "./standing.ts";
import { TILE_WIDTH, encodeEntries, parseTilePath, tilePath, tilesBetween } from "./tiles.ts";
import type { Tile } from "./tiles.ts";

/** The file in the second place with one line a publication: time, size and root. */
export const HISTORY = "history";

export interface PublishOptions {
  readonly rows: AuditRows;
  readonly files: AuditFiles;
  readonly copy: AuditFiles;
  readonly origin: string;
  readonly signer: NoteSigner;
  readonly verifiers: readonly NoteVerifier[];
  /** The tree over all rows. */
  readonly frontier: Frontier;
  readonly opening: boolean;
  readonly acceptMissingCopy: boolean;
  /** Write every file again, not only what is new. */
  readonly republish: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * Publishes all rows. The order matters: tiles, checkpoint, second copy with its history first, tidying, the note in the
 * database. Wherever a crash falls, what the checkpoint names is there, and the next publication does the rest.
 * Runs inside a write transaction, which also keeps other processes from publishing at the same time.
 */
export function publishLog(options: PublishOptions): Checkpoint {
  const { rows, files, copy, origin, frontier } = options;
  const { size } = frontier;
  const standing = checkStanding({ ...options, size });
  const checkpoint: Checkpoint = { origin, size, root: rootOf(frontier) };
  if (standing.complete && !options.republish) return checkpoint;
  const from = options.republish ? 0 : standing.size;
  checkTail(rows, from, frontier);
  for (const tile of tilesBetween(from, size)) files.write(tilePath(tile), tileBytes(rows, tile));
  const note = signCheckpoint(checkpoint, [options.signer]);
  const at = rfc3339(options.now);
  files.write(CHECKPOINT, Buffer.from(note));
  copy.appendLine(HISTORY, `${at} ${size} ${Buffer.from(checkpoint.root).toString("base64")}`);
  copy.write(CHECKPOINT, Buffer.from(note));
  removePartials(files, from, size);
  rows.setPublished({ size, at, note });
  return checkpoint;
}

/** What was not yet published is hashed again: a row that was altered meanwhile must not be signed. */
function checkTail(rows: AuditRows, from: number, frontier: Frontier): void {
  let tree = rows.frontier(from);
  for (const { index, hash, data } of rows.leaves(from, frontier.size)) {
    const actual = leafHash(data);
    if (index !== tree.size || !sameHash(actual, hash)) throw corrupt(`action ${tree.size} was altered or removed`);
    tree = appendLeaf(tree, actual).frontier;
  }
  if (tree.size !== frontier.size || !sameHash(rootOf(tree), rootOf(frontier))) {
    throw corrupt(`the actions from ${from} on are not those that were recorded`);
  }
}

function tileBytes(rows: AuditRows, tile: Tile): Buffer {
  const start = tile.index * TILE_WIDTH;
  if (tile.level !== "entries") return concatenate(rows.hashes(tile.level * 8, start, start + tile.width));
  return encodeEntries([...rows.leaves(start, start + tile.width)].map((leaf) => leaf.data));
}

function concatenate(hashes: readonly Hash[]): Buffer {
  return Buffer.concat(hashes);
}

/**
 * Partial tiles that the newest checkpoint does not need are removed, so that the directory is exactly what that
 * checkpoint says: anything else in it is a finding.
 */
function removePartials(files: AuditFiles, from: number, size: number): void {
  const needed = new Set([...tilesBetween(from, size)].map(tilePath));
  for (const tile of tilesBetween(from, size)) {
    const folder = `${tilePath({ ...tile, width: TILE_WIDTH })}.p`;
    for (const file of files.list(folder)) {
      if (!needed.has(file) && (parseTilePath(file)?.width ?? 0) < TILE_WIDTH) files.remove(file);
    }
  }
}
