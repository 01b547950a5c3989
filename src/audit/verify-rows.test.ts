import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { sha256 } from "../json.ts";
import type { ProblemKind } from "./findings.ts";
import { databasePath, kindsOf, publishedWorld, testLeaf, testWorld, verifyWorld } from "./testing.ts";

function digest(seq: number, data: unknown): string {
  return sha256(`${seq} ${String(data)}`);
}

function journal(db: DatabaseSync): { seq: number; sha256: string }[] {
  const rows = db.prepare("SELECT seq, data FROM journal").all();
  return rows.map((row) => ({ seq: Number(row["seq"]), sha256: digest(Number(row["seq"]), row["data"]) }));
}

describe("the database", () => {
  test("altered, removed and inserted rows are named", async (t) => {
    const cases: [string, ProblemKind, number | undefined][] = [
      ["UPDATE audit_leaf SET data = X'00' WHERE idx = 2", "ROW_ALTERED", 2],
      ["UPDATE audit_leaf SET hash = zeroblob(32) WHERE idx = 4", "ROW_ALTERED", 4],
      ["DELETE FROM audit_leaf WHERE idx = 1", "ROW_MISSING", 1],
      ["UPDATE audit_node SET hash = zeroblob(32)", "ROW_ALTERED", undefined],
      ["INSERT INTO audit_node VALUES (16, 0, zeroblob(32))", "ROW_ALTERED", undefined],
      ["UPDATE audit_published SET size = 1", "ROW_ALTERED", undefined],
      ["UPDATE audit_published SET note = replace(note, 'sunny', 'funny')", "ROW_ALTERED", undefined],
      ["DROP TABLE audit_node", "DATABASE_DAMAGED", undefined],
    ];
    for (const [sql, kind, leaf] of cases) {
      const file = databasePath(t);
      const { world } = publishedWorld(257, file);
      world.db.exec(`DROP TRIGGER audit_leaf_stays; DROP TRIGGER audit_leaf_is_kept; ${sql}`);
      const report = await verifyWorld(world, { dbPath: file });
      assert.ok(
        report.problems.some((problem) => problem.kind === kind && problem.leaf === leaf),
        `${sql}: ${JSON.stringify(report.problems)}`,
      );
      world.db.close();
    }
  });

  test("flipped bits in the bytes of leaves and hashes are found", async (t) => {
    const file = databasePath(t);
    const { world } = publishedWorld(40, file);
    world.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    world.db.close();
    const bytes = readFileSync(file);
    const db = new DatabaseSync(file, { readOnly: true });
    const rows = db.prepare("SELECT data, hash FROM audit_leaf").all() as { data: Uint8Array; hash: Uint8Array }[];
    db.close();
    let flips = 0;
    for (const [index, row] of rows.entries()) {
      for (const cell of [row.data, row.hash]) {
        // A page that was split keeps the old bytes of the rows that moved: every occurrence is altered.
        const altered = Buffer.from(bytes);
        for (let at = bytes.indexOf(cell); at !== -1; at = bytes.indexOf(cell, at + 1)) {
          const place = at + ((index * 37) % cell.length);
          altered[place] = (altered[place] as number) ^ (1 << (index % 8));
        }
        assert.notDeepEqual(altered, bytes);
        writeFileSync(file, altered);
        const report = await verifyWorld(world, { dbPath: file });
        assert.ok(
          report.problems.some((problem) => problem.kind === "ROW_ALTERED" && problem.leaf === index),
          `leaf ${index}`,
        );
        flips++;
      }
    }
    assert.equal(flips, 80);
  });

  test("bits flipped anywhere in the pages of the leaves are found or change nothing that was recorded", async (t) => {
    const file = databasePath(t);
    const { world } = publishedWorld(40, file);
    world.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    world.db.close();
    const bytes = readFileSync(file);
    const contents = (): string => {
      const db = new DatabaseSync(file, { readOnly: true });
      const rows = db.prepare("SELECT idx, hex(data) AS data, hex(hash) AS hash FROM audit_leaf").all();
      db.close();
      return JSON.stringify(rows);
    };
    const before = contents();
    let found = 0;
    for (let at = 4096; at < bytes.length; at += 197) {
      const altered = Buffer.from(bytes);
      altered[at] = (altered[at] as number) ^ (1 << (at % 8));
      writeFileSync(file, altered);
      const report = await verifyWorld(world, { dbPath: file });
      if (report.ok) assert.equal(contents(), before, `byte ${at}`);
      else found++;
    }
    assert.ok(found > 50, `${found} found`);
  });

  test("the journal is compared with its leaves, both ways", async (t) => {
    const file = databasePath(t);
    const world = testWorld(file);
    const log = world.open();
    for (let seq = 1; seq <= 4; seq++) {
      world.db.exec(`BEGIN; INSERT INTO journal VALUES (${seq}, 'row ${seq}')`);
      log.append(`key-${seq}`, { ...testLeaf("a"), journal: { seq, sha256: digest(seq, `row ${seq}`) } });
      world.db.exec("COMMIT");
      log.committed();
    }
    log.record("login", testLeaf("no row"));
    log.publish();
    assert.deepEqual((await verifyWorld(world, { dbPath: file, journal })).problems, []);
    world.db.exec("UPDATE journal SET data = 'x' WHERE seq = 2; DELETE FROM journal WHERE seq = 4");
    world.db.exec("INSERT INTO journal VALUES (9, 'never recorded')");
    const report = await verifyWorld(world, { dbPath: file, journal });
    assert.deepEqual(
      report.problems.map(({ kind, leaf }) => [kind, leaf]),
      [
        ["JOURNAL_ALTERED", 1],
        ["JOURNAL_MISSING", 3],
        ["JOURNAL_ALTERED", undefined],
      ],
    );
  });

  test("a database that is missing, or is none, is reported", async (t) => {
    const file = databasePath(t);
    const { world } = publishedWorld(3);
    assert.deepEqual(kindsOf(await verifyWorld(world, { dbPath: file })), ["DATABASE_UNREADABLE"]);
    writeFileSync(file, "not a database, but long enough to be looked at as one".repeat(100));
    assert.deepEqual(kindsOf(await verifyWorld(world, { dbPath: file })), ["DATABASE_DAMAGED"]);
  });
});
