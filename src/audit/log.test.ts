import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { isSunnyError } from "../errors.ts";
import type { ErrorCode } from "../error-codes.ts";
import type { AuditFiles } from "./files.ts";
import { leafHash } from "./merkle.ts";
import { appendMany, databasePath, publishedSize, testLeaf, testWorld } from "./testing.ts";
import { tilePath, tilesBetween } from "./tiles.ts";

const refused = (code: ErrorCode) => (error: unknown) => isSunnyError(error, code);

/** Files on a disk that is full for some of them. */
function broken(files: AuditFiles, when: (file: string) => boolean): AuditFiles {
  return {
    ...files,
    write(file, bytes) {
      if (when(file)) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
      files.write(file, bytes);
    },
  };
}

/** Files of a process that is killed after so many changes. */
function dying(files: AuditFiles, life: { left: number }): AuditFiles {
  const live = <A extends unknown[]>(change: (...args: A) => void) => {
    return (...args: A): void => {
      if (life.left-- <= 0) throw new Error("killed");
      change(...args);
    };
  };
  return { ...files, write: live(files.write), appendLine: live(files.appendLine), remove: live(files.remove) };
}

describe("appending", () => {
  test("journal row and leaf share a transaction: neither exists without the other", () => {
    const world = testWorld();
    const log = world.open();
    world.db.exec("BEGIN IMMEDIATE; INSERT INTO journal VALUES (1, 'a')");
    log.append("a", testLeaf("a"));
    world.db.exec("ROLLBACK");
    log.rolledBack();
    assert.equal(log.size(), 0);
    world.db.exec("BEGIN IMMEDIATE; INSERT INTO journal VALUES (1, 'a')");
    assert.equal(log.append("a", testLeaf("a")).index, 0);
    world.db.exec("COMMIT");
    log.committed();
    assert.equal(log.size(), 1);
    assert.equal(log.publish().size, 1);
  });

  test("the same key again gives the first leaf and adds none", () => {
    const log = testWorld().open();
    const first = log.record("a", testLeaf("a"));
    const again = log.record("a", testLeaf("something else"));
    assert.deepEqual(again, { ...first, added: false });
    assert.equal(log.size(), 1);
  });

  test("a rollback that nobody told of does not damage the tree", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 3);
    world.db.exec("BEGIN");
    log.append("lost", testLeaf("lost"));
    world.db.exec("ROLLBACK");
    log.record("kept", testLeaf("kept"));
    log.publish();
    assert.equal(publishedSize(world), 4);
    assert.equal(world.open().publish().size, 4);
  });

  test("a savepoint that is undone takes its leaf with it", () => {
    const world = testWorld();
    const log = world.open();
    world.db.exec("BEGIN; SAVEPOINT one");
    log.append("a", testLeaf("a"));
    world.db.exec("ROLLBACK TO one");
    assert.equal(log.append("b", testLeaf("b")).index, 0);
    world.db.exec("COMMIT");
    log.committed();
    assert.equal(log.publish().size, 1);
  });

  test("outside of a transaction nothing is recorded", () => {
    assert.throws(() => testWorld().open().append("a", testLeaf("a")), refused("INTERNAL"));
  });

  test("two processes on one database append and publish in turn", (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), "sunny-audit-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const world = testWorld(path.join(directory, "journal.db"));
    const other = new DatabaseSync(path.join(directory, "journal.db"));
    const [first, second] = [world.open(), world.open({ db: other })];
    for (let turn = 0; turn < 10; turn++) {
      assert.equal(first.record(`first-${turn}`, testLeaf("a")).index, turn * 2);
      assert.equal(second.record(`second-${turn}`, testLeaf("b")).index, turn * 2 + 1);
      if (turn % 3 === 0) second.publish();
    }
    assert.equal(first.publish().size, 20);
    assert.equal(second.publish().size, 20);
    other.close();
  });

  test("a detail that is too long is replaced by its digest", () => {
    const world = testWorld();
    world.open().record("a", testLeaf("a", "x".repeat(70_000)));
    const row = world.db.prepare("SELECT data, hash FROM audit_leaf").get() as { data: Uint8Array; hash: Uint8Array };
    const leaf = JSON.parse(Buffer.from(row.data).toString()) as { detail: unknown };
    assert.deepEqual(Object.keys(leaf.detail as object), ["omitted"]);
    assert.deepEqual(Buffer.from(row.hash), leafHash(row.data));
  });

  test("a leaf that is too long without its detail, or no JSON, is refused", () => {
    const log = testWorld().open();
    assert.throws(() => log.record("a", testLeaf("s".repeat(70_000))), refused("AUDIT_LEAF_INVALID"));
    assert.throws(() => log.record("b", testLeaf("b", Number.NaN)), refused("AUDIT_LEAF_INVALID"));
    assert.equal(log.size(), 0);
  });

  test("rows can be neither changed nor deleted by a slip", () => {
    const world = testWorld();
    world.open().record("a", testLeaf("a"));
    assert.throws(() => world.db.exec("DELETE FROM audit_leaf"), /append-only/);
    assert.throws(() => world.db.exec("UPDATE audit_leaf SET key = 'b'"), /append-only/);
  });
});

