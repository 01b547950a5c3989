import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { sleep, systemClock } from "../../clock.ts";
import type { StepScope } from "../../engine/context.ts";
import { identityOf, isAlive, type ProcessIdentity } from "../../engine/process-identity.ts";
import { scratch } from "../../operations/checks/testing/fixtures.ts";
import type { Migration } from "../../operations/database/ports.ts";
import { findProblems } from "./apart.ts";
import { sqliteSchema } from "./schema-store.ts";

const RELEASE = { name: "payments", version: "2.1.0", digest: "0".repeat(64), id: "2.1.0-000000000000" };
const ACTOR = { release: RELEASE, by: "operator" };

/** One statement that counts to `rows` and keeps the last number, as an index or a copied table would keep the processor. */
function counting(rows: number): Migration {
  const up = `CREATE TABLE counted AS WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ${rows}) SELECT max(x) AS last FROM c;`;
  return { id: "0001_count", up, down: "DROP TABLE counted;", checksum: "c" };
}

const ENDLESS = 1e15;

function database(t: TestContext): string {
  const file = path.join(scratch(t), "payments.db");
  const db = new DatabaseSync(file);
  db.exec("PRAGMA journal_mode = WAL; CREATE TABLE payments (id TEXT PRIMARY KEY) STRICT;");
  db.close();
  return file;
}

function scopeWith(signal: AbortSignal, spawned?: StepScope["spawned"]): StepScope {
  const fence = { token: 1, attempt: 1 };
  return { signal, fence, idempotencyKey: "step", log: () => {}, ...(spawned === undefined ? {} : { spawned }) };
}

function isLocked(file: string): boolean {
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec("BEGIN IMMEDIATE");
    db.exec("ROLLBACK");
    return false;
  } catch {
    return true;
  } finally {
    db.close();
  }
}

async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(systemClock, 10);
}

test("a statement that takes long leaves the event loop alone", async (t) => {
  const file = database(t);
  let ticks = 0;
  const beat = setInterval(() => {
    ticks += 1;
  }, 20);
  t.after(() => clearInterval(beat));
  const schema = sqliteSchema(file, { clock: systemClock });
  await schema.apply(counting(4_000_000), ACTOR, scopeWith(new AbortController().signal));
  // In the same thread there would be none between the statement's begin and its end.
  assert.ok(ticks > 3, `${ticks} beats`);
  assert.deepEqual(
    (await schema.state()).applied.map(({ id, by }) => [id, by]),
    [["0001_count", "operator"]],
  );
});

test("a migration that is ended in the middle leaves nothing behind", async (t) => {
  const file = database(t);
  const controller = new AbortController();
  const leaders: ProcessIdentity[] = [];
  const schema = sqliteSchema(file, { clock: systemClock, lockTimeoutMs: 1_000 });
  const scope = scopeWith(controller.signal, (leader) => void leaders.push(leader));
  const applied = schema.apply(counting(ENDLESS), ACTOR, scope);
  applied.catch(() => {});
  await eventually(() => isLocked(file));
  controller.abort(new Error("the deadline is over"));
  await assert.rejects(applied, /the deadline is over/);
  assert.equal(leaders.length, 1);
  assert.equal(isAlive(leaders[0]!), false);
  assert.equal(isLocked(file), false);
  const later = { ...scopeWith(new AbortController().signal), fence: { token: 2, attempt: 1 } };
  await schema.raiseFence(later);
  assert.deepEqual((await schema.state()).applied, []);
  assert.deepEqual(
    Object.keys(await schema.objects()).filter((name) => name.includes("counted")),
    [],
  );
});

test("one that was ended before it began starts no process", async (t) => {
  const schema = sqliteSchema(database(t), { clock: systemClock });
  const signal = AbortSignal.abort(new Error("too late"));
  const scope = scopeWith(signal, () => assert.fail("a process was started"));
  await assert.rejects(schema.apply(counting(1), ACTOR, scope), /too late/);
});

test("a migration ends with the process that asked for it", async (t) => {
  const file = database(t);
  const program = `
    import { sqliteSchema } from ${JSON.stringify(path.join(import.meta.dirname, "schema-store.ts"))};
    import { systemClock } from ${JSON.stringify(path.join(import.meta.dirname, "../../clock.ts"))};
    const scope = { signal: new AbortController().signal, fence: { token: 1, attempt: 1 }, idempotencyKey: "s",
      log() {}, spawned: ({ pid }) => console.log(pid) };
    await sqliteSchema(${JSON.stringify(file)}, { clock: systemClock })
      .apply(${JSON.stringify(counting(ENDLESS))}, ${JSON.stringify(ACTOR)}, scope);`;
  const orchestrator = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(orchestrator.stdout, "data")) as [Buffer];
  const job = identityOf(Number(line.toString()));
  assert.ok(job !== undefined);
  await eventually(() => isLocked(file));
  orchestrator.kill("SIGKILL");
  await eventually(() => !isAlive(job));
  // Its threads end a moment after its leader.
  await eventually(() => !isLocked(file));
});

test("what is wrong with a migration is told as if it had run here", async (t) => {
  const schema = sqliteSchema(database(t), { clock: systemClock });
  const broken = { ...counting(1), up: "INSERT INTO nowhere VALUES (1);" };
  const scope = scopeWith(new AbortController().signal);
  await assert.rejects(schema.apply(broken, ACTOR, scope), {
    code: "MIGRATION_FAILED",
    message: /Migration 0001_count failed and was undone: no such table: nowhere/,
  });
  await schema.raiseFence({ ...scope, fence: { token: 5, attempt: 1 } });
  await assert.rejects(schema.apply(counting(1), ACTOR, scope), { code: "DATABASE_FENCED" });
  await assert.rejects(schema.revert("0001_count", scope), { code: "DATABASE_FENCED" });
});

test("a large database is checked in a process of its own, a small one here, with the same result", async (t) => {
  const file = database(t);
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA foreign_keys = OFF; CREATE TABLE refunds (payment TEXT REFERENCES payments (id)) STRICT;
    INSERT INTO refunds VALUES ('gone');`);
  db.close();
  const job = { file, thorough: true, references: true };
  const expected = ["row 1 of refunds refers to a missing row of payments"];
  assert.deepEqual(await findProblems(job), expected);
  assert.deepEqual(await findProblems(job, new AbortController().signal, 0), expected);
});
