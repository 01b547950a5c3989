import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import type { Probed, StepOptions } from "../../engine/context.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import { failureOf, named, runOperation, testCall } from "../../operations/checks/testing/fixtures.ts";
import type { Json } from "../../json.ts";
import { DatabaseWorld } from "./testing.ts";

const PRODUCTION = { env: "production" };

test("migrate applies what is pending, records each migration and the schema of both releases", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  const migrate = named(world.operations, "migrate");
  await runOperation(migrate, { system: world.system, release: old, args: PRODUCTION });
  const report = await runOperation(migrate, { system: world.system, release: next, previous: old, args: PRODUCTION });
  assert.equal(report.summary, "1 migration applied to SQLite database payments.db: 0002_reference");
  assert.deepEqual(report.data, {
    before: ["0001_initial"],
    after: ["0001_initial", "0002_reference"],
    release: next.id,
  });
  assert.deepEqual(world.rows("SELECT id, release, by FROM sunny_migrations ORDER BY id"), [
    { id: "0001_initial", release: old.id, by: "Operator" },
    { id: "0002_reference", release: next.id, by: "Operator" },
  ]);
  assert.deepEqual(world.rows("SELECT version, migrations FROM sunny_schemas ORDER BY version"), [
    { version: "2.0.0", migrations: '["0001_initial"]' },
    { version: "2.1.0", migrations: '["0001_initial","0002_reference"]' },
  ]);
  const again = await runOperation(migrate, { system: world.system, release: next, previous: old, args: PRODUCTION });
  assert.equal(again.summary, "SQLite database payments.db has all migrations of 2.1.0 already");
});

test("the plan knows what is pending and whether it can be taken back", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  const release = world.release("2.2.0", {
    ...Object.fromEntries(world.releases.get(next.id)?.files ?? []),
    "0003_drop.up.sql": "-- sunny: irreversible\nALTER TABLE refunds ADD COLUMN note TEXT;",
  });
  const migrate = named(world.operations, "migrate");
  await runOperation(migrate, { system: world.system, release: old, args: PRODUCTION });
  const facts = (await migrate.observe?.(testCall(migrate, { system: world.system, release, args: PRODUCTION }))) as {
    pending: { id: string; reversible: boolean }[];
  };
  assert.deepEqual(
    facts.pending.map(({ id, reversible }) => [id, reversible]),
    [
      ["0002_reference", true],
      ["0003_drop", false],
    ],
  );
});

test("another environment than the configured one is refused, at plan time and when run", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  const migrate = named(world.operations, "migrate");
  const run = { system: world.system, release: old, args: { env: "staging" } };
  const failure = await failureOf(migrate, run);
  assert.equal(failure.code, "ENVIRONMENT_MISMATCH");
  assert.match(
    failure.message,
    /--env says "staging" and the configuration describes "production"; nothing was migrated/,
  );
  await assert.rejects(async () => migrate.observe?.(testCall(migrate, run)), { code: "ENVIRONMENT_MISMATCH" });
  assert.deepEqual(world.rows("SELECT name FROM sqlite_schema"), []);
});

test("a failing migration is undone whole, and the ones before it stay", async (t) => {
  const world = new DatabaseWorld(t);
  const release = world.release("2.0.0", {
    "0001_one.up.sql": "CREATE TABLE one (x INTEGER);",
    "0002_two.up.sql": "CREATE TABLE two (x INTEGER); INSERT INTO nowhere VALUES (1);",
  });
  const failure = await failureOf(named(world.operations, "migrate"), {
    system: world.system,
    release,
    args: PRODUCTION,
  });
  assert.equal(failure.code, "MIGRATION_FAILED");
  assert.match(failure.message, /Migration 0002_two failed and was undone: no such table: nowhere/);
  assert.deepEqual(world.rows("SELECT name FROM sqlite_schema WHERE name IN ('one', 'two')"), [{ name: "one" }]);
  assert.deepEqual(world.rows("SELECT id FROM sunny_migrations"), [{ id: "0001_one" }]);
});

