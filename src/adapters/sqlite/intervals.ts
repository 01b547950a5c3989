import type { DatabaseSync } from "node:sqlite";
import type { Json } from "../../json.ts";
import type { Arm, Observation } from "../../analysis/rule.ts";
import type { IntervalRow, IntervalStore, WatchRecord } from "../../operations/monitor/ports.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS watch_interval (
    watch TEXT NOT NULL, rule TEXT NOT NULL, arm TEXT NOT NULL, start INTEGER NOT NULL, ms INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (watch, start, rule, arm)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS watch_record (
    id INTEGER PRIMARY KEY, watch TEXT NOT NULL, at INTEGER NOT NULL, intervals INTEGER NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS watch_record_watch ON watch_record (watch, id);
  CREATE TABLE IF NOT EXISTS watch_samples (watch TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/**
 * Keeps what one watch (a deployment, by its id) observed, in tables of its own. Durability is that of `db`; use
 * WAL with synchronous=FULL. Must not be called inside an open transaction of the same connection.
 */
export function sqliteIntervalStore(db: DatabaseSync, watch: string): IntervalStore {
  db.exec(SCHEMA);
  const addRow = db.prepare(
    // Not OR IGNORE, which would pass over a row that breaks a constraint as well.
    "INSERT INTO watch_interval VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (watch, start, rule, arm) DO NOTHING",
  );
  const setSamples = db.prepare("INSERT OR REPLACE INTO watch_samples VALUES (?, ?)");
  const addRecord = db.prepare("INSERT INTO watch_record (watch, at, intervals, kind, data) VALUES (?, ?, ?, ?, ?)");
  const rows = db.prepare(
    "SELECT rule, arm, start, ms, data FROM watch_interval WHERE watch = ? ORDER BY start, rule, arm",
  );
  const samples = db.prepare("SELECT data FROM watch_samples WHERE watch = ?");
  const records = db.prepare("SELECT at, intervals, kind, data FROM watch_record WHERE watch = ? ORDER BY id");
  return {
    append(added: readonly IntervalRow[], latest: Json) {
      db.exec("BEGIN IMMEDIATE");
      try {
        for (const row of added) addRow.run(watch, row.rule, row.arm, row.start, row.ms, JSON.stringify(row.data));
        setSamples.run(watch, JSON.stringify(latest));
        db.exec("COMMIT");
      } catch (error) {
        db.exec("ROLLBACK");
        throw error;
      }
    },
    load: () =>
      rows.all(watch).map((row) => ({
        rule: String(row["rule"]),
        arm: String(row["arm"]) as Arm,
        start: Number(row["start"]),
        ms: Number(row["ms"]),
        data: JSON.parse(String(row["data"])) as Observation,
      })),
    loadSamples() {
      const row = samples.get(watch);
      return row === undefined ? null : (JSON.parse(String(row["data"])) as Json);
    },
    record(record: WatchRecord) {
      addRecord.run(watch, Math.round(record.at), record.intervals, record.kind, JSON.stringify(record.data));
    },
    records: () =>
      records.all(watch).map((row) => ({
        at: Number(row["at"]),
        intervals: Number(row["intervals"]),
        kind: String(row["kind"]) as WatchRecord["kind"],
        data: JSON.parse(String(row["data"])) as Json,
      })),
  };
}

/** The watches that have kept intervals, the one that was seen last first. */
export function watchesIn(db: DatabaseSync, limit: number): string[] {
  db.exec(SCHEMA);
  const rows = db
    .prepare("SELECT watch FROM watch_interval GROUP BY watch ORDER BY max(start) DESC, watch LIMIT ?")
    .all(limit);
  return rows.map((row) => String(row["watch"]));
}
