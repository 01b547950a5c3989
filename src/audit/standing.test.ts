import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ErrorCode } from "../error-codes.ts";
import { isSunnyError } from "../errors.ts";
import { generateKey, parseSigner } from "./note.ts";
import { appendMany, publishedSize, testLeaf, testWorld } from "./testing.ts";
import type { TestWorld } from "./testing.ts";

const refused = (code: ErrorCode) => (error: unknown) => isSunnyError(error, code);

function restore(map: Map<string, Buffer>, old: ReadonlyMap<string, Buffer>): void {
  map.clear();
  for (const [name, bytes] of old) map.set(name, bytes);
}

/** What a copy of everything is restored to later: an attacker who keeps old files. */
function remember(world: TestWorld): { files(): void; copy(): void } {
  const [files, copy] = [new Map(world.fileMap), new Map(world.copyMap)];
  return { files: () => restore(world.fileMap, files), copy: () => restore(world.copyMap, copy) };
}

/** Takes rows away, as restoring an older database file would. */
function truncate(world: TestWorld, size: number): void {
  world.db.exec(`DROP TRIGGER audit_leaf_is_kept; DELETE FROM audit_leaf WHERE idx >= ${size}`);
}

describe("opening", () => {
  test("a log goes on where it was", () => {
    const world = testWorld();
    appendMany(world, world.open(), 700);
    const log = world.open();
    assert.equal(publishedSize(world), 700);
    assert.equal(log.record("next", testLeaf("next")).index, 700);
    assert.equal(log.publish().size, 701);
  });

  test("a checkpoint ahead of the database is a lost tail", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 5);
    log.publish();
    truncate(world, 3);
    assert.throws(() => world.open(), refused("AUDIT_LOST_TAIL"));
  });

  test("a running log whose rows vanish refuses to publish", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 5);
    log.publish();
    truncate(world, 3);
    assert.throws(() => log.publish(), refused("AUDIT_AHEAD"));
    assert.throws(() => log.record("x", testLeaf("x")), refused("AUDIT_AHEAD"));
  });

  test("database and directory put back together are found through the second copy", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 3);
    log.publish();
    const old = remember(world);
    const note = world.db.prepare("SELECT size, note FROM audit_published").get() as { size: number; note: string };
    appendMany(world, log, 2);
    log.publish();
    old.files();
    truncate(world, 3);
    world.db.prepare("UPDATE audit_published SET size = ?, note = ?").run(note.size, note.note);
    assert.throws(() => world.open(), refused("AUDIT_ROLLED_BACK"));
  });

  test("a directory put back, a second copy put back, and a checkpoint removed are each refused", () => {
    const cases: ((world: TestWorld, old: ReturnType<typeof remember>) => void)[] = [
      (_world, old) => old.files(),
      (_world, old) => old.copy(),
      (world) => world.fileMap.delete("checkpoint"),
    ];
    for (const tamper of cases) {
      const world = testWorld();
      const log = world.open();
      appendMany(world, log, 3);
      log.publish();
      const old = remember(world);
      appendMany(world, log, 2);
      log.publish();
      tamper(world, old);
      assert.throws(() => world.open(), refused("AUDIT_ROLLED_BACK"));
      assert.throws(() => log.publish(), refused("AUDIT_ROLLED_BACK"));
    }
  });

  test("a second copy that is gone is refused until somebody accepts it", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 3);
    log.publish();
    world.copyMap.clear();
    assert.throws(() => world.open(), refused("AUDIT_COPY_MISSING"));
    world.open({ acceptMissingCopy: true });
    assert.equal(publishedSize(world, world.copy), 3);
    world.open();
  });

  test("a damaged directory is written again from the database, when its rows are those that were signed", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 600);
    log.publish();
    const whole = new Map(world.fileMap);
    for (const damage of ["tile/0/000", "tile/entries/001", "checkpoint"]) {
      world.fileMap.set(damage, Buffer.from("damaged"));
      world.fileMap.delete("checkpoint");
      world.open({ republish: true });
      assert.deepEqual(new Map(world.fileMap), whole, damage);
    }
    world.fileMap.delete("checkpoint");
    world.db.exec("DROP TRIGGER audit_leaf_stays; UPDATE audit_leaf SET data = X'00' WHERE idx = 300");
    assert.throws(() => world.open({ republish: true }), refused("AUDIT_CORRUPT"));
    truncate(world, 599);
    assert.throws(() => world.open({ republish: true }), refused("AUDIT_ROLLED_BACK"));
  });

  test("another history of the same length is refused", () => {
    const [world, other] = [testWorld(), testWorld()];
    const log = world.open();
    const theirs = other.open({ signer: world.signer });
    log.record("a", testLeaf("ours"));
    theirs.record("a", testLeaf("theirs"));
    log.publish();
    theirs.publish();
    world.fileMap.set("checkpoint", other.fileMap.get("checkpoint") as Buffer);
    assert.throws(() => log.publish(), refused("AUDIT_FORKED"));
    assert.throws(() => world.open(), refused("AUDIT_FORKED"));
  });

  test("a checkpoint of a stranger or of another log is refused, one of an earlier key counts", () => {
    const world = testWorld();
    world.open().record("a", testLeaf("a"));
    world.open();
    assert.throws(() => world.open({ origin: "sunny/other" }), refused("AUDIT_CHECKPOINT_INVALID"));
    const signer = parseSigner(generateKey("sunny/test").signer);
    assert.throws(() => world.open({ signer }), refused("NOTE_UNVERIFIED"));
    const log = world.open({ signer, verifiers: world.verifiers });
    log.record("b", testLeaf("b"));
    assert.equal(log.publish().size, 2);
  });
});
