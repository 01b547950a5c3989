import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Findings } from "./findings.ts";
import { hashList } from "./hash-list.ts";
import type { HashList } from "./hash-list.ts";
import { leafHash, sameHash } from "./merkle.ts";
import type { NoteVerifier } from "./note.ts";
import type { AuditRows } from "./rows.ts";
import { readSigned } from "./snapshot.ts";
import { LEVELS_PER_TILE } from "./tiles.ts";

/** Compares the database with the signed tree, and with itself for what is not yet published. Returns the number of rows. */
export function verifyRows(
  db: DatabaseSync,
  rows: AuditRows,
  checkpoint: Checkpoint,
  truth: HashList | undefined,
  verifiers: readonly NoteVerifier[],
  findings: Findings,
): number {
  for (const problem of integrityProblems(db)) findings.add("DATABASE_DAMAGED", `SQLite finds: ${problem}`);
  const hashes: Uint8Array[] = [];
  for (const row of rows.leaves(0, Number.MAX_SAFE_INTEGER)) {
    const index = hashes.length;
    if (row.index !== index) {
      findings.add("ROW_MISSING", `The row of action ${index} is missing`, { leaf: index });
      break;
    }
    const actual = leafHash(row.data);
    const signed = truth !== undefined && index < checkpoint.size ? truth.leaf(index) : row.hash;
    if (!sameHash(actual, signed) || !sameHash(row.hash, signed)) {
      findings.add("ROW_ALTERED", `The row of action ${index} is not the one that was recorded`, { leaf: index });
    }
    hashes.push(actual);
  }
  const size = hashes.length;
  if (size < checkpoint.size) {
    const what = `The database holds ${size} actions, the checkpoint covers ${checkpoint.size}`;
    findings.add("LOST_TAIL", what, { leaf: size });
  }
  compareNodes(db, hashList(Buffer.concat(hashes)), findings);
  comparePublished(rows, checkpoint, truth, verifiers, findings);
  return size;
}

function integrityProblems(db: DatabaseSync): string[] {
  try {
    const found = db.prepare("PRAGMA integrity_check").all();
    return found.map((row) => String(row["integrity_check"])).filter((text) => text !== "ok");
  } catch (error) {
    return [messageOf(error)];
  }
}

function compareNodes(db: DatabaseSync, hashes: HashList, findings: Findings): void {
  const stored = new Map<string, Uint8Array>();
  for (const row of db.prepare("SELECT level, idx, hash FROM audit_node").iterate()) {
    stored.set(`${Number(row["level"])}/${Number(row["idx"])}`, row["hash"] as Uint8Array);
  }
  for (let level = LEVELS_PER_TILE; 2 ** level <= hashes.size; level += LEVELS_PER_TILE) {
    for (let index = 0; (index + 1) * 2 ** level <= hashes.size; index++) {
      const key = `${level}/${index}`;
      const hash = stored.get(key);
      stored.delete(key);
      if (hash === undefined || !sameHash(hash, hashes.node(level, index))) {
        findings.add("ROW_ALTERED", `The stored hash ${index} of level ${level} is not that of its actions`);
      }
    }
  }
  for (const key of stored.keys()) findings.add("ROW_ALTERED", `The stored hash ${key} belongs to no actions`);
}

function comparePublished(
  rows: AuditRows,
  checkpoint: Checkpoint,
  truth: HashList | undefined,
  verifiers: readonly NoteVerifier[],
  findings: Findings,
): void {
  const published = rows.published();
  if (published === undefined) return;
  const noted = readSigned(published.note, verifiers, (why) =>
    findings.add("ROW_ALTERED", `The checkpoint in the database cannot be believed: ${why}`),
  );
  if (noted === undefined) return;
  if (noted.size !== published.size) {
    findings.add(
      "ROW_ALTERED",
      `The database says that ${published.size} actions were published, its checkpoint ${noted.size}`,
    );
  }
  if (noted.size > checkpoint.size) {
    const what = `The log's directory holds ${checkpoint.size} actions, ${noted.size} were published`;
    return findings.add("ROLLED_BACK", what);
  }
  const root = noted.size === checkpoint.size ? checkpoint.root : truth?.root(noted.size);
  if (root !== undefined && !sameHash(root, noted.root)) {
    findings.add("FORKED", "The checkpoint in the database is not that of the log's actions");
  }
}
