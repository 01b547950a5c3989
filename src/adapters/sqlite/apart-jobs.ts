import type { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../clock.ts";
import { TerminalError, type StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { Migration, MigrationActor } from "../../operations/database/ports.ts";
import { execConfined, isBusy, isDiskFull, openDatabase, withDatabase, writeTransaction } from "./connection.ts";
import { ensureLedger, raiseFence } from "./ledger.ts";

/** What every change of a database needs to know. JSON. */
export interface ChangeContext {
  readonly file: string;
  readonly fence: Pick<StepScope, "fence" | "idempotencyKey">;
  /** RFC 3339. */
  readonly at: string;
  /** How long another process may hold the write lock, milliseconds. */
  readonly lockTimeoutMs: number;
}

/** What may take longer in one statement than a process can do without its event loop. JSON. */
export type Job =
  | ({ readonly kind: "apply"; readonly migration: Migration; readonly actor: MigrationActor } & ChangeContext)
  | ({ readonly kind: "revert"; readonly id: string } & ChangeContext)
  | { readonly kind: "problems"; readonly file: string; readonly thorough: boolean; readonly references: boolean };

/** Carries a job out in this process, however long that takes. Gives back what `problems` found, else nothing. */
export async function carryOutJob(job: Job): Promise<readonly string[]> {
  switch (job.kind) {
    case "apply":
      await change(job, `Migration ${job.migration.id}`, (db) => applyOne(db, job.migration, job.actor, job.at));
      return [];
    case "revert":
      await change(job, `Taking back migration ${job.id}`, (db) => revertOne(db, job.id));
      return [];
    case "problems":
      return withDatabase(job.file, { readOnly: true }, (db) => problemsOf(db, job));
  }
}

/**
 * Changes the database in one transaction that first raises the fence.
 * @throws TerminalError MIGRATION_FAILED, DATABASE_FENCED, DATABASE_LOCKED; nothing was changed then
 */
export async function change(
  context: ChangeContext,
  what: string,
  work: (db: DatabaseSync) => void,
  signal?: AbortSignal,
): Promise<void> {
  const { file, fence, at, lockTimeoutMs } = context;
  const db = openDatabase(file, { readOnly: false });
  try {
    // A table that is rebuilt must be dropped without its references being followed; they are checked before the commit.
    db.exec("PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL;");
    await writeTransaction(db, { clock: systemClock, timeoutMs: lockTimeoutMs, signal }, () => {
      raiseFence(db, fence, at);
      work(db);
    });
  } catch (error) {
    if (error instanceof TerminalError || signal?.aborted === true || isBusy(error)) throw error;
    const why = isDiskFull(error) ? `no space is left on the disk of ${file}` : messageOf(error);
    throw new TerminalError("MIGRATION_FAILED", `${what} failed and was undone: ${why}`, null, { cause: error });
  } finally {
    db.close();
  }
}

function applyOne(db: DatabaseSync, migration: Migration, actor: MigrationActor, at: string): void {
  const there = db.prepare("SELECT checksum FROM sunny_migrations WHERE id = ?").get(migration.id);
  if (there !== undefined) {
    if (there["checksum"] === migration.checksum) return;
    const message = `Migration ${migration.id} was applied with other content; nothing was changed`;
    throw new TerminalError("MIGRATION_CHANGED", message);
  }
  const before = new Set(brokenReferences(db));
  execConfined(db, migration.up);
  requireReferences(db, before);
  insertRecord(db, migration, actor, at);
}

function revertOne(db: DatabaseSync, id: string): void {
  const there = db.prepare("SELECT down FROM sunny_migrations WHERE id = ?").get(id);
  if (there === undefined) return;
  const down = there["down"];
  if (typeof down !== "string") {
    throw new TerminalError("MIGRATION_IRREVERSIBLE", `Migration ${id} has no way back; nothing was changed`);
  }
  const before = new Set(brokenReferences(db));
  execConfined(db, down);
  requireReferences(db, before);
  db.prepare("DELETE FROM sunny_migrations WHERE id = ?").run(id);
}

/** Records a migration as applied; nothing happens when it is recorded already. */
export function insertRecord(
  db: DatabaseSync,
  migration: Migration,
  { release, by }: MigrationActor,
  at: string,
): void {
  ensureLedger(db);
  db.prepare(
    "INSERT OR IGNORE INTO sunny_migrations (id, checksum, applied_at, release, by, down) VALUES (?, ?, ?, ?, ?, ?)",
  ).run(migration.id, migration.checksum, at, release.id, by, migration.down);
}

function problemsOf(
  db: DatabaseSync,
  { thorough, references }: { readonly thorough: boolean; readonly references: boolean },
): string[] {
  const damage = db
    .prepare(`PRAGMA ${thorough ? "integrity_check" : "quick_check"}(20)`)
    .all()
    .map((row) => String(Object.values(row)[0]))
    .filter((text) => text !== "ok");
  return references ? [...damage, ...brokenReferences(db)] : damage;
}

function brokenReferences(db: DatabaseSync): string[] {
  return db
    .prepare("PRAGMA foreign_key_check")
    .all()
    .map(
      (row) =>
        `row ${String(row["rowid"])} of ${String(row["table"])} refers to a missing row of ${String(row["parent"])}`,
    );
}

/** A reference that was broken before is not the migration's doing. */
function requireReferences(db: DatabaseSync, before: ReadonlySet<string>): void {
  const broken = brokenReferences(db).filter((text) => !before.has(text));
  if (broken.length > 0) throw new Error(`it breaks references: ${broken.slice(0, 5).join("; ")}`);
}
