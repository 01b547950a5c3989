import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { revertScript } from "./script-activate.ts";
import { raiseFenceScript, readScript } from "./script-read.ts";

const directory = mkdtempSync(path.join(tmpdir(), "sunny-records-"));
after(() => rmSync(directory, { recursive: true }));

const service = "service_pid() { PID=; return 1; }\nservice_stop() { :; }\nservice_start() { :; }";
const fence = (token: number, attempt: number) => ({ authority: "3f0c", token, key: "a1b2c3d4e5f60718", attempt });

function hostWith(name: string, files: Readonly<Record<string, string>>): { readonly root: string; service: string } {
  const root = path.join(directory, name);
  mkdirSync(path.join(root, ".sunny"), { recursive: true });
  mkdirSync(path.join(root, "releases"));
  for (const [file, text] of Object.entries(files)) writeFileSync(path.join(root, ".sunny", file), text);
  return { root, service };
}

function run(script: string): string {
  return spawnSync("sh", ["-c", `main() {\n${script}\n}\nmain`], { encoding: "utf8" }).stdout;
}

describe("the records of a host", () => {
  it("an activation whose record was not written to the end does not wait, and is not taken back", () => {
    const whole = hostWith("whole", { pending: "turn-1 2.1.0-d - 0 1 boot\n" });
    assert.match(run(readScript(whole)), /^pending turn-1 2\.1\.0-d - 0 0$/m);
    for (const [at, text] of ["", "turn-1 2.1.0-d", "turn-1 2.1.0-d - 0 1 boot"].entries()) {
      const host = hostWith(`torn-${at}`, { pending: text });
      assert.doesNotMatch(run(readScript(host)), /^pending/m);
      assert.equal(run(revertScript(host, fence(1, 1))), "reverted no\n");
    }
  });

  it("attempts count under the token under which they were made", () => {
    const host = hostWith("attempts", {});
    const attempts = (): string => readFileSync(path.join(host.root, ".sunny", "attempts"), "utf8");
    assert.equal(run(raiseFenceScript(host, fence(7, 1))), "");
    assert.equal(run(raiseFenceScript(host, fence(7, 2))), "");
    assert.equal(attempts(), "a1b2c3d4e5f60718 1\na1b2c3d4e5f60718 2\n");
    assert.match(run(raiseFenceScript(host, fence(7, 1))), /^!HOST_FENCED the host has seen attempt 2 /);
    assert.equal(run(raiseFenceScript(host, fence(8, 1))), "");
    assert.equal(attempts(), "a1b2c3d4e5f60718 1\n");
  });
});
