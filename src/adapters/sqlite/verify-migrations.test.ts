import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { failureOf, named, runOperation } from "../../operations/checks/testing/fixtures.ts";
import { DatabaseWorld } from "./testing.ts";
import { normalised } from "./objects.ts";

async function migrated(
  t: TestContext,
): Promise<{ world: DatabaseWorld; verify: () => ReturnType<typeof failureOf>; passes: () => Promise<string> }> {
  const world = new DatabaseWorld(t);
  const { next } = world.usual();
  const run = { system: world.system, release: next };
  await runOperation(named(world.operations, "migrate"), { ...run, args: { env: "production" } });
  const operation = named(world.operations, "verify-migrations");
  return {
    world,
    verify: () => failureOf(operation, run),
    passes: async () => (await runOperation(operation, run)).summary,
  };
}

test("a database with every migration passes", async (t) => {
  const { passes } = await migrated(t);
  assert.equal(await passes(), "SQLite database payments.db has the schema of 2.1.0: 2 migrations, sound");
});

for (const [what, sql, named] of [
  ["a missing index", "DROP INDEX payments_by_reference", /index payments_by_reference: is missing/],
  ["a missing table", "DROP TABLE refunds", /table refunds: is missing/],
  [
    "a missing column",
    "DROP INDEX payments_by_reference; ALTER TABLE payments DROP COLUMN reference",
    /column payments\.reference: is missing/,
  ],
  [
    "an index on something else",
    "DROP INDEX payments_by_reference; CREATE INDEX payments_by_reference ON payments (amount)",
    /index payments_by_reference: is create index payments_by_reference on payments\(amount\), should be create index payments_by_reference on payments\(reference\)/,
  ],
  [
    "a migration that is not applied",
    "DELETE FROM sunny_migrations WHERE id = '0002_reference'",
    /migration 0002_reference: is not applied/,
  ],
  [
    "an edited record",
    "UPDATE sunny_migrations SET checksum = 'x' WHERE id = '0001_initial'",
    /migration 0001_initial: 0001_initial was edited after it was applied/,
  ],
  [
    "a broken reference",
    "PRAGMA foreign_keys = OFF; INSERT INTO refunds VALUES ('r1', 'nobody')",
    /integrity: row 1 of refunds refers to a missing row of payments/,
  ],
] as const) {
  test(`${what} fails and is named`, async (t) => {
    const { world, verify } = await migrated(t);
    world.sql(sql);
    const failure = await verify();
    assert.equal(failure.code, "CHECK_FAILED");
    assert.match(failure.message, named);
  });
}

test("a migration that the release does not have is named with the release that applied it", async (t) => {
  const { world } = await migrated(t);
  const old = [...world.releases.values()].find(({ ref }) => ref.version === "2.0.0")?.ref ?? null;
  const failure = await failureOf(named(world.operations, "verify-migrations"), {
    system: world.system,
    previous: old,
  });
  assert.match(failure.message, /migration 0002_reference: 0002_reference is applied \(by release 2\.1\.0-/);
});

test("what no migration makes is reported and does not fail", async (t) => {
  const { world, passes } = await migrated(t);
  world.sql("CREATE TABLE scratch (x)");
  await passes();
  const report = await runOperation(named(world.operations, "verify-migrations"), {
    system: world.system,
    release: [...world.releases.values()].at(-1)?.ref ?? null,
  });
  assert.match(
    report.findings?.find(({ subject }) => subject === "schema")?.message ?? "",
    /no migration makes table scratch/,
  );
});

test("a damaged page is named", async (t) => {
  const { world, verify } = await migrated(t);
  world.sql("PRAGMA journal_mode = DELETE; INSERT INTO payments VALUES ('p1', 1, 'text'), ('p2', 2, 'more')");
  const root = Number(
    world.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'payments_by_reference'")[0]?.["rootpage"],
  );
  const size = Number(world.rows("PRAGMA page_size")[0]?.["page_size"]);
  const bytes = readFileSync(world.file);
  bytes.fill(0xee, (root - 1) * size + 40, root * size);
  writeFileSync(world.file, bytes);
  const failure = await verify();
  assert.equal(failure.code, "CHECK_FAILED");
  assert.match(failure.message, /integrity: .*(malformed|payments_by_reference|page|Tree)/);
});

test("a file that is no database, and one that is missing, are named", async (t) => {
  const { world, verify } = await migrated(t);
  writeFileSync(world.file, "x".repeat(4096));
  assert.match((await verify()).message, /payments\.db cannot be opened: file is not a database/);
});

test("definitions are compared without white space, comments and case, and with quoted text as it is", () => {
  assert.equal(
    normalised("CREATE  TABLE a -- why\n( x  TEXT /* y */ DEFAULT 'a  -- b' )"),
    "create table a(x text default 'a  -- b')",
  );
  assert.equal(normalised("create index i ON a (X)"), normalised("CREATE INDEX i on A(x)"));
  assert.notEqual(normalised("CREATE TABLE a (x DEFAULT 'A')"), normalised("CREATE TABLE a (x DEFAULT 'a')"));
  assert.notEqual(
    normalised("CREATE TABLE a (x TEXT DEFAULT 'a b')"),
    normalised("CREATE TABLE a (x TEXT DEFAULT 'a  b')"),
  );
});
