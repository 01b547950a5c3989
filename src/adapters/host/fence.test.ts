import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { SHELL_COMMANDS } from "../../../test/support/programs.ts";
import { COMMON, LOCKING } from "./script-prelude.ts";
import { assignments } from "./shell.ts";

let root: string;
const fence = (): string => path.join(root, ".sunny/fence");
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "sunny-fence-"));
  for (const name of [".sunny", "releases", "shared"]) mkdirSync(path.join(root, name));
});
afterEach(() => rmSync(root, { recursive: true }));

/** What a script of a deployment prints, and which of some programs it starts. */
function run(
  shell: string,
  text: string,
  token: number | "host",
  authority = "a",
): { stdout: string; started: string } {
  const values = assignments({ root, authority, token, key: "k", attempt: 1, lock_wait: 1 });
  const told = ["mv", "sync", "date"]
    .map((name) => `${name}() { echo ${name} >>"$root/started"; command ${name} "$@"; }`)
    .join("\n");
  const [program = "sh", ...words] = shell.split(" ");
  const input = `${values}\n${COMMON}\n${LOCKING}\n${told}\n${text}\n`;
  const started = path.join(root, "started");
  writeFileSync(started, "");
  const { stdout } = spawnSync(program, words, { input, encoding: "utf8" });
  return { stdout: stdout.trim(), started: readFileSync(started, "utf8").trim() };
}

for (const shell of SHELL_COMMANDS) {
  const enter = (token: number, authority?: string): string =>
    run(shell, "enter\necho in\nunlock", token, authority).stdout;
  const newest = (): string =>
    run(shell, 'fenced && echo "$F_TOKEN $F_AUTHORITY $F_LINES" || echo none', "host").stdout;

  describe(`the fence, in ${shell}`, () => {
    it("refuses older tokens and other authorities, whatever was before", () => {
      assert.equal(newest(), "none");
      for (const token of [3, 5, 12]) assert.equal(enter(token), "in");
      assert.equal(enter(11), "!HOST_FENCED the host has seen token 12, this one is 11");
      assert.equal(enter(12), "in");
      assert.equal(enter(13, "b"), "!HOST_FENCED the host belongs to authority a, not to b");
      assert.match(newest(), /^12 a /);
    });

    it("starts no program for a newer token that a later script brings to the disk", () => {
      assert.equal(run(shell, "enter later\nunlock", 1).started, "mv\nsync", "the first line is put there whole");
      assert.equal(run(shell, "enter later\nunlock", 2).started, "");
      assert.equal(run(shell, "enter\nunlock", 2).started, "", "there is nothing to write");
      assert.equal(run(shell, "enter\nunlock", 3).started, "sync");
    });

    it("knows lines that were not written to their end", () => {
      enter(1);
      for (const cut of ["\n", "\n9", "\n99 a", "\n99 a "]) {
        appendFileSync(fence(), cut);
        assert.match(newest(), /^1 a /, JSON.stringify(cut));
      }
      assert.equal(enter(2), "in");
      assert.match(newest(), /^2 a /);
      assert.match(enter(1), /^!HOST_FENCED/);
    });

    it("stays short", () => {
      let longest = 0;
      for (let token = 1; token < 40; token++) {
        assert.equal(enter(token), "in");
        longest = Math.max(longest, readFileSync(fence(), "utf8").length);
      }
      assert.match(newest(), /^39 a /);
      assert.ok(longest < 200, String(longest));
    });

    it("takes over one of the time when there was one line without an end, so that the scripts of that time are refused", () => {
      writeFileSync(fence(), "5 a\n");
      assert.match(enter(4), /^!HOST_FENCED/);
      assert.equal(enter(6), "in");
      assert.equal(readFileSync(fence(), "utf8"), "6 a .\n");
    });

    it("that cannot be understood lets nobody in", () => {
      for (const text of ["\n", "\0\0\0\n", "x a\n"]) {
        writeFileSync(fence(), text);
        assert.notEqual(enter(7), "in", JSON.stringify(text));
      }
    });
  });

  it(`an activation asks for the time once, in ${shell}`, () => {
    const boot = run(shell, 'echo "$B"', "host").stdout;
    const noted = (pending: string): ReturnType<typeof run> => {
      writeFileSync(path.join(root, ".sunny/pending"), `${pending}\n`);
      return run(shell, 'pending\nnow\nuptime\necho "$((NOW - U))"', "host");
    };
    assert.deepEqual(noted(`turn new old 0 99 ${boot} 1000`), { stdout: "1000", started: "" });
    const ahead = Number(noted("turn new old 0 99 another-boot 1000").stdout);
    assert.ok(ahead > 1_000_000_000, "after a reboot the time is another one");
    assert.equal(noted(`turn new old 0 99 ${boot}`).started, "date", "a record of the time when it had none");
  });
}
