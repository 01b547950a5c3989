import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { generateKey, parseSigner } from "../audit/note.ts";
import { TerminalError } from "../engine/context.ts";
import { releaseRef } from "../release/manifest.ts";
import { packRelease } from "../release/pack.ts";
import type { System } from "../system/schema.ts";
import { releasesOf } from "./releases.ts";

test("a release that is not there is none, and one that is there and damaged is told with the reason, also by its id", async (t) => {
  const root = mkdtempSync(path.join(tmpdir(), "sunny-releases-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const [directory, dir] = [path.join(root, "source"), path.join(root, "out")];
  mkdirSync(directory);
  writeFileSync(path.join(directory, "release.json"), '{"start":["node","main.js"]}');
  const { signer, verifier } = generateKey("ci");
  const packed = await packRelease({
    directory,
    out: dir,
    name: "payments",
    version: "2.1.0",
    signers: [parseSigner(signer)],
  });
  const { id } = releaseRef(packed.manifest);
  const { size } = packed.manifest.archive;
  const releases = releasesOf({ service: "payments", releases: { dir, trustedKeys: [verifier] } } as unknown as System);
  assert.equal((await releases.find(id))[0]?.id, id);
  // Another release of that version may be elsewhere; what lies here is in order.
  assert.deepEqual(await releases.find("2.1.0-aaaaaaaaaaaa"), []);
  assert.deepEqual(await releases.find("2.2.0"), []);
  truncateSync(packed.archive, size - 1);
  for (const wanted of ["2.1.0", id]) {
    await assert.rejects(releases.find(wanted), (error: unknown) => {
      assert.ok(error instanceof TerminalError);
      assert.ok(error.message.includes(`it has ${size - 1} bytes instead of ${size}`), error.message);
      return true;
    });
  }
  assert.deepEqual(await releases.find("2.2.0"), []);
});
