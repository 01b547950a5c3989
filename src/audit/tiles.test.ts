import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeEntries, encodeEntries, parseTilePath, tilePath, tilesBetween } from "./tiles.ts";

const paths = (from: number, to: number): string[] => [...tilesBetween(from, to)].map(tilePath);

describe("tiles", () => {
  test("paths are those of the specification", () => {
    assert.equal(tilePath({ level: 0, index: 1_234_067, width: 256 }), "tile/0/x001/x234/067");
    assert.equal(tilePath({ level: "entries", index: 0, width: 17 }), "tile/entries/000.p/17");
    assert.equal(tilePath({ level: 2, index: 1000, width: 1 }), "tile/2/x001/000.p/1");
  });

  test("a path is read back, and nothing else is taken for one", () => {
    for (const path of ["tile/0/x001/x234/067", "tile/entries/000.p/17", "tile/63/999"]) {
      assert.equal(tilePath(parseTilePath(path) ?? assert.fail(path)), path);
    }
    const others = [
      "tile/0/000.p/0",
      "tile/0/000.p/256",
      "tile/0/000.p/017",
      "tile/00/000",
      "tile/0/x000/001",
      "tile/0/1",
      "checkpoint",
    ];
    for (const path of others) assert.equal(parseTilePath(path), undefined, path);
  });

  test("a log of 70,000 leaves has the tiles of the specification's example", () => {
    const all = paths(0, 70_000);
    const count = (prefix: string): number => all.filter((path) => path.startsWith(prefix)).length;
    assert.deepEqual([count("tile/entries/"), count("tile/0/"), count("tile/1/"), count("tile/2/")], [274, 274, 2, 1]);
    for (const path of ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]) assert.ok(all.includes(path), path);
    assert.deepEqual(paths(0, 256), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    assert.deepEqual(paths(0, 0), []);
  });

  test("what a log has more than before is exactly what was not there", () => {
    for (const [from, to] of [
      [0, 5],
      [5, 6],
      [250, 256],
      [255, 257],
      [256, 300],
      [511, 513],
      [300, 300],
      [65_535, 65_537],
    ] as const) {
      const before = new Set(paths(0, from));
      assert.deepEqual(
        paths(from, to),
        paths(0, to).filter((path) => !before.has(path)),
        `${from} to ${to}`,
      );
    }
  });

  test("entries come back as they went in", () => {
    const leaves = [Buffer.from("a"), Buffer.alloc(0), Buffer.alloc(65_535, 7)];
    assert.deepEqual(decodeEntries(encodeEntries(leaves)), { leaves, whole: true });
  });

  test("a bundle cut anywhere inside an entry is not whole", () => {
    const bytes = encodeEntries([Buffer.from("one"), Buffer.from("two")]);
    for (let end = 1; end < bytes.length; end++) {
      if (end !== 5) assert.equal(decodeEntries(bytes.subarray(0, end)).whole, false, `cut at ${end}`);
    }
  });
});
