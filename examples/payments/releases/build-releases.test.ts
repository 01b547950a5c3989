import assert from "node:assert/strict";
import test from "node:test";
import { generateKey, parseSigner, parseVerifier } from "../../../src/audit/note.ts";
import { verifyRelease } from "../../../src/release/verify.ts";
import { testDirectory } from "../testing/service.ts";
import { buildReleases, parseWanted } from "./build-releases.ts";
import { VARIANTS } from "./stage.ts";

test("all releases are packed and signed; they share their infrastructure, and all but the first one migration more", async (t) => {
  const out = await testDirectory(t);
  const key = generateKey("sunnypayments.com/releases");
  const packed = await buildReleases({ out, signers: [parseSigner(key.signer)] });
  assert.deepEqual(
    packed.map(({ manifest }) => manifest.version),
    ["2.0.0", "2.1.0", "2.2.0", "2.3.0", "2.4.0", "2.5.0", "2.6.0"],
  );
  assert.equal(new Set(packed.map(({ manifest }) => manifest.infrastructure?.digest)).size, 1);
  assert.deepEqual(
    packed.map(({ manifest }) => manifest.schema),
    ["0001_initial", ...VARIANTS.slice(1).map(() => "0002_payment_references")],
  );
  assert.ok(packed.every(({ manifest }) => manifest.migrations.every(({ down }) => down !== null)));
  assert.deepEqual(packed[0]?.manifest.start?.at(0), "node");
  const [first] = packed;
  assert.ok(first !== undefined);
  const { manifestFile, archive } = first;
  const verified = await verifyRelease({ manifest: manifestFile, archive, verifiers: [parseVerifier(key.verifier)] });
  assert.equal(verified.manifest.version, "2.0.0");
});

test("a release can be packed under another version, and the same source gives the same archive", async (t) => {
  const out = await testDirectory(t);
  const signers = [parseSigner(generateKey("sunnypayments.com/releases").signer)];
  const releases = [parseWanted("failing=2.1.0"), parseWanted("baseline")];
  const [failing] = await buildReleases({ out: `${out}/a`, signers, releases });
  const [again] = await buildReleases({ out: `${out}/b`, signers, releases });
  assert.equal(failing?.manifest.version, "2.1.0");
  assert.equal(failing.manifest.archive.sha256, again?.manifest.archive.sha256);
  assert.throws(() => parseWanted("broken"), { code: "USAGE" });
  const twice = buildReleases({ out, signers, releases: [...releases, parseWanted("good")] });
  await assert.rejects(twice, { code: "USAGE", message: "Two releases would be 2.1.0" });
});
