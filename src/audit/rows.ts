import type { DatabaseSync, StatementSync } from "node:sqlite";
import { SunnyError } from "../errors.ts";
import { appendLeaf, frontierAt } from "./merkle.ts";
import type { Frontier, Hash, NodeReader } from "./merkle.ts";
import { LEVELS_PER_TILE, tileReader } from "./tiles.ts";

/**
 * Leaves, the hashes of every full tile (level 8, 16, ...), and what was published last. The triggers are against
 * accidents, not against an attacker: those are what the checkpoint is for.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS audit_leaf (
  idx INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  hash BLOB NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS audit_node (
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit_published (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  size INTEGER NOT NULL,
  at TEXT NOT NULL,
  note TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS audit_leaf_stays BEFORE UPDATE ON audit_leaf
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_leaf_is_kept BEFORE DELETE ON audit_leaf
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
`;

export interface Published {
  readonly size: number;
  readonly at: string;
  /** The signed checkpoint. */
  readonly note: string;
}

/** A leaf as it is stored; `index` counts from 0, `data` is canonical JSON. */
export interface LeafRow {
  readonly index: number;
  readonly key: string;
  readonly hash: Buffer;
  readonly data: Buffer;
}

/** The audit log's part of the database: prepared statements over the three tables. */
export class AuditRows {
  readonly #insertLeaf: StatementSync;
  readonly #insertNode: StatementSync;
  readonly #byKey: StatementSync;
  readonly #last: StatementSync;
  readonly #leaves: StatementSync;
  readonly #leafHashes: StatementSync;
  readonly #nodeHashes: StatementSync;
  readonly #published: StatementSync;
  readonly #publish: StatementSync;

  /** @param create makes the tables; leave it out for a database that is only read. */
  constructor(db: DatabaseSync, create: boolean) {
    if (create) db.exec(SCHEMA);
    this.#insertLeaf = db.prepare(
      "INSERT INTO audit_leaf (idx, key, hash, data) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
    );
    this.#insertNode = db.prepare("INSERT INTO audit_node (level, idx, hash) VALUES (?, ?, ?)");
    this.#byKey = db.prepare("SELECT idx, hash FROM audit_leaf WHERE key = ?");
    this.#last = db.prepare("SELECT idx, hash FROM audit_leaf ORDER BY idx DESC LIMIT 1");
    this.#leaves = db.prepare("SELECT idx, key, hash, data FROM audit_leaf WHERE idx >= ? AND idx < ? ORDER BY idx");
    this.#leafHashes = db.prepare("SELECT hash FROM audit_leaf WHERE idx >= ? AND idx < ? ORDER BY idx");
    this.#nodeHashes = db.prepare("SELECT hash FROM audit_node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx");
    this.#published = db.prepare("SELECT size, at, note FROM audit_published WHERE one = 1");
    this.#publish = db.prepare("INSERT OR REPLACE INTO audit_published (one, size, at, note) VALUES (1, ?, ?, ?)");
  }

  /** Adds the next leaf and returns the tree with it; `undefined` when the key is there already. */
  insert(frontier: Frontier, key: string, hash: Hash, data: Uint8Array): Frontier | undefined {
    if (this.#insertLeaf.run(frontier.size, key, hash, data).changes === 0) return undefined;
    const next = appendLeaf(frontier, hash);
    for (const node of next.completed) {
      if (node.level === 0 || node.level % LEVELS_PER_TILE !== 0) continue;
      this.#insertNode.run(node.level, node.index, node.hash);
    }
    return next.frontier;
  }

  find(key: string): { readonly index: number; readonly hash: Buffer } | undefined {
    const row = this.#byKey.get(key) as { idx: number; hash: Uint8Array } | undefined;
    return row === undefined ? undefined : { index: row.idx, hash: Buffer.from(row.hash) };
  }

  last(): { readonly index: number; readonly hash: Buffer } | undefined {
    const row = this.#last.get() as { idx: number; hash: Uint8Array } | undefined;
    return row === undefined ? undefined : { index: row.idx, hash: Buffer.from(row.hash) };
  }

  /** Leaves `[start, end)` in their order, as they are stored. */
  *leaves(start: number, end: number): Generator<LeafRow> {
    for (const row of this.#leaves.iterate(start, end)) {
      const { idx, key, hash, data } = row as { idx: number; key: string; hash: Uint8Array; data: Uint8Array };
      yield { index: idx, key, hash: Buffer.from(hash), data: Buffer.from(data) };
    }
  }

  /** Reads stored hashes. @throws AUDIT_CORRUPT when one is missing. */
  readonly node: NodeReader = tileReader((level, start, end) => this.hashes(level, start, end));

  /** The stored hashes `[start, end)` of level 0, 8, 16, ... @throws AUDIT_CORRUPT when one is missing. */
  hashes(level: number, start: number, end: number): Hash[] {
    const rows = level === 0 ? this.#leafHashes.all(start, end) : this.#nodeHashes.all(level, start, end);
    if (rows.length !== end - start) {
      throw corrupt(`level ${level} lacks hashes between ${start} and ${end}`);
    }
    return rows.map((row) => row["hash"] as Uint8Array);
  }

  /** The tree of the first `size` leaves, from stored hashes: at most 255 a tile level are read. */
  frontier(size: number): Frontier {
    return frontierAt(size, this.node);
  }

  published(): Published | undefined {
    return this.#published.get() as unknown as Published | undefined;
  }

  setPublished(published: Published): void {
    this.#publish.run(published.size, published.at, published.note);
  }
}

/** The refusal when rows are not what the log wrote. */
export function corrupt(why: string): SunnyError {
  return new SunnyError("AUDIT_CORRUPT", `The audit log in the database is damaged: ${why}`, {
    hint: "Run `sunny audit verify`: it names every row that differs. Keep the files as they are.",
  });
}
