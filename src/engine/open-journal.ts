import { randomUUID } from "node:crypto";
import { accessSync, chmodSync, closeSync, constants, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

import type { Clock } from "../clock.ts";
import { makeDirectory } from "../directory.ts";
import { SunnyError, messageOf } from "../errors.ts";
import { journalOn } from "./journal.ts";
import type { Journal } from "./journal.ts";
import type { LeafSink, ToLeaf } from "./leaf.ts";
import { corrupt, journalError, unwritable } from "./sqlite-errors.ts";
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from "./sqlite-schema.ts";
import { sqliteStorage } from "./sqlite-storage.ts";

export interface OpenJournalOptions {
  readonly clock: Clock;
  /** Takes the evidence of each row in the journal's own transaction: an object, or a function that is given the database. */
  readonly sink?: LeafSink | ((db: DatabaseSync) => LeafSink);
  readonly toLeaf?: ToLeaf;
  /** Identity of a new journal; default a random UUID. One that exists keeps its own. */
  readonly authority?: string;
  /** Only look: no tables are made, nothing can be written. */
  readonly readOnly?: boolean;
  /** How long to wait for another writer; default 5 s. */
  readonly busyMs?: number;
  /** Most bytes the file may grow to, as a full disk would have it; default no limit. For tests. */
  readonly maxBytes?: number;
}

/** The whole file is checked when it is opened up to this size; beyond, SQLite still checks each page it reads. */
const FULL_CHECK_BYTES = 64 * 1024 * 1024;

/**
 * Opens the journal at `path`, and makes it (0600, in a directory of 0700) when there is none.
 *
 * @throws SunnyError with code JOURNAL_NEWER, JOURNAL_CORRUPT, JOURNAL_UNWRITABLE, JOURNAL_MISSING (read only), JOURNAL_BUSY or DISK_FULL;
 *   nothing is changed then.
 */
export function openJournal(path: string, options: OpenJournalOptions): Journal {
  const readOnly = options.readOnly ?? false;
  prepareFile(path, readOnly);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly, timeout: options.busyMs ?? 5_000 });
    checkFile(db, path);
    if (!readOnly) {
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
      if (options.maxBytes !== undefined) {
        db.exec(`PRAGMA max_page_count = ${Math.ceil(options.maxBytes / Number(pragma(db, "page_size")))}`);
      }
      createTables(db, options.authority ?? randomUUID());
    }
    const authority = authorityOf(db, path);
    const sink = typeof options.sink === "function" ? options.sink(db) : options.sink;
    return journalOn(sqliteStorage(db, path, authority), {
      clock: options.clock,
      ...(sink === undefined ? {} : { sink }),
      ...(options.toLeaf === undefined ? {} : { toLeaf: options.toLeaf }),
    });
  } catch (error) {
    db?.close();
    throw journalError(error, path);
  }
}

/** Makes directory and file with their modes before SQLite does; SQLite gives its side files the mode of the main one. */
function prepareFile(path: string, readOnly: boolean): void {
  if (readOnly) {
    if (existsSync(path)) return;
    throw new SunnyError("JOURNAL_MISSING", "Cannot read the journal: there is none; nothing was ever run here", {
      place: { file: path },
      hint: "Name the state directory of the deployment, or start one with `sunny deploy`.",
    });
  }
  try {
    const directory = dirname(path);
    makeDirectory(directory);
    closeSync(openSync(path, "a", 0o600));
    chmodSync(path, 0o600);
    // SQLite needs the directory for its side files, and would only say so at the first write.
    accessSync(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    const full = error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
    if (full) throw journalError(Object.assign(new Error("disk full", { cause: error }), { errcode: 13 }), path);
    throw unwritable(path, messageOf(error), error);
  }
}

function checkFile(db: DatabaseSync, path: string): void {
  const version = Number(pragma(db, "user_version"));
  const application = Number(pragma(db, "application_id"));
  if (
    application !== APPLICATION_ID &&
    (application !== 0 || version !== 0 || Number(pragma(db, "schema_version")) !== 0)
  ) {
    throw corrupt(path, "it is a database of another program");
  }
  if (version > SCHEMA_VERSION) {
    throw new SunnyError(
      "JOURNAL_NEWER",
      `Cannot read the journal: a newer Sunny wrote it (format ${version}, this one knows ${SCHEMA_VERSION}); it was left as it is`,
      { place: { file: path }, hint: "Use the newer Sunny for this state directory." },
    );
  }
  const bytes = Number(pragma(db, "page_count")) * Number(pragma(db, "page_size"));
  if (isShorter(path, db)) throw corrupt(path, "its end is missing");
  if (bytes > FULL_CHECK_BYTES) return;
  const problem = pragma(db, "quick_check(1)");
  if (problem !== "ok") throw corrupt(path, String(problem).replaceAll(/\s+/g, " "));
}

/** Whether the file is shorter than its header says; with a write-ahead log the missing pages may still be in there. */
function isShorter(path: string, db: DatabaseSync): boolean {
  const file = openSync(path, "r");
  try {
    const header = Buffer.alloc(100);
    const size = fstatSync(file).size;
    if (size === 0) return false;
    if (readSync(file, header, 0, 100, 0) < 100) return true;
    // Offset 28 of the header: pages in the file, https://www.sqlite.org/fileformat2.html#in_header_database_size
    const expected = header.readUInt32BE(28) * Number(pragma(db, "page_size"));
    return size < expected && !existsSync(`${path}-wal`);
  } finally {
    closeSync(file);
  }
}

function createTables(db: DatabaseSync, authority: string): void {
  if (Number(pragma(db, "user_version")) === SCHEMA_VERSION) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have made them while this one waited for the lock.
    if (Number(pragma(db, "user_version")) === 0) {
      db.exec(SCHEMA);
      db.prepare("INSERT INTO meta (key, value) VALUES ('authority', ?)").run(authority);
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

function authorityOf(db: DatabaseSync, path: string): string {
  if (Number(pragma(db, "user_version")) === 0) throw corrupt(path, "it is empty");
  const row = db.prepare("SELECT value FROM meta WHERE key = 'authority'").get();
  if (row === undefined) throw corrupt(path, "it does not say which journal it is");
  return String(row["value"]);
}

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}
