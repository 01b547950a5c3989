import type { DatabaseSync } from "node:sqlite";
import { SunnyError, isSunnyError, messageOf } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { directoryFiles } from "./files.ts";
import type { AuditFiles } from "./files.ts";
import { leafBytes, parseLeaf } from "./leaf.ts";
import type { AuditLeaf } from "./leaf.ts";
import type { Appended, AuditLog, AuditLogOptions } from "./log.ts";
import { EMPTY_FRONTIER, leafHash, sameHash } from "./merkle.ts";
import type { Frontier } from "./merkle.ts";
import { verifierKey, verifierOf } from "./note.ts";
import type { NoteVerifier } from "./note.ts";
import { publishLog } from "./publish.ts";
import { AuditRows, corrupt } from "./rows.ts";

/** The audit log over SQLite rows and published files; `openAuditLog` makes it. */
export class SqliteAuditLog implements AuditLog {
  readonly origin: string;
  readonly verifier: string;
  readonly #options: AuditLogOptions;
  readonly #rows: AuditRows;
  readonly #files: AuditFiles;
  readonly #copy: AuditFiles;
  readonly #verifiers: readonly NoteVerifier[];
  /** The tree as of the last commit that was seen, with the last leaf's hash, which tells whether it still fits. */
  #adopted: Tree = EMPTY_TREE;
  /** The tree inside the open transaction. */
  #pending: Tree | undefined;
  #published: Checkpoint | undefined;
  /** Whether this process has added actions since all that there was had been published. */
  #unpublished = false;
  #failure: SunnyError | undefined;
  #lastPublication = Number.NEGATIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: AuditLogOptions) {
    const own = verifierOf(options.signer);
    this.origin = options.origin;
    this.verifier = verifierKey(own);
    this.#options = options;
    this.#rows = new AuditRows(options.db, true);
    this.#files = typeof options.dir === "string" ? directoryFiles(options.dir) : options.dir;
    this.#copy = typeof options.copyDir === "string" ? directoryFiles(options.copyDir) : options.copyDir;
    this.#verifiers = [own, ...(options.verifiers ?? [])];
    this.#publishNow(true);
  }

  append(key: string, leaf: AuditLeaf): Appended {
    if (this.#failure !== undefined) throw this.#failure;
    const { db } = this.#options;
    if (this.#closed || !db.isTransaction) {
      throw new SunnyError("INTERNAL", `${leaf.action} was to be recorded outside of a transaction`);
    }
    const data = leafBytes(leaf);
    try {
      const tree = this.#currentTree();
      const hash = leafHash(data);
      const frontier = this.#rows.insert(tree.frontier, key, hash, data);
      if (frontier === undefined) return this.#standing(key);
      this.#unpublished = true;
      this.#pending = { frontier, lastHash: hash };
      return { index: tree.frontier.size, hash: Buffer.from(hash).toString("hex"), added: true };
    } catch (error) {
      throw unwritable(error);
    }
  }

  #standing(key: string): Appended {
    const known = this.#rows.find(key);
    if (known === undefined) throw corrupt(`the index of keys does not fit the actions, at ${key}`);
    return { index: known.index, hash: known.hash.toString("hex"), added: false };
  }

  committed(): void {
    if (this.#pending === undefined) return;
    this.#adopted = this.#pending;
    this.#pending = undefined;
    this.#schedule();
  }

  rolledBack(): void {
    this.#pending = undefined;
  }

  record(key: string, leaf: AuditLeaf): Appended {
    const { db } = this.#options;
    requireNoTransaction(db);
    try {
      db.exec("BEGIN IMMEDIATE");
      const appended = this.append(key, leaf);
      db.exec("COMMIT");
      this.committed();
      return appended;
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      this.rolledBack();
      throw unwritable(error);
    }
  }

  size(): number {
    return (this.#rows.last()?.index ?? -1) + 1;
  }

  *leaves(start = 0, end = Number.MAX_SAFE_INTEGER): Generator<{ index: number; leaf: AuditLeaf }> {
    for (const { index, data } of this.#rows.leaves(start, end)) yield { index, leaf: parseLeaf(data) };
  }

  publish(): Checkpoint {
    return this.#publishNow(false);
  }

  flush(): Checkpoint {
    return this.#publishNow(false);
  }

  close(): void {
    if (this.#closed) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#closed = true;
    // What others add meanwhile they publish themselves: who only read neither waits for them nor has them wait.
    if (this.#unpublished) this.#publishNow(false);
  }

  /**
   * The tree that the next leaf goes on top of. Another process may have appended, and a caller may have forgotten
   * to say how its transaction ended, so it is compared with the last row every time (a few microseconds).
   */
  #currentTree(): Tree {
    const last = this.#rows.last();
    const size = (last?.index ?? -1) + 1;
    for (const tree of [this.#pending, this.#adopted]) {
      if (tree?.frontier.size === size && (last === undefined || sameHash(tree.lastHash, last.hash))) return tree;
    }
    return { frontier: this.#rows.frontier(size), lastHash: last?.hash ?? EMPTY_TREE.lastHash };
  }

  #schedule(): void {
    if (this.#closed || this.#cancelTimer !== undefined) return;
    const { clock } = this.#options;
    const every = this.#options.publishEveryMs ?? 1000;
    const wait = Math.min(every, Math.max(0, this.#lastPublication + every - clock.monotonic()));
    this.#cancelTimer = clock.timer(wait, () => this.#onTimer(), { unref: true });
  }

  #onTimer(): void {
    this.#cancelTimer = undefined;
    if (this.#closed) return;
    if (this.#options.db.isTransaction) return this.#schedule();
    const before = this.#failure;
    try {
      this.#publishNow(false);
    } catch (error) {
      if (this.#failure !== undefined && before === undefined) this.#options.onFailure?.(error as SunnyError);
      this.#schedule();
    }
  }

  #publishNow(opening: boolean): Checkpoint {
    const { db, clock } = this.#options;
    requireNoTransaction(db);
    this.#lastPublication = clock.monotonic();
    try {
      db.exec("BEGIN IMMEDIATE");
      this.#published = this.#publishLocked(opening);
    } catch (error) {
      const failure = unwritable(error);
      // Another process that holds the lock is no damage: whoever waits for this publication is told, nobody else.
      if (!isBusy(error)) this.#failure = failure;
      throw failure;
    }
    this.#failure = undefined;
    this.#unpublished = false;
    return this.#published;
  }

  /** Publishes inside the transaction that was begun, and ends it. */
  #publishLocked(opening: boolean): Checkpoint {
    const { db, origin, signer, clock } = this.#options;
    try {
      const tree = this.#currentTree();
      const checkpoint = publishLog({
        rows: this.#rows,
        files: this.#files,
        copy: this.#copy,
        origin,
        signer,
        verifiers: this.#verifiers,
        frontier: tree.frontier,
        opening,
        acceptMissingCopy: this.#options.acceptMissingCopy ?? false,
        republish: opening && (this.#options.republish ?? false),
        now: clock.now(),
      });
      db.exec("COMMIT");
      this.#adopted = tree;
      return checkpoint;
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }
}

interface Tree {
  readonly frontier: Frontier;
  readonly lastHash: Uint8Array;
}

const EMPTY_TREE: Tree = { frontier: EMPTY_FRONTIER, lastHash: new Uint8Array(0) };

function requireNoTransaction(db: DatabaseSync): void {
  if (db.isTransaction)
    throw new SunnyError("INTERNAL", "the audit log was used inside a transaction of somebody else");
}

/** SQLITE_BUSY and SQLITE_LOCKED. */
function isBusy(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === "number" && [5, 6].includes(errcode & 0xff);
}

/** Whatever keeps the log from being written has one code, except where the log itself says better. */
export function unwritable(error: unknown): SunnyError {
  if (isSunnyError(error)) return error;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return new SunnyError("AUDIT_UNWRITABLE", `Cannot write the audit log: ${messageOf(error)}`, {
    cause: error,
    details: { code: code ?? null, errcode: errcode ?? null },
    hint: "Make room or fix permissions, then resume: nothing is done that cannot be recorded.",
  });
}
