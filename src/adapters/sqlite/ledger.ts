import type { DatabaseSync } from "node:sqlite";
import { TerminalError, type StepScope } from "../../engine/context.ts";
import type { AppliedMigration, SchemaRecord, SchemaState } from "../../operations/database/ports.ts";

/*
 * Sunny's own tables: `sunny_migrations` says what was applied and keeps each way back, `sunny_schemas` which migrations
 * were in force with which release, `sunny_lock` the newest fence that this database has seen.
 */
const TABLES = `
CREATE TABLE IF NOT EXISTS sunny_migrations (
  id         TEXT PRIMARY KEY,
  checksum   TEXT NOT NULL,
  applied_at TEXT NOT NULL,
  release    TEXT NOT NULL,
  by         TEXT NOT NULL,
  down       TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS sunny_schemas (
  release_id  TEXT PRIMARY KEY,
  version     TEXT NOT NULL,
  migrations  TEXT NOT NULL,
  recorded_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sunny_lock (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  token   INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  step    TEXT NOT NULL,
  since   TEXT NOT NULL
) STRICT;`;

/** Makes Sunny's tables where they are missing; inside a transaction. */
export function ensureLedger(db: DatabaseSync): void {
  db.exec(TABLES);
}

/** True when Sunny's tables are there. */
export function hasLedger(db: DatabaseSync): boolean {
  return (
    db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'sunny_migrations'").get() !== undefined
  );
}

/** What is recorded; nothing when there is no ledger. */
export function readLedger(db: DatabaseSync): SchemaState {
  if (!hasLedger(db)) return { ledger: false, applied: [], records: [] };
  const applied = db
    .prepare("SELECT id, checksum, applied_at AS appliedAt, release, by, down FROM sunny_migrations ORDER BY id")
    .all() as unknown as AppliedMigration[];
  const records = db
    .prepare(
      "SELECT release_id AS releaseId, version, migrations, recorded_at AS recordedAt FROM sunny_schemas ORDER BY recorded_at, release_id",
    )
    .all()
    .map((row) => ({ ...row, migrations: JSON.parse(String(row["migrations"])) as string[] }));
  return { ledger: true, applied: applied.map((row) => ({ ...row })), records: records as unknown as SchemaRecord[] };
}

/**
 * Lets the holder of `scope` in and everyone older out, from the commit of the transaction around it. Within one token
 * attempts are compared for the same step only: each step counts them anew.
 *
 * @throws TerminalError DATABASE_FENCED
 */
export function raiseFence(
  db: DatabaseSync,
  { fence, idempotencyKey }: Pick<StepScope, "fence" | "idempotencyKey">,
  at: string,
): void {
  ensureLedger(db);
  const seen = db.prepare("SELECT token, attempt, step, since FROM sunny_lock WHERE id = 1").get();
  if (seen !== undefined) {
    const token = Number(seen["token"]);
    const sameStep = token === fence.token && seen["step"] === idempotencyKey;
    if (fence.token < token || (sameStep && fence.attempt < Number(seen["attempt"]))) {
      const message = `The database has seen token ${token} since ${String(seen["since"])}; this run holds ${fence.token} and may change nothing more`;
      throw new TerminalError("DATABASE_FENCED", message);
    }
  }
  db.prepare(
    `INSERT INTO sunny_lock (id, token, attempt, step, since) VALUES (1, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET token = excluded.token, attempt = excluded.attempt, step = excluded.step, since = excluded.since`,
  ).run(fence.token, fence.attempt, idempotencyKey, at);
}
