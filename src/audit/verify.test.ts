import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { directoryFiles } from "./files.ts";
import { appendMany, databasePath, kindsOf, publishedWorld, testLeaf, testWorld, verifyWorld } from "./testing.ts";
import type { TestWorld } from "./testing.ts";
import { decodeEntries, encodeEntries } from "./tiles.ts";
import { verifyAuditLog } from "./verify.ts";

describe("a log that nobody touched", () => {
  test("verifies at sizes around those of tiles, with database, copy and an older checkpoint", async (t) => {
    const file = databasePath(t);
    const { world, log } = publishedWorld(0, file);
    const older = world.fileMap.get("checkpoint")?.toString() ?? "";
    for (const size of [1, 2, 255, 256, 257, 600]) {
      appendMany(world, log, size - log.size());
      log.publish();
      const report = await verifyWorld(world, { dbPath: file, against: older });
      assert.deepEqual(report.problems, []);
      assert.deepEqual([report.ok, report.size, report.rows, report.origin], [true, size, size, "sunny/test"]);
    }
  });

  test("verifies while another process writes and publishes", async (t) => {
    const file = databasePath(t);
    const { world, log } = publishedWorld(3, file);
    // Every reading of the checkpoint lets the writer go on, which takes the partial tiles away under the reader.
    let turns = 0;
    const lively = {
      ...world.files,
      list() {
        if (turns++ < 3) {
          appendMany(world, log, 100);
          log.publish();
        }
        return world.files.list();
      },
    };
    const report = await verifyWorld(world, { dir: lively, dbPath: file });
    assert.deepEqual(report.problems, []);
    assert.ok(turns > 1, "the first look must have been disturbed");
  });

  test("what is committed and not yet published is no problem", async (t) => {
    const file = databasePath(t);
    const { world, log } = publishedWorld(3, file);
    appendMany(world, log, 2);
    const report = await verifyWorld(world, { dbPath: file });
    assert.deepEqual([report.ok, report.size, report.rows], [true, 3, 5]);
  });

  test("leftovers of an interrupted publication are noted, not reported", async (t) => {
    const file = databasePath(t);
    const { world, log } = publishedWorld(3, file);
    const stale = new Map(world.fileMap);
    appendMany(world, log, 2);
    log.publish();
    const ahead = new Map(world.fileMap);
    for (const [name, bytes] of stale) if (name !== "checkpoint") world.fileMap.set(name, bytes);
    world.fileMap.set("checkpoint.tmp", Buffer.from("hal"));
    const after = await verifyWorld(world, { dbPath: file });
    assert.deepEqual([after.ok, after.notes.length], [true, 3]);
    for (const [name, bytes] of [...stale, ...ahead]) world.fileMap.set(name, bytes);
    world.fileMap.set("checkpoint", stale.get("checkpoint") as Buffer);
    const before = await verifyWorld(world, { dbPath: file });
    assert.deepEqual(kindsOf(before), ["ROLLED_BACK"], "the second copy was written, so only that differs");
  });
});

