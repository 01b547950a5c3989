import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Delivery } from "../../release/delivery.ts";
import { treeDigest } from "../../release/delta.ts";
import type { ReleaseFile, ReleaseManifest } from "../../release/manifest.ts";
import { deliverScript } from "./script-deliver.ts";

const FENCE = { authority: "3f0c", token: 1, key: "a1b2c3d4e5f60718", attempt: 1 };
const RELEASE = { id: "1.0.1-bbbbbbbbbbbb", digest: "b".repeat(64) };
const BASE = "1.0.0-aaaaaaaaaaaa";

describe("a small delivery, which the script writes itself", () => {
  let root: string;
  beforeEach(() => {
    root = path.join(mkdtempSync(path.join(tmpdir(), "sunny-deliver-")), "it's a root");
    mkdirSync(path.join(root, "releases", BASE), { recursive: true });
    mkdirSync(path.join(root, "shared"));
    mkdirSync(path.join(root, ".sunny"));
    for (const [name, text] of [
      ["kept", "kept"],
      ["changed", "before"],
      [".sunny-release", "a\n"],
    ] as const) {
      writeFileSync(path.join(root, "releases", BASE, name), text);
    }
  });
  afterEach(() => rmSync(path.dirname(root), { recursive: true }));

  const file = (name: string, content: Buffer, more: Partial<ReleaseFile> = {}): ReleaseFile => {
    const sha256 = createHash("sha256").update(content).digest("hex");
    return { path: name, mode: 0o644, size: content.length, sha256, ...more };
  };
  /** Of a release with `kept`, `changed` and more; `lie` gives other content than what is written. */
  const run = (more: readonly (readonly [ReleaseFile, Buffer])[], lie = false) => {
    const changed = Buffer.from("after");
    const files = [[file("changed", lie ? Buffer.from("other") : changed), changed] as const, ...more];
    const manifest = { files: [file("kept", Buffer.from("kept")), ...files.map(([one]) => one)] };
    const delivery: Delivery = {
      path: "none",
      bytes: 0,
      sha256: "none",
      encoding: "zstd",
      unpackedBytes: 0,
      files: files.map(([one, content]) => ({ file: one, content })),
      base: {
        id: BASE,
        send: files.map(([one]) => one),
        bytes: 0,
        moved: [],
        changed: files.map(([one]) => one),
        remove: ["changed"],
        removeDirectories: [],
        treeSha256: treeDigest(manifest as unknown as ReleaseManifest),
      },
    };
    const script = deliverScript({ root }, FENCE, RELEASE, { ...delivery, have: 0 }, "recorded");
    return spawnSync("sh", { input: `sunny() {\n${script}\n}\nsunny </dev/null\n`, encoding: "utf8" });
  };
  const at = (...names: string[]): string => path.join(root, "releases", RELEASE.id, ...names);

  it("brings any bytes, under any name, with its mode, and leaves the base as it was", () => {
    const bytes = Buffer.from([
      ...Buffer.from("-n %s \\0 'it''s'\n"),
      ...Array.from({ length: 256 }, (_, byte) => byte),
    ]);
    const name = "new folder/it's $HOME";
    const { stdout, stderr } = run([
      [file(name, bytes), bytes],
      [file("empty", Buffer.alloc(0)), Buffer.alloc(0)],
      [file("bin/run", Buffer.from("#!/bin/sh\n"), { mode: 0o755 }), Buffer.from("#!/bin/sh\n")],
      [file("link", Buffer.alloc(0), { link: "new folder" }), Buffer.alloc(0)],
    ]);
    assert.equal(`${stdout}${stderr}`, "installed yes\n");
    assert.deepEqual(readFileSync(at(name)), bytes);
    assert.equal(readFileSync(at("empty"), "utf8"), "");
    assert.equal(statSync(at("bin/run")).mode & 0o777, 0o755);
    assert.equal(readlinkSync(at("link")), "new folder");
    assert.equal(readFileSync(at("changed"), "utf8"), "after");
    assert.equal(readFileSync(path.join(root, "releases", BASE, "changed"), "utf8"), "before");
    assert.equal(readFileSync(at(".sunny-release"), "utf8"), `${RELEASE.digest}\n`);
    assert.deepEqual(readdirSync(path.join(root, "releases")), [".clock", BASE, RELEASE.id]);
    assert.equal(run([]).stdout, "installed no\n");
  });

  it("is refused when what came out is not what was signed, and when the base is not there", () => {
    assert.equal(run([], true).stdout, "installed unfit\n");
    assert.equal(existsSync(at()), false);
    writeFileSync(path.join(root, "releases", BASE, "kept"), "altered");
    assert.equal(run([]).stdout, "installed unfit\n");
    rmSync(path.join(root, "releases", BASE, ".sunny-release"));
    assert.equal(run([]).stdout, "installed unfit\n");
    assert.deepEqual(readdirSync(path.join(root, "releases")), [BASE]);
    assert.match(readFileSync(path.join(root, ".sunny", "queue"), "utf8"), /^\n?(\+ (\S+) \.\n- \2 \.\n)*$/);
  });
});