for (const [what, sql] of [
  ["ends its transaction", "CREATE TABLE a (x); COMMIT; CREATE TABLE b (x);"],
  ["reaches another file", "ATTACH DATABASE 'other.db' AS other;"],
  ["forges the ledger", "CREATE TABLE a (x); DELETE FROM sunny_migrations;"],
] as const) {
  test(`a migration that ${what} is refused and leaves nothing behind`, async (t) => {
    const world = new DatabaseWorld(t);
    const release = world.release("2.0.0", { "0001_bad.up.sql": sql });
    // The schema is tried on an empty database first where there is no ledger.
    const failure = await failureOf(named(world.operations, "migrate"), {
      system: world.system,
      release,
      args: PRODUCTION,
    });
    assert.equal(failure.code, "MIGRATION_FAILED");
    assert.match(failure.message, /not authorized|no such table: sunny_migrations/);
    assert.deepEqual(world.rows("SELECT name FROM sqlite_schema WHERE name IN ('a', 'b')"), []);
  });
}

test("a migration that breaks references is undone", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  const files = Object.fromEntries(world.releases.get(old.id)?.files ?? []);
  const migrate = named(world.operations, "migrate");
  await runOperation(migrate, { system: world.system, release: old, args: PRODUCTION });
  world.sql("INSERT INTO payments VALUES ('p1', 5); INSERT INTO refunds VALUES ('r1', 'p1');");
  const release = world.release("2.1.0", { ...files, "0002_purge.up.sql": "DELETE FROM payments;" });
  const failure = await failureOf(migrate, { system: world.system, release, args: PRODUCTION });
  assert.match(
    failure.message,
    /0002_purge failed and was undone: it breaks references: row 1 of refunds refers to a missing row of payments/,
  );
  assert.equal(world.rows("SELECT * FROM payments").length, 1);
});

test("an applied migration that was edited, or is missing in the release, is refused by name", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  const migrate = named(world.operations, "migrate");
  await runOperation(migrate, { system: world.system, release: next, args: PRODUCTION });
  const older = await failureOf(migrate, { system: world.system, release: old, args: PRODUCTION });
  assert.equal(older.code, "MIGRATION_MISSING");
  assert.match(
    older.message,
    /0002_reference is applied \(by release 2\.1\.0-.*\), and release 2\.0\.0 does not have it/,
  );
  world.releases.get(next.id)?.files.set("0001_initial.up.sql", "CREATE TABLE payments (id TEXT);");
  const edited = await failureOf(migrate, { system: world.system, release: next, args: PRODUCTION });
  assert.equal(edited.code, "MIGRATION_CHANGED");
  assert.match(edited.message, /Nothing was migrated: 0001_initial was edited after it was applied/);
});

test("a migration with a number below the newest applied one is refused", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  const files = Object.fromEntries(world.releases.get(old.id)?.files ?? []);
  const migrate = named(world.operations, "migrate");
  await runOperation(migrate, { system: world.system, release: old, args: PRODUCTION });
  const release = world.release("2.1.0", { ...files, "0000_late.up.sql": "CREATE TABLE late (x);" });
  const failure = await failureOf(migrate, { system: world.system, release, args: PRODUCTION });
  assert.equal(failure.code, "MIGRATION_OUT_OF_ORDER");
});

test("--to stops at that migration, and names what there is when it is unknown", async (t) => {
  const world = new DatabaseWorld(t);
  const { next } = world.usual();
  const migrate = named(world.operations, "migrate");
  const run = { system: world.system, release: next };
  const failure = await failureOf(migrate, { ...run, args: { ...PRODUCTION, to: "0009" } });
  assert.match(failure.message, /no migration 0009 in the release; it has 0001_initial, 0002_reference/);
  await runOperation(migrate, { ...run, args: { ...PRODUCTION, to: "0001" } });
  assert.deepEqual(world.rows("SELECT id FROM sunny_migrations"), [{ id: "0001_initial" }]);
});

test("a schema that was made without Sunny is recognised and recorded, not run again", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  world.sql(world.releases.get(old.id)?.files.get("0001_initial.up.sql") ?? "");
  const migrate = named(world.operations, "migrate");
  const report = await runOperation(migrate, { system: world.system, release: next, previous: old, args: PRODUCTION });
  assert.match(report.summary, /1 migration applied .*: 0002_reference; 1 were there already and are recorded now/);
  assert.deepEqual(
    world.rows("SELECT id FROM sunny_migrations ORDER BY id").map(({ id }) => id),
    ["0001_initial", "0002_reference"],
  );
});