describe("publishing", () => {
  test("the directory holds exactly the tiles of the checkpoint, at every size", () => {
    const world = testWorld();
    const log = world.open();
    for (const step of [0, 1, 4, 250, 1, 1, 300, 211, 1]) {
      appendMany(world, log, step);
      const { size } = log.publish();
      const expected = ["checkpoint", ...[...tilesBetween(0, size)].map(tilePath)].toSorted();
      assert.deepEqual(world.files.list(), expected, `size ${size}`);
      assert.deepEqual(world.copyMap.get("checkpoint"), world.fileMap.get("checkpoint"));
    }
  });

  test("publishing again when nothing is new writes nothing", () => {
    const world = testWorld();
    const log = world.open();
    log.record("a", testLeaf("a"));
    const first = log.publish();
    const before = new Map([...world.fileMap, ...world.copyMap]);
    assert.deepEqual(log.publish(), first);
    assert.deepEqual(new Map([...world.fileMap, ...world.copyMap]), before);
  });

  test("a burst of actions is published once, a second later at most", () => {
    const world = testWorld();
    const log = world.open();
    world.clock.advance(5000);
    log.record("a", testLeaf("a"));
    assert.equal(publishedSize(world), 0);
    world.clock.advance(0);
    assert.equal(publishedSize(world), 1);
    for (let at = 0; at < 20; at++) log.record(`b-${at}`, testLeaf("b"));
    world.clock.advance(999);
    assert.equal(publishedSize(world), 1);
    world.clock.advance(1);
    assert.equal(publishedSize(world), 21);
    assert.equal(world.copyMap.get("history")?.toString().split("\n").length, 4);
  });

  test("a timer that fires inside a transaction waits for its end", () => {
    const world = testWorld();
    const log = world.open();
    log.record("a", testLeaf("a"));
    world.db.exec("BEGIN");
    world.clock.advance(1000);
    assert.equal(publishedSize(world), 0);
    world.db.exec("COMMIT");
    world.clock.advance(1000);
    assert.equal(publishedSize(world), 1);
  });

  test("a database that another process keeps locked delays a publication and stops nothing", (t) => {
    const file = databasePath(t);
    const world = testWorld(file);
    const failures: ErrorCode[] = [];
    const log = world.open({ onFailure: (error) => failures.push(error.code) });
    const other = new DatabaseSync(file);
    log.record("a", testLeaf("a"));
    other.exec("BEGIN IMMEDIATE");
    world.clock.advance(1000);
    assert.throws(() => log.flush(), refused("AUDIT_UNWRITABLE"));
    assert.equal(publishedSize(world), 0);
    other.exec("COMMIT");
    world.clock.advance(1000);
    assert.equal(publishedSize(world), 1);
    assert.deepEqual(failures, []);
    other.close();
  });

  test("publishing inside a transaction is refused and stops nothing", () => {
    const world = testWorld();
    const log = world.open();
    world.db.exec("BEGIN");
    assert.throws(() => log.publish(), refused("INTERNAL"));
    log.append("a", testLeaf("a"));
    world.db.exec("COMMIT");
    assert.equal(log.publish().size, 1);
  });

  test("closing publishes what is left", () => {
    const world = testWorld();
    const log = world.open();
    log.record("a", testLeaf("a"));
    log.close();
    assert.equal(publishedSize(world), 1);
    assert.throws(() => log.record("b", testLeaf("b")), refused("INTERNAL"));
  });

  test("closing a log that was only read writes nothing, and waits for nobody", (t) => {
    const file = databasePath(t);
    const world = testWorld(file);
    world.open().record("a", testLeaf("a"));
    const reader = world.open();
    const other = new DatabaseSync(file);
    other.exec("BEGIN IMMEDIATE");
    reader.close();
    other.exec("COMMIT");
    other.close();
    assert.equal(publishedSize(world), 1);
  });

  test("a row altered before it was published is not signed", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 3);
    world.db.exec("DROP TRIGGER audit_leaf_stays; UPDATE audit_leaf SET data = X'00' WHERE idx = 1");
    assert.throws(() => log.publish(), refused("AUDIT_CORRUPT"));
    assert.equal(publishedSize(world), 0);
  });
});

