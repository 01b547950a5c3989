import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqliteSchema } from "../../../src/adapters/sqlite/schema-store.ts";
import type { Clock } from "../../../src/clock.ts";
import type { StepScope } from "../../../src/engine/context.ts";
import { sha256 } from "../../../src/json.ts";
import type { ReleaseRef } from "../../../src/operation.ts";

/** Payments that the service has made before anybody deploys anything. */
const SEEDED = 250;

/**
 * Makes the database as the running release left it: the initial schema, recorded as Sunny records it, and payments of
 * the days before. `file` must not exist.
 */
export async function createDatabase(file: string, running: ReleaseRef, clock: Clock): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(file);
  db.exec("PRAGMA journal_mode = WAL");
  db.close();
  const folder = path.join(import.meta.dirname, "..", "app", "migrations");
  const read = (direction: string): Promise<string> =>
    readFile(path.join(folder, `0001_initial.${direction}.sql`), "utf8");
  const up = await read("up");
  const migration = { id: "0001_initial", up, down: await read("down"), checksum: sha256(up) };
  const schema = sqliteSchema(file, { clock });
  await schema.apply(migration, { release: running, by: "demo" }, initialScope("database"));
  await schema.record(running, [migration.id], { replace: true }, initialScope("database"));
  seed(file, clock.now());
}

/** The right to act before any deployment: the oldest token there is, so that every lease is newer. */
export function initialScope(key: string): StepScope {
  const fence = { token: 0, attempt: 1 };
  return { signal: new AbortController().signal, idempotencyKey: key, fence, log: () => {} };
}

function seed(file: string, now: number): void {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  try {
    const payment = db.prepare(
      `INSERT INTO payments (id, idempotency_key, amount, currency, status, authorisation, created_at)
       VALUES (?, ?, ?, 'EUR', 'settled', ?, ?)`,
    );
    const queued = db.prepare(
      `INSERT INTO outbox (kind, subject_id, amount, currency, created_at, settled_at) VALUES ('capture', ?, ?, 'EUR', ?, ?)`,
    );
    const settled = db.prepare("INSERT INTO settlements VALUES (?, 'capture', ?, ?, ?, ?)");
    db.exec("BEGIN IMMEDIATE");
    for (let index = 0; index < SEEDED; index += 1) {
      // One every ten minutes, up to an hour ago.
      const time = now - 3_600_000 - (SEEDED - index) * 600_000;
      const at = new Date(time).toISOString();
      const number = String(index + 1).padStart(4, "0");
      const id = `pay_${time.toString(16).padStart(12, "0")}${sha256(number).slice(0, 20)}`;
      const amount = 500 + ((index * 7919) % 90_000);
      payment.run(id, `seed-${number}`, amount, `auth_${sha256(id).slice(0, 24)}`, at);
      const { lastInsertRowid } = queued.run(id, amount, at, at);
      settled.run(lastInsertRowid, id, amount, `capture_${sha256(at).slice(0, 24)}`, at);
    }
    db.exec("COMMIT");
  } finally {
    db.close();
  }
}
