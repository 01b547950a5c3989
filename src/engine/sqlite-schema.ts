/** Version of the tables below, kept in `PRAGMA user_version`; a journal of a newer one is never touched. */
export const SCHEMA_VERSION = 1;

/** "SNNY": tells a journal from any other SQLite file. */
export const APPLICATION_ID = 0x534e4e59;

/** Rows never change and are never removed, so an ordinary integer key never repeats. */
export const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
  id TEXT PRIMARY KEY, root TEXT NOT NULL, created_at INTEGER NOT NULL, frozen TEXT NOT NULL, progress TEXT NOT NULL
) STRICT;
CREATE TABLE rows (
  seq INTEGER PRIMARY KEY, run TEXT NOT NULL, type TEXT NOT NULL, op INTEGER, kind TEXT, name TEXT,
  attempt INTEGER NOT NULL, actor TEXT NOT NULL, at INTEGER NOT NULL, data TEXT NOT NULL
) STRICT;
CREATE INDEX rows_by_run ON rows (run, seq);
CREATE TABLE environments (
  name TEXT PRIMARY KEY, token INTEGER NOT NULL, occupied_by TEXT, occupied_since INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE statuses (run TEXT PRIMARY KEY, at INTEGER NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE output (
  seq INTEGER PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL, attempt INTEGER NOT NULL, at INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT;
CREATE INDEX output_by_step ON output (run, step, seq);
`;
