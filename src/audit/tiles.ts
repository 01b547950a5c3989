import { completeRoot } from "./merkle.ts";
import type { Hash, NodeReader } from "./merkle.ts";

/**
 * The file layout of c2sp.org/tlog-tiles: `tile/<level>/<n>[.p/<width>]` holds up to 256 hashes, `tile/entries/<n>`
 * up to 256 leaves, each behind its length as a big-endian uint16.
 */
export const TILE_WIDTH = 256;

/** Tiles hold every eighth level of the tree; the levels between are hashed from them. */
export const LEVELS_PER_TILE = 8;

/** Hashes of the subtrees of 256^level leaves, or the leaves themselves. */
export type TileLevel = number | "entries";

export interface Tile {
  readonly level: TileLevel;
  readonly index: number;
  /** 1 to 256; below 256 the tile is partial and its path says so. */
  readonly width: number;
}

/** `tile/0/x001/x234/067`, `tile/entries/000.p/17`. */
export function tilePath(tile: Tile): string {
  const digits = String(tile.index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const parts = padded.match(/\d{3}/g) ?? [];
  const name = parts.map((part, at) => (at < parts.length - 1 ? `x${part}` : part)).join("/");
  return `tile/${tile.level}/${name}${tile.width === TILE_WIDTH ? "" : `.p/${tile.width}`}`;
}

/** The tile that a path names, or `undefined` when no tile has that path. */
export function parseTilePath(path: string): Tile | undefined {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (match === null) return undefined;
  const [, level = "", name = "", width] = match;
  const tile: Tile = {
    level: level === "entries" ? level : Number(level),
    index: Number(name.replaceAll(/[x/]/g, "")),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  return tile.width > 0 && tilePath(tile) === path ? tile : undefined;
}

/**
 * The tiles that a log of `to` leaves has and one of `from` leaves had not, the entries first, then level by level.
 * With `from` 0 these are all tiles of the log.
 */
export function* tilesBetween(from: number, to: number): Generator<Tile> {
  yield* tilesOfLevel("entries", from, to);
  for (let [level, before, after] = [0, from, to]; after > 0; level++) {
    yield* tilesOfLevel(level, before, after);
    [before, after] = [Math.floor(before / TILE_WIDTH), Math.floor(after / TILE_WIDTH)];
  }
}

function* tilesOfLevel(level: TileLevel, before: number, after: number): Generator<Tile> {
  for (let start = Math.floor(before / TILE_WIDTH) * TILE_WIDTH; start < after; start += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, after - start);
    if (start + width > before) yield { level, index: start / TILE_WIDTH, width };
  }
}

/** The bytes of an entry bundle. Leaves are at most 65,535 bytes, which `leafBytes` sees to. */
export function encodeEntries(leaves: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const leaf of leaves) {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(leaf.length);
    parts.push(length, leaf);
  }
  return Buffer.concat(parts);
}

/** The leaves of an entry bundle; not `whole` when the bytes do not end where a leaf does. */
export function decodeEntries(bytes: Uint8Array): { readonly leaves: Buffer[]; readonly whole: boolean } {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const leaves: Buffer[] = [];
  let at = 0;
  while (at < data.length) {
    if (at + 2 > data.length) return { leaves, whole: false };
    const end = at + 2 + data.readUInt16BE(at);
    if (end > data.length) return { leaves, whole: false };
    leaves.push(data.subarray(at + 2, end));
    at = end;
  }
  return { leaves, whole: true };
}

/** Reads any node of the tree from the hashes of level 0, 8, 16, ...: at most 128 are hashed together. */
export function tileReader(readHashes: (level: number, start: number, end: number) => Hash[]): NodeReader {
  return (level, index) => {
    const kept = level - (level % LEVELS_PER_TILE);
    const width = 2 ** (level - kept);
    return completeRoot(readHashes(kept, index * width, (index + 1) * width));
  };
}
