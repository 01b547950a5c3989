import { hash as digest } from "node:crypto";

/**
 * The Merkle tree of RFC 6962 section 2.1 (the same as RFC 9162 section 2.1) over SHA-256. A node is named by level
 * and index: it is the root of the complete subtree over the leaves `[index·2^level, (index+1)·2^level)`. Sizes may
 * go beyond 2^31, so there is arithmetic here where others shift bits.
 */
export type Hash = Uint8Array;

/** Gives the hash of a complete subtree. */
export type NodeReader = (level: number, index: number) => Hash;

/** The root of the tree without leaves. */
export const EMPTY_ROOT: Hash = digest("sha256", Buffer.alloc(0), "buffer");

/** Hash of a leaf, SHA-256(0x00 ‖ data); RFC 6962, section 2.1. */
export function leafHash(data: Uint8Array): Hash {
  return sha256(LEAF, data);
}

/** Hash of an inner node, SHA-256(0x01 ‖ left ‖ right); RFC 6962, section 2.1. */
export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(NODE, left, right);
}

/** One call is half as long as an object that is updated piece by piece. */
function sha256(...parts: Uint8Array[]): Buffer {
  return digest("sha256", Buffer.concat(parts), "buffer");
}

const LEAF = Buffer.of(0x00);
const NODE = Buffer.of(0x01);

/**
 * What is needed of a tree to append to it: the roots of its complete subtrees, one for each bit set in `size`, the
 * largest first. Never changed in place: appending makes a new one, so a transaction that fails costs nothing.
 */
export interface Frontier {
  readonly size: number;
  readonly nodes: readonly Hash[];
}

/** The frontier of a tree without leaves. */
export const EMPTY_FRONTIER: Frontier = { size: 0, nodes: [] };

/** The frontier with one more leaf, and every subtree that it completed, lowest first (the leaf itself is level 0). */
export function appendLeaf(
  frontier: Frontier,
  leaf: Hash,
): { readonly frontier: Frontier; readonly completed: readonly { level: number; index: number; hash: Hash }[] } {
  const nodes = [...frontier.nodes];
  const completed = [{ level: 0, index: frontier.size, hash: leaf }];
  let hash = leaf;
  let index = frontier.size;
  for (let level = 1; index % 2 === 1; level++) {
    hash = nodeHash(nodes.pop() as Hash, hash);
    index = (index - 1) / 2;
    completed.push({ level, index, hash });
  }
  nodes.push(hash);
  return { frontier: { size: frontier.size + 1, nodes }, completed };
}

/** The root of a complete subtree, from the 2^k hashes at its foot. */
export function completeRoot(hashes: readonly Hash[]): Hash {
  let row = hashes;
  while (row.length > 1) {
    const above: Hash[] = [];
    for (let at = 0; at < row.length; at += 2) above.push(nodeHash(row[at] as Hash, row[at + 1] as Hash));
    row = above;
  }
  return row[0] as Hash;
}

/** The root of a frontier's tree. */
export function rootOf(frontier: Frontier): Hash {
  return frontier.nodes.reduceRight<Hash | undefined>((right, left) => join(left, right), undefined) ?? EMPTY_ROOT;
}

function join(left: Hash, right: Hash | undefined): Hash {
  return right === undefined ? left : nodeHash(left, right);
}

/** The frontier of the first `size` leaves, from one node for each bit set. */
export function frontierAt(size: number, read: NodeReader): Frontier {
  const nodes: Hash[] = [];
  let start = 0;
  while (start < size) {
    const level = Math.floor(Math.log2(size - start));
    nodes.push(read(level, start / 2 ** level));
    start += 2 ** level;
  }
  return { size, nodes };
}

/** The root over the leaves `[start, end)`; `start` must be where such a subtree begins (RFC 6962 section 2.1). */
function rangeRoot(start: number, end: number, read: NodeReader): Hash {
  const width = end - start;
  const level = Math.ceil(Math.log2(width));
  if (2 ** level === width) return read(level, start / width);
  const half = 2 ** (level - 1);
  return nodeHash(rangeRoot(start, start + half, read), rangeRoot(start + half, end, read));
}

/** The hashes that lead from leaf `index` to the root of the first `size` leaves, lowest first (RFC 6962 2.1.1). */
export function inclusionProof(index: number, size: number, read: NodeReader): Hash[] {
  const proof: Hash[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitOf(end - start);
    if (index < middle) {
      proof.push(rangeRoot(middle, end, read));
      end = middle;
    } else {
      proof.push(rangeRoot(start, middle, read));
      start = middle;
    }
  }
  return proof.toReversed();
}

/** The hashes that show that the tree of `from` leaves is the beginning of the tree of `to` leaves (RFC 6962 2.1.2). */
export function consistencyProof(from: number, to: number, read: NodeReader): Hash[] {
  if (from === 0 || from === to) return [];
  const proof: Hash[] = [];
  let [start, end] = [0, to];
  while (end > from) {
    const middle = start + splitOf(end - start);
    if (from <= middle) {
      proof.push(rangeRoot(middle, end, read));
      end = middle;
    } else {
      proof.push(rangeRoot(start, middle, read));
      start = middle;
    }
  }
  if (start !== 0) proof.push(rangeRoot(start, end, read));
  return proof.toReversed();
}

/** The largest power of two below `width`, which must be at least 2. */
function splitOf(width: number): number {
  return 2 ** (Math.ceil(Math.log2(width)) - 1);
}

/** True when `proof` shows that `leaf` is at `index` in the tree of `size` leaves with this root (RFC 9162 2.1.3.2). */
export function verifyInclusion(index: number, size: number, leaf: Hash, proof: readonly Hash[], root: Hash): boolean {
  if (!isCount(index) || !isCount(size) || index >= size) return false;
  let [node, last, hash] = [index, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && sameHash(hash, root);
}

/** True when `proof` shows that the tree of `from` leaves is the beginning of that of `to` leaves (RFC 9162 2.1.4.2). */
export function verifyConsistency(
  from: number,
  to: number,
  fromRoot: Hash,
  toRoot: Hash,
  proof: readonly Hash[],
): boolean {
  if (!isCount(from) || !isCount(to) || from > to) return false;
  if (from === to) return proof.length === 0 && sameHash(fromRoot, toRoot);
  if (from === 0) return proof.length === 0 && sameHash(fromRoot, EMPTY_ROOT);
  const path = isPowerOfTwo(from) ? [fromRoot, ...proof] : [...proof];
  const first = path.shift();
  if (first === undefined) return false;
  let [node, last, old, young] = [from - 1, to - 1, first, first];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  for (const sibling of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      [old, young] = [nodeHash(sibling, old), nodeHash(sibling, young)];
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      young = nodeHash(young, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && sameHash(old, fromRoot) && sameHash(young, toRoot);
}

/** True when both hashes have the same bytes; not in constant time, since neither is secret. */
export function sameHash(a: Hash, b: Hash): boolean {
  return Buffer.compare(a, b) === 0;
}

function half(n: number): number {
  return Math.floor(n / 2);
}

function isPowerOfTwo(n: number): boolean {
  return 2 ** Math.round(Math.log2(n)) === n;
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}
