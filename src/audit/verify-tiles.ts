import type { Checkpoint } from "./checkpoint.ts";
import type { Findings } from "./findings.ts";
import { HASH_BYTES, hashList } from "./hash-list.ts";
import type { HashList } from "./hash-list.ts";
import { leafHash, sameHash } from "./merkle.ts";
import type { Snapshot } from "./snapshot.ts";
import { CHECKPOINT } from "./standing.ts";
import { TILE_WIDTH, decodeEntries, encodeEntries, parseTilePath, tilePath, tilesBetween } from "./tiles.ts";
import type { Tile } from "./tiles.ts";

/**
 * Compares every file of the log's directory with the signed root. Two readings of the leaves (entries, hash tiles)
 * and the database's as a third are hashed up; the one that gives the signed root is the truth, and whatever differs
 * from it is named. Returns the truth, or `undefined` when none of them gives the root.
 */
export function verifyTiles(snapshot: Snapshot, checkpoint: Checkpoint, findings: Findings): HashList | undefined {
  const { size } = checkpoint;
  const entries = readEntries(snapshot, size, findings);
  const tiles = readHashes(snapshot, size, findings);
  const fromRows = (): HashList | undefined => rowHashes(snapshot, size);
  const truth = [() => entries.hashes, () => tiles, fromRows]
    .map((source) => source())
    .find((list) => list !== undefined && list.size >= size && sameHash(list.root(size), checkpoint.root));
  if (truth === undefined) {
    findings.add("ROOT_MISMATCH", `Neither the entries nor the hashes of the ${size} actions give the signed root`);
  }
  compareLeaves(entries, truth ?? tiles, size, findings);
  compareTiles(snapshot, truth ?? entries.hashes, size, findings);
  checkExtraFiles(snapshot, truth, size, findings);
  return truth;
}

interface Entries {
  /** Zeros where an entry could not be read. */
  readonly hashes: HashList;
  /** Bundles that are missing or do not hold as many entries as they should. */
  readonly broken: ReadonlySet<number>;
}

function readEntries(snapshot: Snapshot, size: number, findings: Findings): Entries {
  const hashes = Buffer.alloc(size * HASH_BYTES);
  const broken = new Set<number>();
  for (const tile of tilesBetween(0, size)) {
    if (tile.level !== "entries") break;
    const file = tilePath(tile);
    const bytes = snapshot.read(file);
    if (bytes === undefined) {
      findings.add("FILE_MISSING", `The entries of actions ${rangeOf(tile)} are missing`, { file });
      broken.add(tile.index);
      continue;
    }
    const { leaves, whole } = decodeEntries(bytes);
    if (!whole || leaves.length !== tile.width) {
      const found = whole ? `${leaves.length} entries` : `${leaves.length} entries and a broken one`;
      findings.add("FILE_ALTERED", `For actions ${rangeOf(tile)} there are ${found} instead of ${tile.width}`, {
        file,
      });
      broken.add(tile.index);
    }
    for (const [at, leaf] of leaves.slice(0, tile.width).entries()) {
      hashes.set(leafHash(leaf), (tile.index * TILE_WIDTH + at) * HASH_BYTES);
    }
  }
  return { hashes: hashList(hashes), broken };
}

function readHashes(snapshot: Snapshot, size: number, findings: Findings): HashList {
  const hashes = Buffer.alloc(size * HASH_BYTES);
  for (const tile of tilesBetween(0, size)) {
    if (tile.level === "entries") continue;
    const file = tilePath(tile);
    const bytes = snapshot.read(file);
    if (bytes === undefined) findings.add("FILE_MISSING", "A tile of hashes is missing", { file });
    else if (tile.level === 0)
      hashes.set(bytes.subarray(0, tile.width * HASH_BYTES), tile.index * TILE_WIDTH * HASH_BYTES);
  }
  return hashList(hashes);
}

/** `undefined` also when the database cannot be read, which `verifyRows` reports. */
function rowHashes(snapshot: Snapshot, size: number): HashList | undefined {
  if (snapshot.rows === undefined) return undefined;
  const hashes: Uint8Array[] = [];
  try {
    for (const { data } of snapshot.rows.leaves(0, size)) hashes.push(leafHash(data));
  } catch {
    return undefined;
  }
  return hashList(Buffer.concat(hashes));
}

