import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { EMPTY_FRONTIER, EMPTY_ROOT, appendLeaf, consistencyProof, frontierAt, inclusionProof } from "./merkle.ts";
import { leafHash, nodeHash, rootOf, sameHash, verifyConsistency, verifyInclusion } from "./merkle.ts";
import type { Frontier, Hash, NodeReader } from "./merkle.ts";

// The eight leaves and the roots over the first n of them, as certificate-transparency's own tests have them.
const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const hex = (hash: Hash): string => Buffer.from(hash).toString("hex");

/** The definition of RFC 6962 2.1, word for word and slow. */
function definedRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return createHash("sha256").digest();
  if (leaves.length === 1) return leaves[0] as Hash;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(definedRoot(leaves.slice(0, split)), definedRoot(leaves.slice(split)));
}

function build(leaves: readonly Hash[]): { frontier: Frontier; read: NodeReader } {
  const nodes = new Map<string, Hash>();
  let frontier = EMPTY_FRONTIER;
  for (const leaf of leaves) {
    const next = appendLeaf(frontier, leaf);
    frontier = next.frontier;
    for (const node of next.completed) nodes.set(`${node.level}/${node.index}`, node.hash);
  }
  return {
    frontier,
    read: (level, index) => nodes.get(`${level}/${index}`) ?? assert.fail(`no node ${level}/${index}`),
  };
}

const many = Array.from({ length: 70 }, (_, at) => leafHash(Buffer.from(`leaf ${at}`)));

describe("the Merkle tree", () => {
  test("known leaves give the known roots", () => {
    const leaves = LEAVES.map((data) => leafHash(Buffer.from(data, "hex")));
    for (const [size, root] of ROOTS.entries()) {
      assert.equal(hex(rootOf(build(leaves.slice(0, size)).frontier)), root);
    }
    assert.equal(hex(EMPTY_ROOT), ROOTS[0]);
  });

  test("appending gives the root of the definition at every size, and leaves the older frontier as it was", () => {
    let frontier = EMPTY_FRONTIER;
    for (let size = 0; size < many.length; size++) {
      const before = hex(rootOf(frontier));
      const next = appendLeaf(frontier, many[size] as Hash).frontier;
      assert.equal(hex(rootOf(frontier)), before);
      assert.equal(hex(rootOf(next)), hex(definedRoot(many.slice(0, size + 1))));
      frontier = next;
    }
  });

  test("a frontier read from nodes is the one that appending gave", () => {
    for (let size = 0; size <= many.length; size++) {
      const { frontier, read } = build(many.slice(0, size));
      assert.deepEqual(frontierAt(size, read), frontier);
    }
  });

  test("inclusion proofs hold for every leaf of every size, and for nothing else", () => {
    for (let size = 1; size <= 40; size++) {
      const { frontier, read } = build(many.slice(0, size));
      const root = rootOf(frontier);
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(index, size, read);
        const leaf = many[index] as Hash;
        assert.ok(verifyInclusion(index, size, leaf, proof, root), `leaf ${index} of ${size}`);
        assert.ok(!verifyInclusion(index, size, many[index + 1] as Hash, proof, root));
        assert.ok(!verifyInclusion(index, size, leaf, proof, leafHash(root)));
        assert.ok(!verifyInclusion(index, size, leaf, [...proof, leaf], root));
        if (proof.length > 0) assert.ok(!verifyInclusion(index, size, leaf, proof.slice(1), root));
        if (size > 1) assert.ok(!verifyInclusion((index + 1) % size, size, leaf, proof, root));
        assert.ok(!verifyInclusion(size, size, leaf, proof, root));
        assert.ok(!verifyInclusion(-1, size, leaf, proof, root));
      }
    }
  });

  test("consistency proofs hold between every two sizes, and not for an altered beginning", () => {
    const { read } = build(many);
    const roots = Array.from({ length: many.length + 1 }, (_, size) => definedRoot(many.slice(0, size)));
    const altered = [leafHash(Buffer.from("altered")), ...many.slice(1)];
    for (let to = 1; to <= 40; to++) {
      for (let from = 0; from <= to; from++) {
        const proof = consistencyProof(from, to, read);
        const [old, young] = [roots[from] as Hash, roots[to] as Hash];
        assert.ok(verifyConsistency(from, to, old, young, proof), `${from} to ${to}`);
        if (from === 0) continue;
        assert.ok(!verifyConsistency(from, to, definedRoot(altered.slice(0, from)), young, proof));
        assert.ok(!verifyConsistency(from, to, old, definedRoot(altered.slice(0, to)), proof));
        assert.ok(!verifyConsistency(from, to, old, young, [...proof, old]));
        if (from < to) assert.ok(!verifyConsistency(from, to, old, young, proof.slice(1)));
        assert.ok(!verifyConsistency(to + 1, to, young, young, proof));
      }
    }
  });

  test("leaves and nodes are hashed apart, so a node cannot pass for a leaf", () => {
    const pair = nodeHash(many[0] as Hash, many[1] as Hash);
    assert.ok(!sameHash(pair, leafHash(Buffer.concat([many[0] as Hash, many[1] as Hash]))));
  });
});