describe("an altered log", () => {
  test("any single bit flipped in any file of the directory is found", async () => {
    const { world } = publishedWorld(3);
    // The smallest log that has every kind of file: a level 1 tile needs 256 leaves, and is covered below.
    let flips = 0;
    for (const [name, bytes] of world.fileMap) {
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const byte = Math.floor(bit / 8);
        bytes[byte] = (bytes[byte] as number) ^ (1 << (bit % 8));
        const report = await verifyWorld(world);
        assert.equal(report.ok, false, `${name}: bit ${bit} went unnoticed`);
        assert.ok(report.problems.every((problem) => problem.remedy !== ""));
        bytes[byte] = bytes[byte] ^ (1 << (bit % 8));
        flips++;
      }
    }
    assert.ok(flips > 8000, `${flips} bits`);
    assert.equal((await verifyWorld(world)).ok, true);
  });

  test("flips in a log of several tiles are found and the file is named", async () => {
    const { world } = publishedWorld(520);
    for (const [name, bytes] of world.fileMap) {
      if (name === "checkpoint") continue;
      for (const at of [0, 1, Math.floor(bytes.length / 3), bytes.length - 1]) {
        bytes[at] = (bytes[at] as number) ^ 0x10;
        const report = await verifyWorld(world);
        assert.ok(
          report.problems.some((problem) => problem.file === name),
          `${name} at ${at}`,
        );
        assert.ok(
          report.problems.every((problem) => problem.file === name),
          JSON.stringify(report.problems),
        );
        bytes[at] = bytes[at] ^ 0x10;
      }
    }
  });

  test("the leaf that was changed is named", async () => {
    const { world } = publishedWorld(300);
    const name = "tile/entries/001.p/44";
    const { leaves } = decodeEntries(world.fileMap.get(name) as Buffer);
    leaves[7] = Buffer.from(JSON.stringify(testLeaf("step-forged")));
    world.fileMap.set(name, encodeEntries(leaves));
    const report = await verifyWorld(world);
    assert.deepEqual(
      report.problems.map(({ kind, leaf, file }) => ({ kind, leaf, file })),
      [{ kind: "LEAF_ALTERED", leaf: 263, file: name }],
    );
  });

  test("a leaf changed together with all hash tiles is found through the signature", async () => {
    const [{ world }, forged] = [publishedWorld(300), testWorld()];
    const theirs = forged.open();
    appendMany(forged, theirs, 299);
    theirs.record("last", testLeaf("forged"));
    theirs.publish();
    for (const [name, bytes] of forged.fileMap) if (name !== "checkpoint") world.fileMap.set(name, bytes);
    assert.ok(kindsOf(await verifyWorld(world)).includes("ROOT_MISMATCH"));
  });

  test("the database shows which leaf it was, even then", async (t) => {
    const file = databasePath(t);
    const [{ world }, forged] = [publishedWorld(300, file), testWorld()];
    const theirs = forged.open();
    appendMany(forged, theirs, 299);
    theirs.record("last", testLeaf("forged"));
    theirs.publish();
    for (const [name, bytes] of forged.fileMap) if (name !== "checkpoint") world.fileMap.set(name, bytes);
    const report = await verifyWorld(world, { dbPath: file });
    assert.deepEqual(kindsOf(report).toSorted(), ["FILE_ALTERED", "LEAF_ALTERED"]);
    assert.ok(report.problems.every((problem) => problem.leaf === 299));
  });

  test("two leaves in the other order are found and both places named", async () => {
    const { world } = publishedWorld(6);
    const name = "tile/entries/000.p/6";
    const { leaves } = decodeEntries(world.fileMap.get(name) as Buffer);
    [leaves[1], leaves[4]] = [leaves[4] as Buffer, leaves[1] as Buffer];
    world.fileMap.set(name, encodeEntries(leaves));
    const { problems } = await verifyWorld(world);
    assert.deepEqual(
      problems.map((problem) => problem.leaf),
      [1, 4],
    );
    assert.match(problems[0]?.message ?? "", /Action 4 stands where 1 belongs/);
  });

  test("a leaf that was removed, and one that was added, are found", async () => {
    for (const change of [
      (leaves: Buffer[]) => leaves.splice(2, 1),
      (leaves: Buffer[]) => leaves.push(Buffer.from("x")),
    ]) {
      const { world } = publishedWorld(6);
      const name = "tile/entries/000.p/6";
      const { leaves } = decodeEntries(world.fileMap.get(name) as Buffer);
      change(leaves);
      world.fileMap.set(name, encodeEntries(leaves));
      const report = await verifyWorld(world);
      assert.ok(kindsOf(report).includes("FILE_ALTERED"));
      assert.ok(report.problems.every((problem) => problem.file === name));
    }
  });

  test("missing and extra files, and bytes behind the end of a file, are named", async () => {
    const { world } = publishedWorld(300);
    for (const name of world.files.list()) {
      const bytes = world.fileMap.get(name) as Buffer;
      world.fileMap.delete(name);
      const missing = await verifyWorld(world);
      assert.ok(
        missing.problems.some((problem) => problem.file?.endsWith(name)),
        `${name} missing`,
      );
      world.fileMap.set(name, Buffer.concat([bytes, Buffer.from([0])]));
      const longer = await verifyWorld(world);
      assert.ok(
        longer.problems.some((problem) => problem.file?.endsWith(name)),
        `${name} longer`,
      );
      world.fileMap.set(name, bytes);
    }
    for (const name of ["tile/0/002", "tile/0/000.p/9", "tile/9/000.p/1", "notes.txt", "checkpoint.old"]) {
      world.fileMap.set(name, Buffer.from("x"));
      const report = await verifyWorld(world);
      assert.deepEqual(
        report.problems.map(({ kind, file }) => ({ kind, file })),
        [{ kind: "FILE_EXTRA", file: name }],
      );
      world.fileMap.delete(name);
    }
  });

  test("a signature added by somebody unknown is reported", async () => {
    const { world } = publishedWorld(3);
    const other = publishedWorld(3);
    const line = other.world.fileMap.get("checkpoint")?.toString().split("\n").at(-2) ?? "";
    world.fileMap.set(
      "checkpoint",
      Buffer.from(`${world.fileMap.get("checkpoint")?.toString()}${line.replace("sunny/test", "else")}\n`),
    );
    assert.deepEqual(kindsOf(await verifyWorld(world)), ["CHECKPOINT_INVALID"]);
  });
});

