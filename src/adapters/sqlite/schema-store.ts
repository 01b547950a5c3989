import { DatabaseSync } from "node:sqlite";
import { rfc3339, type Clock } from "../../clock.ts";
import { TerminalError, type StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { Migration, SchemaStore } from "../../operations/database/ports.ts";
import { findProblems, runApart } from "./apart.ts";
import { change, insertRecord, type ChangeContext } from "./apart-jobs.ts";
import { execConfined, withDatabase } from "./connection.ts";
import { readLedger } from "./ledger.ts";
import { databaseName } from "./names.ts";
import { schemaObjects } from "./objects.ts";

export interface SqliteOptions {
  readonly clock: Clock;
  /** How long another process may hold the write lock, milliseconds. Default 30 s. */
  readonly lockTimeoutMs?: number;
}

/** The schema of an SQLite file, migrated in place beside the service that uses it. */
export function sqliteSchema(file: string, { clock, lockTimeoutMs = 30_000 }: SqliteOptions): SchemaStore {
  const contextOf = ({ fence, idempotencyKey }: StepScope): ChangeContext => ({
    file,
    fence: { fence, idempotencyKey },
    at: rfc3339(clock.now()),
    lockTimeoutMs,
  });
  /** For changes of a few rows of Sunny's own; everything else runs apart. */
  const record = (scope: StepScope, what: string, work: (db: DatabaseSync, at: string) => void): Promise<void> => {
    const context = contextOf(scope);
    return change(context, what, (db) => work(db, context.at), scope.signal);
  };
  return {
    name: databaseName(file),
    state: () => withDatabase(file, { readOnly: true }, readLedger),
    apply: async (migration, actor, scope) => {
      await runApart({ kind: "apply", migration, actor, ...contextOf(scope) }, scope);
    },
    revert: async (id, scope) => {
      await runApart({ kind: "revert", id, ...contextOf(scope) }, scope);
    },
    adopt: (migrations, actor, scope) =>
      record(scope, "Recording the schema that is there", (db, at) => {
        for (const migration of migrations) insertRecord(db, migration, actor, at);
      }),
    record: (release, migrations, { replace }, scope) =>
      record(scope, `Recording the schema of ${release.version}`, (db, at) => {
        db.prepare(
          `INSERT OR ${replace ? "REPLACE" : "IGNORE"} INTO sunny_schemas (release_id, version, migrations, recorded_at) VALUES (?, ?, ?, ?)`,
        ).run(release.id, release.version, JSON.stringify(migrations), at);
      }),
    raiseFence: (scope) => record(scope, "Raising the fence", () => {}),
    objects: () => withDatabase(file, { readOnly: true }, schemaObjects),
    expected: (migrations) => Promise.resolve().then(() => expectedObjects(migrations)),
    problems: (signal) => findProblems({ file, thorough: false, references: true }, signal),
  };
}

function expectedObjects(migrations: readonly Migration[]): ReturnType<typeof schemaObjects> {
  const db = new DatabaseSync(":memory:");
  try {
    for (const migration of migrations) {
      try {
        execConfined(db, migration.up);
      } catch (error) {
        const message = `Migration ${migration.id} does not work on an empty database: ${messageOf(error)}`;
        throw new TerminalError("MIGRATION_FAILED", message);
      }
    }
    return schemaObjects(db);
  } finally {
    db.close();
  }
}
