import { statSync } from "node:fs";
import type { Clock } from "../../clock.ts";
import type { DatabaseProbe } from "../../operations/database/ports.ts";
import { findProblems } from "./apart.ts";
import { retried, withDatabase } from "./connection.ts";
import { databaseName } from "./names.ts";

/** Tries an SQLite file as a service would: opens it, asks, takes the write lock and gives it back unused. */
export function sqliteProbe(file: string, clock: Clock): DatabaseProbe {
  return {
    name: databaseName(file),
    async check({ timeoutMs }, signal) {
      const started = clock.monotonic();
      return withDatabase(file, { readOnly: false }, async (db) => {
        const wait = { clock, timeoutMs, signal };
        await retried(wait, () => db.prepare("SELECT count(*) FROM sqlite_schema").get());
        const connectMs = clock.monotonic() - started;
        const locking = clock.monotonic();
        await retried(wait, () => db.exec("BEGIN IMMEDIATE"));
        db.exec("ROLLBACK");
        const writeLockMs = clock.monotonic() - locking;
        const problems = await findProblems({ file, thorough: false, references: false }, signal);
        const mode = String(Object.values(db.prepare("PRAGMA journal_mode").get() ?? {})[0]);
        return { connectMs, writeLockMs, sizeBytes: statSync(file).size, problems, notes: [`journal mode ${mode}`] };
      });
    },
  };
}
