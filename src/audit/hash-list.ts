import { EMPTY_ROOT, completeRoot, frontierAt, rootOf } from "./merkle.ts";
import type { Hash, NodeReader } from "./merkle.ts";
import { TILE_WIDTH, tileReader } from "./tiles.ts";
import type { TileLevel } from "./tiles.ts";

/** Length of a SHA-256 hash. */
export const HASH_BYTES = 32;

/** The leaf hashes of a log in one piece of memory (32 bytes a leaf), with the levels that tiles hold above them. */
export interface HashList {
  readonly size: number;
  /** Hash of leaf `index`. */
  leaf(index: number): Buffer;
  /** Root of the first `size` leaves. */
  root(size: number): Hash;
  /** The bytes of a tile of hashes, cut where the list ends. */
  tile(level: Exclude<TileLevel, "entries">, index: number, width: number): Buffer;
  readonly node: NodeReader;
}

/** @param leaves concatenated leaf hashes. */
export function hashList(leaves: Buffer): HashList {
  const levels = [leaves];
  const levelAt = (level: number): Buffer => {
    while (levels.length <= level) levels.push(foldLevel(levels.at(-1) as Buffer));
    return levels[level] as Buffer;
  };
  const slice = (level: number, start: number, end: number): Buffer =>
    levelAt(level).subarray(start * HASH_BYTES, end * HASH_BYTES);
  const node = tileReader((level, start, end) => {
    const bytes = slice(level / 8, start, end);
    return Array.from({ length: end - start }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));
  });
  return {
    size: leaves.length / HASH_BYTES,
    node,
    leaf: (index) => slice(0, index, index + 1),
    root: (size) => (size === 0 ? EMPTY_ROOT : rootOf(frontierAt(size, node))),
    tile: (level, index, width) => slice(level, index * TILE_WIDTH, index * TILE_WIDTH + width),
  };
}

/** The hashes eight levels up: one for each 256 of the level below. */
function foldLevel(below: Buffer): Buffer {
  const tiles = Math.floor(below.length / (TILE_WIDTH * HASH_BYTES));
  const above = Buffer.alloc(tiles * HASH_BYTES);
  for (let tile = 0; tile < tiles; tile++) {
    const row: Hash[] = [];
    for (let at = 0; at < TILE_WIDTH; at++) {
      const start = (tile * TILE_WIDTH + at) * HASH_BYTES;
      row.push(below.subarray(start, start + HASH_BYTES));
    }
    above.set(completeRoot(row), tile * HASH_BYTES);
  }
  return above;
}
