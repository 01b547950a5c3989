import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import { isSunnyError, type SunnyError } from "../errors.ts";
import type { ErrorCode } from "../error-codes.ts";
import { exportEvidence, verifyEvidence } from "./evidence.ts";
import { hashList } from "./hash-list.ts";
import { leafBytes } from "./leaf.ts";
import { leafHash } from "./merkle.ts";
import { generateKey } from "./note.ts";
import { makeProof, parseProof, verifyProof } from "./proof.ts";
import { testLeaf, testWorld } from "./testing.ts";
import type { TestWorld } from "./testing.ts";

const refused = (code: ErrorCode) => (error: unknown) => isSunnyError(error, code);

/** A log of 300 actions, every third of deployment d-2. */
function mixed(): { world: TestWorld; verifier: string; leaves: Buffer[] } {
  const world = testWorld();
  const log = world.open();
  const leaves: Buffer[] = [];
  world.db.exec("BEGIN");
  for (let at = 0; at < 300; at++) {
    const leaf = testLeaf(`step-${at}`);
    const mine = at % 3 === 0 ? { ...leaf, resource: { ...leaf.resource, deployment: "d-2" } } : leaf;
    log.append(`key-${at}`, mine);
    leaves.push(leafBytes(mine));
  }
  world.db.exec("COMMIT");
  log.committed();
  log.publish();
  return { world, verifier: log.verifier, leaves };
}

function place(t: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-evidence-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return path.join(directory, "evidence");
}

describe("proofs", () => {
  test("a proof shows each leaf, and no other leaf at any place", () => {
    const { world, leaves } = mixed();
    const checkpoint = world.fileMap.get("checkpoint")?.toString() ?? "";
    const truth = hashList(Buffer.concat(leaves.map((leaf) => leafHash(leaf))));
    for (let index = 0; index < leaves.length; index += 7) {
      const text = makeProof(index, leaves.length, checkpoint, truth.node);
      assert.equal(verifyProof(text, leaves[index] as Buffer, world.verifiers, "sunny/test").index, index);
      assert.throws(
        () => verifyProof(text, leaves[(index + 1) % 300] as Buffer, world.verifiers),
        refused("AUDIT_PROOF_INVALID"),
      );
      const moved = text.replace(`index ${index}\n`, `index ${index + 1}\n`);
      assert.throws(() => verifyProof(moved, leaves[index] as Buffer, world.verifiers), refused("AUDIT_PROOF_INVALID"));
    }
  });

  test("a proof of a stranger, of another log, or cut short is refused", () => {
    const { world, leaves } = mixed();
    const truth = hashList(Buffer.concat(leaves.map((leaf) => leafHash(leaf))));
    const text = makeProof(5, 300, world.fileMap.get("checkpoint")?.toString() ?? "", truth.node);
    const leaf = leaves[5] as Buffer;
    assert.throws(() => verifyProof(text, leaf, mixed().world.verifiers), refused("AUDIT_PROOF_INVALID"));
    assert.throws(() => verifyProof(text, leaf, world.verifiers, "sunny/other"), refused("AUDIT_PROOF_INVALID"));
    for (const broken of [
      "",
      text.slice(1),
      text.replace("index 5", "index 05"),
      text.replace("@v1", "@v2"),
      text.slice(0, -9),
    ]) {
      assert.throws(() => verifyProof(broken, leaf, world.verifiers), refused("AUDIT_PROOF_INVALID"));
    }
  });

  test("an extra line is passed over", () => {
    const text = "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\ncheckpoint";
    assert.deepEqual(parseProof(text), { index: 0, hashes: [], checkpoint: "checkpoint" });
  });
});

describe("evidence", () => {
  test("one deployment's actions are exported and verify with the key alone", (t) => {
    const { world, verifier, leaves } = mixed();
    const out = place(t);
    const exported = exportEvidence({ dir: world.files, deployment: "d-2", out, verifier });
    assert.deepEqual(
      exported.leaves,
      Array.from({ length: 100 }, (_, at) => at * 3),
    );
    assert.deepEqual(readFileSync(path.join(out, "000297.json")), leaves[297]);
    assert.deepEqual(
      readdirSync(out).filter((name) => !/^\d/.test(name)),
      ["README.md", "checkpoint", "verifier.key"],
    );
    const verified = verifyEvidence(out, readFileSync(path.join(out, "verifier.key"), "utf8"));
    assert.deepEqual([verified.size, verified.leaves.length, verified.origin], [300, 100, "sunny/test"]);
    assert.equal(verified.leaves[1]?.leaf.resource.step, "step-3");
  });

  test("what is not in it is told by its number", (t) => {
    const { world, verifier } = mixed();
    const out = place(t);
    exportEvidence({ dir: world.files, deployment: "d-2", out, verifier });
    assert.deepEqual(verifyEvidence(out, verifier).gaps.slice(0, 2), [
      [1, 2],
      [4, 5],
    ]);
    for (const name of ["000003.json", "000003.tlog-proof"]) rmSync(path.join(out, name));
    assert.deepEqual(verifyEvidence(out, verifier).gaps[0], [1, 5], "whether of others or left out");
    rmSync(path.join(out, "checkpoint"));
    assert.throws(
      () => verifyEvidence(out, verifier),
      (error: SunnyError) => {
        assert.equal(error.place?.file, path.join(out, "checkpoint"));
        return error.code === "FILE_UNREADABLE";
      },
    );
  });

  test("an altered, exchanged or foreign leaf is refused", (t) => {
    const { world, verifier } = mixed();
    const out = place(t);
    exportEvidence({ dir: world.files, deployment: "d-2", out, verifier });
    const file = path.join(out, "000003.json");
    const whole = readFileSync(file);
    writeFileSync(file, Buffer.from(whole.toString().replace("operator", "somebody")));
    assert.throws(() => verifyEvidence(out, verifier), refused("AUDIT_PROOF_INVALID"));
    writeFileSync(file, readFileSync(path.join(out, "000006.json")));
    writeFileSync(path.join(out, "000003.tlog-proof"), readFileSync(path.join(out, "000006.tlog-proof")));
    assert.throws(() => verifyEvidence(out, verifier), /is that of action 6/);
    writeFileSync(file, whole);
    rmSync(path.join(out, "000003.tlog-proof"));
    assert.throws(() => verifyEvidence(out, verifier), refused("FILE_UNREADABLE"));
    assert.throws(() => verifyEvidence(out, generateKey("sunny/test").verifier), refused("NOTE_UNVERIFIED"));
  });

  test("nothing is exported from an altered log, over something, or for an unknown deployment", (t) => {
    const { world, verifier } = mixed();
    const out = place(t);
    const options = { dir: world.files, deployment: "d-2", out, verifier };
    assert.throws(() => exportEvidence({ ...options, deployment: "d-9" }), refused("AUDIT_NOT_FOUND"));
    exportEvidence(options);
    assert.throws(() => exportEvidence(options), refused("AUDIT_EVIDENCE_EXISTS"));
    const tile = world.fileMap.get("tile/0/000") as Buffer;
    tile[40] = (tile[40] as number) ^ 1;
    assert.throws(() => exportEvidence({ ...options, out: `${out}-2` }), refused("AUDIT_CORRUPT"));
  });
});
