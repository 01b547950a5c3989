import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { describe, it, type TestContext } from "node:test";
import { makeControlDirectory } from "./control-directory.ts";

const MODULE = pathToFileURL(path.join(import.meta.dirname, "control-directory.ts")).href;

function placeOf(t: TestContext): string {
  const base = mkdtempSync(path.join(tmpdir(), "sunny-place-"));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  return base;
}

/** A process that makes its directory, tells it, and is killed. */
function killed(base: string): string {
  const code = `
    const { makeControlDirectory } = await import(${JSON.stringify(MODULE)});
    process.stdout.write(makeControlDirectory(${JSON.stringify(base)}), () => process.kill(process.pid, "SIGKILL"));
    await new Promise(() => setInterval(() => {}, 1_000));
  `;
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  assert.equal(ended.signal, "SIGKILL", ended.stderr);
  return ended.stdout;
}

describe("the directory of control sockets", () => {
  it("of a process that was killed goes with the next one that is made, sockets and all", (t) => {
    const base = placeOf(t);
    const left = killed(base);
    writeFileSync(path.join(left, "0123456789ab-1"), "");
    assert.ok(existsSync(left));
    const made = makeControlDirectory(base);
    assert.deepEqual(readdirSync(base), [path.basename(made)]);
    assert.equal(statSync(made).mode & 0o777, 0o700);
  });

  it("of a process that lives stays, and so does whatever names no owner, or leads elsewhere", (t) => {
    const base = placeOf(t);
    const mine = makeControlDirectory(base);
    mkdirSync(path.join(base, "sunny-ssh-nobodys"));
    mkdirSync(path.join(base, "elsewhere"));
    execFileSync("cp", [path.join(mine, "owner.json"), path.join(base, "elsewhere")]);
    symlinkSync("elsewhere", path.join(base, "sunny-ssh-link"));
    writeFileSync(path.join(base, "sunny-ssh-file"), "");
    const before = readdirSync(base);
    const another = makeControlDirectory(base);
    assert.deepEqual(readdirSync(base).toSorted(), [...before, path.basename(another)].toSorted());
  });
});
