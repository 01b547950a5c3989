import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { generateKey, parseSigner, parseVerifier } from "../audit/note.ts";
import { releaseDeliveries } from "./delivery.ts";
import type { Deliveries } from "./delivery.ts";
import { releaseRef } from "./manifest.ts";
import { packRelease } from "./pack.ts";
import { openReleaseStore } from "./store.ts";

describe("what is sent of a release", () => {
  let dir: string;
  let ids: readonly [string, string];
  let open: () => Deliveries;
  let deliveries: Deliveries;
  beforeEach(async () => {
    dir = mkdtempSync(path.join(tmpdir(), "sunny-deliveries-"));
    const { signer, verifier } = generateKey("test");
    const pack = async (version: string): Promise<string> => {
      const directory = path.join(dir, version);
      mkdirSync(directory);
      writeFileSync(path.join(directory, "release.json"), JSON.stringify({ name: "api" }));
      writeFileSync(path.join(directory, "large"), Buffer.alloc(100_000, "the same in both"));
      writeFileSync(path.join(directory, "small"), version);
      const out = path.join(dir, "store");
      return releaseRef((await packRelease({ directory, version, out, signers: [parseSigner(signer)] })).manifest).id;
    };
    ids = [await pack("1.0.0"), await pack("1.0.1")];
    const store = openReleaseStore({
      directory: path.join(dir, "store"),
      name: "api",
      verifiers: [parseVerifier(verifier)],
    });
    open = () => releaseDeliveries({ store, directory: path.join(dir, "deliveries") });
    deliveries = open();
  });
  afterEach(async () => {
    await deliveries.close();
    rmSync(dir, { recursive: true });
  });
  const alter = (version: string): void => {
    const file = path.join(dir, "store", `api-${version}.tar.gz`);
    const bytes = readFileSync(file);
    bytes[bytes.length - 20]! ^= 1;
    writeFileSync(file, bytes);
  };

  it("is, where little differs, also there for a script to write", async () => {
    const { base, files, bytes } = await deliveries.prepare(ids[1], { releases: [ids[0]], zstd: true });
    assert.equal(base?.id, ids[0]);
    assert.deepEqual(
      files?.map(({ file, content }) => [file.path, content.toString()]),
      [["small", "1.0.1"]],
    );
    assert.ok(bytes < 1_000);
    assert.equal((await deliveries.prepare(ids[1], { releases: [], zstd: true })).files, null);
  });

  it("is nothing of an archive that is not the one that was signed, in whatever form", async () => {
    alter("1.0.1");
    for (const zstd of [true, false]) {
      for (const releases of [[], [ids[0]]]) {
        await assert.rejects(deliveries.prepare(ids[1], { releases, zstd }), { code: "RELEASE_ARCHIVE_ALTERED" });
      }
    }
  });

  it("needs nothing but the signed manifest of what it completes", async () => {
    alter("1.0.0");
    assert.equal((await deliveries.prepare(ids[1], { releases: [ids[0]], zstd: true })).base?.id, ids[0]);
    writeFileSync(path.join(dir, "store", "api-1.0.0.release"), "nobody signed this\n");
    const whole = await open().prepare(ids[1], { releases: [ids[0]], zstd: true });
    assert.deepEqual([whole.base, whole.files], [null, null]);
  });
});
