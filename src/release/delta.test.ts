import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../json.ts";
import { releaseDelta, treeDigest } from "./delta.ts";
import type { ReleaseFile, ReleaseManifest } from "./manifest.ts";

type Mode = ReleaseFile["mode"];

function manifest(files: Readonly<Record<string, string | readonly [string, Mode]>>): ReleaseManifest {
  const listed = Object.entries(files).map(([path, what]): ReleaseFile => {
    const [text, mode] = typeof what === "string" ? [what, 0o644 as Mode] : what;
    if (mode === 0o777) return { path, mode, size: 0, sha256: sha256(text), link: text };
    return { path, mode, size: text.length, sha256: sha256(text) };
  });
  return { files: listed.toSorted((a, b) => (a.path < b.path ? -1 : 1)) } as ReleaseManifest;
}

test("only what changed is sent, in content or in mode", () => {
  const from = manifest({ a: "1", b: "2", c: "3", "bin/run": "#!" });
  const to = manifest({ a: "1", b: "22", c: "3", "bin/run": ["#!", 0o755] });
  const delta = releaseDelta(from, to);
  assert.deepEqual(
    delta.send.map((file) => file.path),
    ["b", "bin/run"],
  );
  assert.deepEqual([delta.bytes, delta.remove, delta.moved], [4, ["b", "bin/run"], []]);
});

test("what is gone goes with its directories, the deepest first", () => {
  const delta = releaseDelta(manifest({ a: "1", "old/x/y/f": "2", "old/g": "3" }), manifest({ a: "1", "old/h": "4" }));
  assert.deepEqual(
    [delta.remove, delta.removeDirectories],
    [
      ["old/g", "old/x/y/f"],
      ["old/x/y", "old/x"],
    ],
  );
});

test("a file in another place is copied on the host, an empty one is simply sent", () => {
  const delta = releaseDelta(manifest({ a: "content", e: "" }), manifest({ b: "content", c: "content", f: "" }));
  assert.deepEqual(delta.moved, [
    { from: "a", to: "b" },
    { from: "a", to: "c" },
  ]);
  assert.deepEqual(
    delta.send.map((file) => file.path),
    ["f"],
  );
});

test("a file that becomes a link, or a link that becomes a file, is replaced; links are always sent", () => {
  const from = manifest({ a: "1", b: ["a", 0o777], c: ["a", 0o777] });
  const delta = releaseDelta(from, manifest({ a: ["c", 0o777], b: "1", c: ["a", 0o777] }));
  assert.deepEqual(
    delta.send.map((file) => file.path),
    ["a", "c"],
  );
  assert.deepEqual([delta.remove, delta.moved], [["a", "b", "c"], [{ from: "a", to: "b" }]]);
});

test("the digest of a directory covers content, executables, links and everything that is there", () => {
  const base = { a: "1", "ü/b": "2" } as const;
  const digests = [
    base,
    { ...base, a: "2" },
    { ...base, a: ["1", 0o755] as const },
    { ...base, a: ["x", 0o777] as const },
    { ...base, c: "" },
    { "ü/b": "2" },
  ].map((files) => treeDigest(manifest(files)));
  assert.equal(new Set(digests).size, digests.length);
  const lines = [`${sha256("1")}  ./a`, `${sha256("2")}  ./ü/b`].toSorted();
  assert.equal(treeDigest(manifest(base)), sha256(`${lines.join("\n")}\n`));
});
