import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EMPTY_FRONTIER, appendLeaf, leafHash, rootOf } from "./merkle.ts";
import { AuditRows } from "./rows.ts";
import { appendMany, testLeaf, testWorld } from "./testing.ts";

describe("rows", () => {
  test("a log of 70,000 leaves is taken up again from a few hundred hashes, and gives the same root", () => {
    const world = testWorld();
    const rows = new AuditRows(world.db, true);
    let frontier = EMPTY_FRONTIER;
    let all = EMPTY_FRONTIER;
    world.db.exec("BEGIN");
    for (let at = 0; at < 70_000; at++) {
      const data = Buffer.from(String(at));
      const hash = leafHash(data);
      frontier = rows.insert(frontier, `key-${at}`, hash, data) ?? assert.fail(`key-${at} is there already`);
      all = appendLeaf(all, hash).frontier;
    }
    world.db.exec("COMMIT");
    const again = new AuditRows(world.db, false);
    let read = 0;
    const hashes = again.hashes.bind(again);
    again.hashes = (level, start, end) => {
      read += end - start;
      return hashes(level, start, end);
    };
    assert.deepEqual(Buffer.from(rootOf(again.frontier(70_000))), Buffer.from(rootOf(all)));
    assert.ok(read <= 3 * 255, `${read} hashes were read`);
  });

  test("a hash that is missing is said, not skipped", () => {
    const world = testWorld();
    appendMany(world, world.open(), 5);
    world.db.exec("DROP TRIGGER audit_leaf_is_kept; DELETE FROM audit_leaf WHERE idx = 2");
    assert.throws(() => new AuditRows(world.db, false).frontier(5), { code: "AUDIT_CORRUPT" });
  });

  test("leaves are read back as they were recorded, from any index", () => {
    const world = testWorld();
    const log = world.open();
    appendMany(world, log, 5);
    assert.deepEqual(
      [...log.leaves(3)],
      [3, 4].map((index) => ({ index, leaf: testLeaf(`step-${index}`) })),
    );
    assert.equal([...log.leaves(1, 3)].length, 2);
  });
});
