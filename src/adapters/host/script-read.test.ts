import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { parseHostState } from "./host-state.ts";
import { readScript } from "./script-read.ts";
import { shellQuote } from "./shell.ts";

const OLD = "1.0.0-aaaaaaaaaaaa";
const NEW = "1.1.0-bbbbbbbbbbbb";
/** A fixed word for whatever boot this is: the host's own record says the same, so that it counts as of this boot. */
const PENDING = `t2 ${NEW} ${OLD} 0 99999999999 boot`;

const log = (event: string, id: string, turn = "t2"): string =>
  `echo '7 ${event} ${turn} ${id} ${OLD} -' >>activations`;
const link = (id: string): string => `ln -sfn releases/${id} ../current`;
const arm = `echo '${PENDING}' >pending.new && mv -f pending.new pending`;

/** What a host goes through, each a change of one file, in the order in which the host's scripts make them. */
const HISTORIES: Readonly<Record<string, readonly string[]>> = {
  "activated, and taken back": [
    log("begun", NEW),
    arm,
    link(NEW),
    log("activated", NEW),
    link(OLD),
    log("reverted", NEW),
    "rm -f pending",
  ],
  "activated, and confirmed": [
    log("begun", NEW),
    arm,
    link(NEW),
    log("activated", NEW),
    log("confirmed", NEW),
    "rm -f pending",
  ],
  "activated for good, twice": [
    log("begun", NEW),
    link(NEW),
    log("confirmed", NEW),
    log("begun", OLD, "t3"),
    link(OLD),
    log("confirmed", OLD, "t3"),
  ],
};

/** Where the reader is when the host changes: after it read the log, and before it reads the link, each at its nth time. */
const MOMENTS = ["tail 1", "cd 1", "tail 2"];

describe("what is read of a host while it changes", () => {
  for (const [name, changes] of Object.entries(HISTORIES)) {
    test(`is the host at one instant: ${name}`, () => {
      const states = [...changes.keys(), changes.length].map((made) => stateOf(changes.slice(0, made), [], "tail 1"));
      for (const moment of MOMENTS) {
        for (const from of changes.keys()) {
          for (const to of new Set([from + 1, changes.length])) {
            const seen = stateOf(changes.slice(0, from), changes.slice(from, to), moment);
            const found = states.slice(from, to + 1).some((state) => isDeepStrictEqual(state, seen));
            assert.ok(found, `changes ${from} to ${to} at ${moment}: ${JSON.stringify(seen)}`);
          }
        }
      }
    });
  }
});

test("a host that changes each time it is read is not told as it was in between", () => {
  const root = mkdtempSync(join(tmpdir(), "sunny-unsettled-"));
  try {
    mkdirSync(join(root, ".sunny"));
    const log = join(root, ".sunny", "activations");
    writeFileSync(log, "");
    const input = `tail() { command tail "$@"; echo '7 begun t2 ${NEW} ${OLD} -' >>${shellQuote(log)}; }
${readScript({ root, service: "service_pid() { return 1; }" })}`;
    const { stdout, status } = spawnSync("sh", { input, encoding: "utf8" });
    assert.deepEqual([status, stdout], [1, "!HOST_BUSY the host changed each time that it was read\n"]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

/** What is read of a host that went through `before`, and goes through `meanwhile` at that moment of the reader. */
function stateOf(before: readonly string[], meanwhile: readonly string[], moment: string): unknown {
  const root = mkdtempSync(join(tmpdir(), "sunny-torn-"));
  const [command, time] = moment.split(" ");
  try {
    mkdirSync(join(root, ".sunny"));
    for (const id of [OLD, NEW]) mkdirSync(join(root, "releases", id), { recursive: true });
    symlinkSync(`releases/${OLD}`, join(root, "current"));
    writeFileSync(join(root, ".sunny", "activations"), `1 confirmed t1 ${OLD} - -\n`);
    const inside = (commands: readonly string[]): string =>
      `(command cd ${shellQuote(join(root, ".sunny"))} && ${["true", ...commands].join(" && ")})`;
    // The log is read in a shell of its own: what it counts has to lie in a file.
    const input = `times=${shellQuote(join(root, "times"))}
at() {
  echo "$1" >>"$times"
  [ "$1" = ${command} ] && [ "$(grep -c "$1" "$times")" = ${time} ] || return 0
  ${inside(meanwhile)}
}
tail() { command tail "$@"; at tail; }
cd() { at cd; command cd "$@"; }
${inside(before)}
${readScript({ root, service: "service_pid() { return 1; }" })}`;
    const { stdout, stderr } = spawnSync("sh", { input, encoding: "utf8" });
    assert.equal(stderr, "");
    const { active, pending, last, previous } = parseHostState("web-1", stdout);
    return { active: active?.id, pending: pending?.turn, last, previous: previous?.id };
  } finally {
    rmSync(root, { recursive: true });
  }
}
