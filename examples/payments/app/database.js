import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";

/** How long a connection waits for another process's write; deployments run backups and migrations beside it. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens the shared database. `mode=rw`: a database that is missing is an error here and never made anew, since an
 * empty one would answer politely that no payment exists.
 */
export function openConnection(file) {
  const url = pathToFileURL(file);
  url.searchParams.set("mode", "rw");
  const db = new DatabaseSync(url, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  return new Connection(db);
}

/** A database connection with its prepared statements. */
class Connection {
  #db;
  #statements = new Map();

  constructor(db) {
    this.#db = db;
  }

  get(sql, ...values) {
    return this.#prepared(sql).get(...values);
  }

  all(sql, ...values) {
    return this.#prepared(sql).all(...values);
  }

  run(sql, ...values) {
    return this.#prepared(sql).run(...values);
  }

  /**
   * Runs `work` in one transaction that has the right to write from its start: a transaction that begins by reading
   * and writes later fails at once when another process wrote in between, however long the busy timeout is.
   */
  transaction(work) {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work(this);
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  close() {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #prepared(sql) {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Primary result codes: busy and locked; then I/O error, corrupt, full, cannot open, not a database. */
const BUSY = [5, 6];
const UNAVAILABLE = [...BUSY, 10, 11, 13, 14, 26];

/** True for "database is locked" and "database table is locked", in all their extended forms. */
export function isBusy(error) {
  return isResult(error, BUSY);
}

/** True when the database could not do its part at all, which is not the request's fault and may pass. */
export function isUnavailable(error) {
  return isResult(error, UNAVAILABLE);
}

function isResult(error, codes) {
  return error?.code === "ERR_SQLITE_ERROR" && codes.includes((error.errcode ?? 0) & 0xff);
}