describe("when the log cannot be written", () => {
  test("nothing more is recorded until a publication succeeds again", () => {
    const world = testWorld();
    let full = false;
    const failures: ErrorCode[] = [];
    const log = world.open({ dir: broken(world.files, () => full), onFailure: (error) => failures.push(error.code) });
    full = true;
    log.record("a", testLeaf("a"));
    world.clock.advance(1000);
    assert.deepEqual(failures, ["AUDIT_UNWRITABLE"]);
    assert.throws(() => log.record("b", testLeaf("b")), refused("AUDIT_UNWRITABLE"));
    assert.throws(() => log.flush(), refused("AUDIT_UNWRITABLE"));
    world.clock.advance(1000);
    assert.deepEqual(failures, ["AUDIT_UNWRITABLE"], "told once");
    full = false;
    world.clock.advance(1000);
    assert.equal(publishedSize(world), 1);
    assert.equal(log.record("b", testLeaf("b")).index, 1);
  });

  test("the second place counts as much as the first", () => {
    const world = testWorld();
    let full = false;
    const log = world.open({ copyDir: broken(world.copy, () => full) });
    log.record("a", testLeaf("a"));
    full = true;
    assert.throws(() => log.flush(), refused("AUDIT_UNWRITABLE"));
    full = false;
    assert.equal(log.flush().size, 1);
    assert.equal(publishedSize(world, world.copy), 1);
  });

  test("a full database refuses the action and undoes the caller's row with it", () => {
    const world = testWorld();
    const log = world.open();
    world.db.exec("PRAGMA max_page_count = 12");
    const append = (): void => {
      for (let at = 0; at < 1000; at++) log.record(`key-${at}`, testLeaf("a", "x".repeat(2000)));
    };
    assert.throws(append, (error) => refused("AUDIT_UNWRITABLE")(error) && /full/.test((error as Error).message));
    world.db.exec("PRAGMA max_page_count = 10000");
    assert.equal(log.flush().size, log.size());
  });

  test("a directory that cannot be made refuses to open", (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), "sunny-audit-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const world = testWorld();
    world.db.exec("VACUUM INTO '" + path.join(directory, "file") + "'");
    assert.throws(() => world.open({ dir: path.join(directory, "file", "audit") }), refused("AUDIT_UNWRITABLE"));
  });

  test("wherever publishing is interrupted, the next opening finishes it", () => {
    for (let writes = 0; ; writes++) {
      const world = testWorld();
      const first = world.open();
      appendMany(world, first, 300);
      first.publish();
      appendMany(world, first, 300);
      const life = { left: writes };
      let done = true;
      try {
        world.open({ dir: dying(world.files, life), copyDir: dying(world.copy, life) });
      } catch {
        done = false;
      }
      assert.equal(world.open().size(), 600);
      const expected = ["checkpoint", ...[...tilesBetween(0, 600)].map(tilePath)].toSorted();
      assert.deepEqual(world.files.list(), expected, `interrupted after ${writes} writes`);
      if (done) return assert.ok(writes > 8);
    }
  });
});