/** Five actions were published, then database and directory are those of three again. */
async function putBack(t: TestContext): Promise<{ world: TestWorld; file: string; newest: string }> {
  const file = databasePath(t);
  const { world, log } = publishedWorld(3, file);
  world.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  const [files, database] = [new Map(world.fileMap), readFileSync(file)];
  appendMany(world, log, 2);
  log.publish();
  const newest = world.fileMap.get("checkpoint")?.toString() ?? "";
  log.close();
  world.db.close();
  world.fileMap.clear();
  for (const [name, bytes] of files) world.fileMap.set(name, bytes);
  for (const suffix of ["-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
  writeFileSync(file, database);
  return { world, file, newest };
}

describe("a log put back to an older state", () => {
  test("is found through the second copy, which says when it knew more", async (t) => {
    const { world, file } = await putBack(t);
    const report = await verifyWorld(world, { dbPath: file });
    assert.deepEqual(kindsOf(report), ["ROLLED_BACK"]);
    assert.ok(report.problems.some((problem) => /holds 3 actions, line 3 .*\(2025-/.test(problem.message)));
  });

  test("is found through a checkpoint kept elsewhere when there is no second copy", async (t) => {
    const { world, newest } = await putBack(t);
    const alone = { dir: world.files, verifiers: world.verifiers };
    assert.equal((await verifyAuditLog(alone)).ok, true, "by itself an older log looks whole");
    assert.deepEqual(kindsOf(await verifyAuditLog({ ...alone, against: newest })), ["ROLLED_BACK"]);
  });

  test("the copies that hosts keep must fit, and are believed only when they are signed", async (t) => {
    const file = databasePath(t);
    const { world, log } = publishedWorld(3, file);
    const older = world.fileMap.get("checkpoint")?.toString() ?? "";
    appendMany(world, log, 2);
    log.publish();
    const newest = world.fileMap.get("checkpoint")?.toString() ?? "";
    const verifyWith = (hosts: ReadonlyMap<string, string>) => verifyWorld(world, { dbPath: file, hosts });
    assert.equal(
      (
        await verifyWith(
          new Map([
            ["web-1", older],
            ["web-2", newest],
          ]),
        )
      ).ok,
      true,
    );
    assert.deepEqual(kindsOf(await verifyWith(new Map())), ["HOST_COPY_MISSING"]);
    const altered = await verifyWith(new Map([["web-1", newest.replace(/^5$/m, "6")]]));
    assert.deepEqual(kindsOf(altered), ["HOST_COPY_INVALID"]);
    assert.match(altered.problems[0]?.message ?? "", /^The checkpoint on web-1 cannot be believed/);
  });

  test("a directory put back alone, and a database put back alone, are found", async (t) => {
    const file = databasePath(t);
    const { world, log } = publishedWorld(3, file);
    const files = new Map(world.fileMap);
    appendMany(world, log, 2);
    log.publish();
    const now = new Map(world.fileMap);
    world.fileMap.clear();
    for (const [name, bytes] of files) world.fileMap.set(name, bytes);
    assert.deepEqual(kindsOf(await verifyWorld(world, { dbPath: file })), ["ROLLED_BACK"]);
    world.fileMap.clear();
    for (const [name, bytes] of now) world.fileMap.set(name, bytes);
    world.db.exec("DROP TRIGGER audit_leaf_is_kept; DELETE FROM audit_leaf WHERE idx >= 3");
    assert.deepEqual(kindsOf(await verifyWorld(world, { dbPath: file })), ["LOST_TAIL"]);
  });
});

describe("the second copy", () => {
  test("a changed bit in it is found, but for the time that nothing else knows", async () => {
    const { world } = publishedWorld(3);
    for (const [name, bytes] of world.copyMap) {
      for (let bit = 0; bit < bytes.length * 8; bit += 3) {
        const byte = Math.floor(bit / 8);
        const before = bytes[byte] as number;
        const column = byte - (bytes.subarray(0, byte).lastIndexOf(0x0a) + 1);
        const digit =
          /\d/.test(String.fromCharCode(before)) && /\d/.test(String.fromCharCode(before ^ (1 << (bit % 8))));
        if (name === "history" && column < 24 && digit) continue;
        bytes[byte] = before ^ (1 << (bit % 8));
        const report = await verifyWorld(world);
        const last = name === "history" && byte === bytes.length - 1;
        assert.ok(!report.ok || (last && report.notes.length > 0), `${name}: bit ${bit}`);
        bytes[byte] = before;
      }
    }
  });

  test("an empty second place is reported", async () => {
    const { world } = publishedWorld(3);
    world.copyMap.clear();
    assert.deepEqual(kindsOf(await verifyWorld(world)), ["COPY_MISSING"]);
  });
});

test("files on a real disk verify as those in memory do", async (t) => {
  const directory = path.dirname(databasePath(t));
  const places = { dir: path.join(directory, "audit"), copyDir: path.join(directory, "second", "copy") };
  const world = testWorld();
  const log = world.open(places);
  appendMany(world, log, 300);
  log.publish();
  appendMany(world, log, 300);
  log.close();
  const report = await verifyAuditLog({ ...places, verifiers: world.verifiers });
  assert.deepEqual([report.problems, report.size], [[], 600]);
  assert.ok(directoryFiles(places.dir).list().includes("tile/1/000.p/2"));
  const history = path.join(places.copyDir, "history");
  writeFileSync(history, `${readFileSync(history, "utf8")}2025-06-1`);
  assert.equal((await verifyAuditLog({ ...places, verifiers: world.verifiers })).ok, true);
  const again = world.open(places);
  appendMany(world, again, 1);
  again.publish();
  assert.equal(readFileSync(history, "utf8").split("\n").length, 5);
});

test("the newest line of the second copy's history cannot go unnoticed", async (t) => {
  const directory = path.dirname(databasePath(t));
  const places = { dir: path.join(directory, "audit"), copyDir: path.join(directory, "copy") };
  const world = testWorld();
  const log = world.open(places);
  for (let turn = 0; turn < 3; turn++) {
    appendMany(world, log, 2);
    log.publish();
  }
  const history = path.join(places.copyDir, "history");
  const lines = readFileSync(history, "utf8").split("\n");
  assert.equal((await verifyAuditLog({ ...places, verifiers: world.verifiers })).ok, true);
  writeFileSync(history, [...lines.slice(0, -2), ""].join("\n"));
  const { problems } = await verifyAuditLog({ ...places, verifiers: world.verifiers });
  assert.deepEqual(
    problems.map(({ kind, message }) => [kind, message]),
    [["COPY_INVALID", "The history ends at 4 actions, its checkpoint covers 6: lines were removed"]],
  );
});
