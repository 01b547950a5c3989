import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { DirectContext } from "../../operations/checks/testing/direct-context.ts";
import { failureOf, named, runOperation, testCall } from "../../operations/checks/testing/fixtures.ts";
import type { ReleaseRef } from "../../operation.ts";
import { missingMigrations } from "../../operations/database/missing.ts";
import { DatabaseWorld } from "./testing.ts";

const PRODUCTION = { env: "production" };

async function deployed(world: DatabaseWorld, ...releases: ReleaseRef[]): Promise<void> {
  let previous: ReleaseRef | null = null;
  for (const release of releases) {
    await runOperation(named(world.operations, "migrate"), {
      system: world.system,
      release,
      previous,
      args: PRODUCTION,
    });
    previous = release;
  }
}

test("rollback-db takes back what came after the version, newest first", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  const third = world.release("2.2.0", {
    ...Object.fromEntries(world.releases.get(next.id)?.files ?? []),
    "0003_more.up.sql": "CREATE TABLE more (x INTEGER);",
    "0003_more.down.sql": "DROP TABLE more;",
  });
  await deployed(world, old, next, third);
  // The archives are gone: the way back is in the database.
  world.releases.clear();
  const report = await runOperation(named(world.operations, "rollback-db"), {
    system: world.system,
    args: { version: "2.0.0" },
  });
  assert.equal(
    report.summary,
    "SQLite database payments.db returned to the schema of 2.0.0: 0003_more, 0002_reference taken back",
  );
  assert.deepEqual(world.rows("SELECT id FROM sunny_migrations"), [{ id: "0001_initial" }]);
  assert.deepEqual(world.rows("SELECT name FROM sqlite_schema WHERE name IN ('more', 'payments_by_reference')"), []);
});

test("rollback-db is not needed when the schema is that of the version, and says so with both states", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  await deployed(world, old);
  const report = await runOperation(named(world.operations, "rollback-db"), {
    system: world.system,
    args: { version: "2.0.0" },
  });
  assert.match(report.summary, /^Not needed/);
  assert.deepEqual(report.data, { now: ["0001_initial"], target: ["0001_initial"], reverted: [] });
});

test("rollback-db is not needed in a database that was never migrated", async (t) => {
  const world = new DatabaseWorld(t);
  world.usual();
  const report = await runOperation(named(world.operations, "rollback-db"), {
    system: world.system,
    args: { version: "2.0.0" },
  });
  assert.match(report.summary, /^Not needed: .*no migrations/);
});

test("an irreversible migration stops the rollback before it touches anything, and names the backup and what it would lose", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  const third = world.release("2.2.0", {
    ...Object.fromEntries(world.releases.get(next.id)?.files ?? []),
    "0003_squash.up.sql": "-- sunny: irreversible\nALTER TABLE payments ADD COLUMN squashed INTEGER;",
  });
  await deployed(world, old, next);
  world.sql("INSERT INTO payments VALUES ('p1', 1, NULL)");
  const backup = await runOperation(named(world.operations, "backup-databases"), { system: world.system });
  await deployed(world, third);
  world.sql("INSERT INTO payments VALUES ('p2', 1, NULL, 1), ('p3', 1, NULL, 1)");
  const failure = await failureOf(named(world.operations, "rollback-db"), {
    system: world.system,
    args: { version: "2.0.0" },
  });
  assert.equal(failure.code, "MIGRATION_IRREVERSIBLE");
  const { id } = backup.data as { id: string };
  assert.match(
    failure.message,
    new RegExp(
      `0003_squash has no way back; nothing was changed. The way back is restoring backup ${id} .*a person must decide.*at least 2 rows of payments`,
    ),
  );
  assert.equal(world.rows("SELECT id FROM sunny_migrations").length, 3);
});

test("without a backup from before, the refusal says so", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  const next = world.release("2.1.0", {
    ...Object.fromEntries(world.releases.get(old.id)?.files ?? []),
    "0002_x.up.sql": "CREATE TABLE x (y);",
  });
  await deployed(world, old, next);
  const failure = await failureOf(named(world.operations, "rollback-db"), {
    system: world.system,
    args: { version: "2.0.0" },
  });
  assert.match(
    failure.message,
    /0002_x has no way back; nothing was changed\. There is no proved backup from before it either/,
  );
});

test("a version that nobody recorded is refused with those that are", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  await deployed(world, old);
  const failure = await failureOf(named(world.operations, "rollback-db"), {
    system: world.system,
    args: { version: "1.0.0" },
  });
  assert.equal(failure.code, "SCHEMA_UNRECORDED");
  assert.match(failure.message, /recorded are: 2\.0\.0/);
});

test("a schema older than that of the version is refused", async (t) => {
  const world = new DatabaseWorld(t);
  const { old } = world.usual();
  await deployed(world, old);
  const failure = await failureOf(named(world.operations, "rollback-db"), {
    system: world.system,
    args: { version: "2.1.0" },
  });
  assert.equal(failure.code, "SCHEMA_BEHIND");
  assert.match(failure.message, /needs 0002_reference; nothing was changed/);
});

test("what a version needs and the schema lacks is known beforehand, also before the version was ever deployed", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  assert.deepEqual(await missingMigrations(world.ports, "2.1.0", null), [], "nothing was ever migrated here");
  await deployed(world, old);
  assert.deepEqual(await missingMigrations(world.ports, "2.1.0", null), ["0002_reference"]);
  assert.deepEqual(await missingMigrations(world.ports, "2.0.0", null), []);
  assert.deepEqual(await missingMigrations(world.ports, "9.9.9", null), [], "nobody knows that version");
  await deployed(world, next);
  assert.deepEqual(await missingMigrations(world.ports, "2.1.0", null), []);
});

test("by hand, a schema that hosts still work with is refused before anything is done, and the hosts are named", async (t) => {
  const world = new DatabaseWorld(t);
  const { old, next } = world.usual();
  await deployed(world, old, next);
  const operation = named(world.operations, "rollback-db");
  const guard = (mode: "by-hand" | "rollback", version = "2.0.0"): Promise<void> | undefined =>
    operation.guard?.(
      new DirectContext(systemClock),
      testCall(operation, { system: world.system, args: { version }, mode }),
    );
  const host = (name: string, { id, version }: ReleaseRef) => ({ host: name, releaseId: id, version });
  world.serving = [host("web-1", old), host("web-2", next)];
  await assert.rejects(async () => guard("by-hand"), {
    code: "SCHEMA_IN_USE",
    message:
      "Nothing was changed: web-2 serves 2.1.0, which works with 0002_reference. Bring the hosts back first, with rollback --version 2.0.0",
  });
  await guard("rollback");
  await guard("by-hand", "2.1.0");
  world.serving = [host("web-1", old), host("web-2", old)];
  await guard("by-hand");
});

test("by hand, a version without a recorded schema is refused before anything is done", async (t) => {
  const world = new DatabaseWorld(t);
  await deployed(world, world.usual().old);
  const operation = named(world.operations, "rollback-db");
  const call = testCall(operation, { system: world.system, args: { version: "1.0.0" }, mode: "by-hand" });
  await assert.rejects(async () => operation.guard?.(new DirectContext(systemClock), call), {
    code: "SCHEMA_UNRECORDED",
  });
});