test("a schema that is that of no migration is refused with what differs", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  world.sql("CREATE TABLE payments (id TEXT PRIMARY KEY) STRICT");
  const failure = await failureOf(named(world.operations, "migrate"), {
    system: world.system,
    release: old,
    args: PRODUCTION,
  });
  assert.equal(failure.code, "SCHEMA_UNKNOWN");
  assert.match(failure.message, /column payments\.amount is missing/);
});

test("an older token is refused by the database, also after a probe by the newer one", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  const migrate = named(world.operations, "migrate");
  await runOperation(migrate, { system: world.system, release: old, args: PRODUCTION });
  const newer = new DirectContext(systemClock, { token: 7 });
  await world.ports.schema.raiseFence(newer.scope("resolve"));
  const failure = await failureOf(migrate, { system: world.system, release: next, args: PRODUCTION });
  assert.equal(failure.code, "DATABASE_FENCED");
  assert.match(failure.message, /has seen token 7 since .*; this run holds 1 and may change nothing more/);
  assert.deepEqual(world.rows("SELECT id FROM sunny_migrations"), [{ id: "0001_initial" }]);
});

test("within one token an earlier attempt at the same step is refused, another step's first attempt is not", async (t) => {
  const world = new DatabaseWorld(t);
  const context = new DirectContext(systemClock);
  await world.ports.schema.raiseFence(context.scope("one", 2));
  await assert.rejects(world.ports.schema.raiseFence(context.scope("one", 1)), { code: "DATABASE_FENCED" });
  await world.ports.schema.raiseFence(context.scope("two", 1));
});

test("an unknown outcome is settled by reading the table, after the fence was raised", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  const migrate = named(world.operations, "migrate");
  const probes: Probed<unknown>[] = [];
  class Probing extends DirectContext {
    override async step<T>(
      name: string,
      fn: Parameters<DirectContext["step"]>[1],
      options: StepOptions<T>,
    ): Promise<T> {
      const { disposition } = options;
      const probe = async (): Promise<void> => {
        if (disposition.kind === "probe") probes.push(await disposition.probe(this.scope(name, 2)));
      };
      await probe();
      const value = await super.step(name, disposition.kind === "probe" ? () => fn(this.scope(name, 3)) : fn, options);
      await probe().catch((error: unknown) => assert.match(String(error), /may change nothing more/));
      return value as T;
    }
  }
  await runOperation(migrate, {
    system: world.system,
    release: old,
    args: PRODUCTION,
    context: new Probing(systemClock),
  });
  assert.deepEqual(probes, [{ state: "not-done" }]);
  const after = await world.ports.schema.state();
  assert.deepEqual(
    after.applied.map(({ id }) => id),
    ["0001_initial"],
  );
});

test("a database that another process keeps locked is named as locked, and nothing is migrated", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  const holder = new DatabaseSync(world.file);
  holder.exec("BEGIN IMMEDIATE");
  t.after(() => holder.close());
  const failure = await failureOf(named(world.operations, "migrate"), {
    system: world.system,
    release: old,
    args: PRODUCTION,
  });
  assert.equal(failure.code, "DATABASE_LOCKED");
  assert.match(failure.message, /another process held it for more than 200 ms/);
});

test("the way back returns to the schema of the freeze, and is not needed when nothing was applied", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  const migrate = named(world.operations, "migrate");
  const run = { system: world.system, release: next, previous: old, args: PRODUCTION };
  await runOperation(migrate, { ...run, release: old, previous: null });
  const facts = (await migrate.observe?.(testCall(migrate, run))) as Json;
  const back = async (): Promise<string> => {
    assert.ok(migrate.wayBack?.kind === "revert");
    const call = testCall(migrate, { ...run, facts, mode: "rollback" });
    return (await migrate.wayBack.run(new DirectContext(systemClock), call)).summary;
  };
  assert.match(await back(), /^Not needed: .* has the schema of 2\.0\.0 \(1 migration, last 0001_initial\)/);
  await runOperation(migrate, { ...run, facts });
  assert.match(await back(), /returned to the schema of 2\.0\.0: 0002_reference taken back/);
  assert.deepEqual(world.rows("SELECT id FROM sunny_migrations"), [{ id: "0001_initial" }]);
});
