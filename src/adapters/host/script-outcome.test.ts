import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";
import { activateScript } from "./script-activate.ts";
import { field } from "./shell.ts";

const directory = mkdtempSync(path.join(tmpdir(), "sunny-outcome-"));
after(() => rmSync(directory, { recursive: true }));

const FENCE = { authority: "3f0c", token: 7, key: "a1b2c3d4e5f60718", attempt: 1 };
const line = (turn: string, event: string, why = "-"): string =>
  `1760000000 ${event} ${field(turn)} 2.1.0-d 2.0.0-c ${why}\n`;
const others = (count: number): string =>
  Array.from({ length: count }, (_, at) => line(`d-${at}/deploy/web-3/turn-1`, "confirmed")).join("");

let roots = 0;

/** What the host answers when a turn is asked for again, and the lines that its log has then. */
function askAgain(turn: string, log: string): { readonly answer: string; readonly lines: number } {
  const root = path.join(directory, `root-${roots++}`);
  mkdirSync(path.join(root, ".sunny"), { recursive: true });
  mkdirSync(path.join(root, "releases"));
  const file = path.join(root, ".sunny", "activations");
  writeFileSync(file, log);
  const service = "service_stop() { :; }\nservice_start() { :; }";
  // To no release, so that an activation that begins anew has nothing to look for.
  const script = activateScript({ root, service }, FENCE, { turn, releaseId: null, confirmWithinMs: null });
  const { stdout, stderr } = spawnSync("sh", ["-c", `main() {\n${script}\n}\nmain`], { encoding: "utf8" });
  assert.equal(stderr, "");
  return { answer: stdout.trim(), lines: readFileSync(file, "utf8").split("\n").length - 1 };
}

describe("a turn that is asked for again", () => {
  const turn = "d-9/deploy/web 3/turn-*";

  for (const [before, behind] of [
    [0, 0],
    [0, 99],
    [98, 1],
    [99, 0],
    [100, 0],
    [99, 60],
    [500, 400],
  ] as const) {
    it(`is found behind ${before} lines of the log and before ${behind}, with its last word and why`, () => {
      const own = line(turn, "begun") + line(turn, "reverted", "nobody watched  it * in time");
      const { answer, lines } = askAgain(turn, others(before) + own + others(behind));
      assert.equal(answer.replaceAll(/ +/g, " "), "state reverted nobody watched it * in time");
      assert.equal(lines, before + 2 + behind);
    });
  }

  it("is not taken for one that is called alike, nor for a reason that names it", () => {
    for (const before of [0, 200]) {
      const log = others(before) + line(`${turn}2`, "confirmed") + line("other", "reverted", `by ${field(turn)} there`);
      const { answer, lines } = askAgain(turn, log);
      assert.equal(answer, "state confirmed");
      assert.equal(lines, before + 4, "it is begun and confirmed now");
    }
  });

  it("is not decided by a line that has no end", () => {
    for (const before of [0, 99, 100, 101, 200]) {
      const { answer, lines } = askAgain(turn, others(before) + line(turn, "reverted", "torn").trimEnd());
      assert.equal(answer, "state confirmed");
      assert.equal(lines, before + 2, "what is written next goes on in that line");
    }
  });

  it("leaves the newest lines of a log of more than a thousand", () => {
    assert.equal(askAgain(turn, others(1000)).lines, 1002);
    assert.equal(askAgain(turn, others(1001)).lines, 502);
  });
});