function compareLeaves({ hashes, broken }: Entries, truth: HashList, size: number, findings: Findings): void {
  let places: Map<string, number> | undefined;
  const reported = new Set<number>();
  for (let index = 0; index < size; index++) {
    if (hashes.leaf(index).equals(truth.leaf(index))) continue;
    const bundle = Math.floor(index / TILE_WIDTH);
    // Behind a broken entry nothing is where it belongs: only the first says something.
    if (broken.has(bundle) && reported.has(bundle)) continue;
    reported.add(bundle);
    places ??= placesOf(truth, size);
    const other = places.get(hashes.leaf(index).toString("hex"));
    const what =
      other === undefined
        ? `Action ${index} is not the one that was recorded`
        : `Action ${other} stands where ${index} belongs`;
    const width = Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH);
    findings.add("LEAF_ALTERED", what, { leaf: index, file: tilePath({ level: "entries", index: bundle, width }) });
  }
}

function placesOf(truth: HashList, size: number): Map<string, number> {
  return new Map(Array.from({ length: size }, (_, index) => [truth.leaf(index).toString("hex"), index]));
}

function compareTiles(snapshot: Snapshot, truth: HashList, size: number, findings: Findings): void {
  for (const tile of tilesBetween(0, size)) {
    if (tile.level === "entries") continue;
    const file = tilePath(tile);
    const bytes = snapshot.read(file);
    const expected = truth.tile(tile.level, tile.index, tile.width);
    if (bytes === undefined || bytes.equals(expected)) continue;
    const at = firstDifference(bytes, expected);
    const what = bytes.length === expected.length ? "" : `, ${bytes.length} bytes instead of ${expected.length}`;
    const level = tile.level === 0 ? "the hash of action" : `the level ${tile.level} hash`;
    const index = tile.index * TILE_WIDTH + Math.floor(at / HASH_BYTES);
    findings.add("FILE_ALTERED", `From byte ${at} on it differs, at ${level} ${index}${what}`, {
      file,
      ...(tile.level === 0 && index < size ? { leaf: index } : {}),
    });
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  return at;
}

/**
 * What a crash in the middle of publishing leaves (partial tiles of before, tiles of what is not published yet, files
 * that were not yet renamed) is no finding as long as its bytes are right.
 */
function checkExtraFiles(snapshot: Snapshot, truth: HashList | undefined, size: number, findings: Findings): void {
  const expected = new Set([CHECKPOINT, ...[...tilesBetween(0, size)].map(tilePath)]);
  for (const file of snapshot.files) {
    if (expected.has(file)) continue;
    const tile = parseTilePath(file);
    const temporary = file.endsWith(".tmp") ? file.slice(0, -4) : undefined;
    if (temporary !== undefined && (temporary === CHECKPOINT || parseTilePath(temporary) !== undefined)) {
      findings.note(`${file} is what an interrupted publication left; the next one removes it`);
    } else if (tile !== undefined && isLeftover(snapshot, truth, tile, file)) {
      findings.note(`${file} is right but not needed at this size; the next publication settles it`);
    } else {
      findings.add("FILE_EXTRA", "The file is no part of the log", { file });
    }
  }
}

function isLeftover(snapshot: Snapshot, truth: HashList | undefined, tile: Tile, file: string): boolean {
  const bytes = snapshot.read(file);
  if (tile.level === "entries") {
    const rows = [...(snapshot.rows?.leaves(tile.index * TILE_WIDTH, tile.index * TILE_WIDTH + tile.width) ?? [])];
    return rows.length === tile.width && bytes?.equals(encodeEntries(rows.map((row) => row.data))) === true;
  }
  const all = rowHashes(snapshot, Number.MAX_SAFE_INTEGER) ?? truth;
  const hashes = all?.tile(tile.level, tile.index, tile.width);
  return hashes?.length === tile.width * HASH_BYTES && bytes?.equals(hashes) === true;
}

function rangeOf(tile: Tile): string {
  return `${tile.index * TILE_WIDTH} to ${tile.index * TILE_WIDTH + tile.width - 1}`;
}
