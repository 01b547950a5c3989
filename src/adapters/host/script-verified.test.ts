import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { VERIFIED } from "./script-verified.ts";
import { assignments } from "./shell.ts";

describe("the note that a release was verified", () => {
  let root: string;
  before(() => {
    root = mkdtempSync(path.join(tmpdir(), "sunny-noted-"));
    mkdirSync(path.join(root, "releases/one/lib"), { recursive: true });
    mkdirSync(path.join(root, ".sunny"));
  });
  after(() => rmSync(root, { recursive: true }));
  const sh = (script: string): string =>
    execFileSync("sh", ["-c", `${assignments({ root, S: path.join(root, ".sunny") })}\n${VERIFIED}\n${script}`], {
      encoding: "utf8",
    });

  test("holds while nothing changes, and not after what changed at the instant after it", () => {
    // That both come in one tick of the kernel's clock for files is chance, so that it takes many rounds.
    const answers = sh(`for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      echo "$round" >"$root/releases/one/lib/a.js"
      verified one
      unchanged one && echo kept
      verified one
      echo "other $round" >"$root/releases/one/lib/a.js"
      unchanged one || echo found
    done`);
    assert.equal(answers, "kept\nfound\n".repeat(20));
  });

  test("is not left where nothing tells that the clock of the files went on", () => {
    assert.equal(sh(`CLOCK=$root/nowhere/clock; verified one; [ -e "$S/verified/one" ] || echo gone`), "gone\n");
  });
});
