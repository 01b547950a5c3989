import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test } from "node:test";

const ROOT = path.resolve(import.meta.dirname, "../..");

test("a test of GnuPG is skipped where that is missing, and fails there in CI", (t) => {
  const empty = mkdtempSync(path.join(tmpdir(), "sunny-programs-"));
  t.after(() => rmSync(empty, { recursive: true, force: true }));
  symlinkSync("/bin/sh", path.join(empty, "sh"));
  const run = (ci: string): { readonly status: number | null; readonly stdout: string } => {
    // Within the test runner a file would report to it, instead of printing.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    return spawnSync(
      process.execPath,
      ["--test", "--test-reporter=tap", "--test-name-pattern=GnuPG opens", "src/adapters/pgp/cipher.test.ts"],
      { cwd: ROOT, env: { ...env, PATH: empty, CI: ci }, encoding: "utf8" },
    );
  };
  const without = run("");
  assert.equal(without.status, 0, without.stdout);
  assert.match(without.stdout, /# SKIP needs gpg, not installed here/);
  const inCi = run("true");
  assert.equal(inCi.status, 1, inCi.stdout);
  assert.match(inCi.stdout, /not ok \d+ - GnuPG opens what is written here/);
});
