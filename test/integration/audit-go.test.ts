import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { exportEvidence } from "../../src/audit/evidence.ts";
import { generateKey, openNote, parseSigner, parseVerifier } from "../../src/audit/note.ts";
import { appendMany, testWorld } from "../../src/audit/testing.ts";
import { unlessCi } from "../support/programs.ts";

/*
 * The audit log as golang.org/x/mod/sumdb sees it: notes, tiles, proofs. Needs `go` and that module, in Go's module
 * cache or from Debian's golang-golang-x-mod-dev; nothing is downloaded.
 */

const root = mkdtempSync(path.join(tmpdir(), "sunny-go-"));
after(() => rmSync(root, { recursive: true, force: true }));

const WAYS = [
  { GOFLAGS: "-mod=readonly", GOPROXY: "off" },
  { GO111MODULE: "off", GOPATH: "/usr/share/gocode" },
];

function build(): { program: string } | { missing: string } {
  const program = path.join(root, "check");
  const searched = `${process.env["PATH"]}:/usr/local/go/bin:/usr/lib/go/bin`;
  let missing = "go is not installed";
  for (const way of WAYS) {
    const env = { ...process.env, ...way, PATH: searched };
    const cwd = path.join(import.meta.dirname, "audit-go");
    const built = spawnSync("go", ["build", "-o", program, "."], { cwd, env, encoding: "utf8" });
    if (built.status === 0) return { program };
    if (built.error === undefined) missing = "golang.org/x/mod is not installed";
  }
  return { missing };
}

const built = build();
const skip = "missing" in built && unlessCi(built.missing);

function check(mode: string, directory: string, keyFile: string): string {
  if ("missing" in built) assert.fail(built.missing);
  return execFileSync(built.program, [mode, directory, keyFile], { encoding: "utf8" });
}

test("Go's note and tlog packages verify the log, its evidence and our notes, and we verify theirs", { skip }, () => {
  const key = generateKey("sunny/test");
  const [keyFile, signerFile] = [path.join(root, "key"), path.join(root, "signer")];
  writeFileSync(keyFile, key.verifier);
  writeFileSync(signerFile, key.signer, { mode: 0o600 });
  const places = { dir: path.join(root, "log"), copyDir: path.join(root, "copy") };
  const world = testWorld();
  const log = world.open({ ...places, signer: parseSigner(key.signer) });
  for (const count of [3, 300, 230]) {
    appendMany(world, log, count);
    log.publish();
  }
  assert.equal(check("log", places.dir, keyFile), "ok 533\n");
  exportEvidence({ dir: places.dir, deployment: "d-1", out: path.join(root, "evidence"), verifier: log.verifier });
  assert.equal(check("evidence", path.join(root, "evidence"), keyFile), "ok 533\n");
  assert.deepEqual(openNote(check("sign", root, signerFile), [parseVerifier(key.verifier)]).text, "from Go\n");

  const tile = path.join(places.dir, "tile/0/001");
  const bytes = readFileSync(tile);
  bytes[99] = (bytes[99] as number) ^ 1;
  writeFileSync(tile, bytes);
  assert.throws(() => check("log", places.dir, keyFile), { status: 1 });
});
