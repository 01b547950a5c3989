/** Hosts on which something cannot be written: what is said of it, and that no service stays stopped because of it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it, type TestContext } from "node:test";
import { type ActivationHost, activateScript, revertScript } from "./script-activate.ts";
import { raiseFenceScript } from "./script-read.ts";
import { serviceFunctions } from "./script-service.ts";

const FENCE = { authority: "3f0c", token: 7, key: "a1b2c3d4e5f60718", attempt: 1 };
const [OLD, NEW] = ["1.0.0-aaaaaaaaaaaa", "1.1.0-bbbbbbbbbbbb"];
const PAGE = 4096;

/** Nobody's: whoever runs the tests as root may write everywhere. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const mounting = process.getuid?.() === 0 ? false : "needs root to mount a small file system";

interface SmallHost {
  readonly root: string;
  readonly host: ActivationHost;
  /** What the service was told, in order. */
  calls(): string[];
  run(script: string): { readonly status: number | null; readonly stdout: string };
}

/** A host with two releases, the older one active; `mount` are the options of a file system of its own. */
function smallHost(t: TestContext, mount?: string): SmallHost {
  const directory = mkdtempSync(join(tmpdir(), "sunny-room-"));
  const root = join(directory, "root");
  const calls = join(directory, "calls");
  mkdirSync(root);
  t.after(() => {
    chmodSync(root, 0o755);
    if (mount !== undefined) spawnSync("umount", ["-l", root]);
    rmSync(directory, { recursive: true, force: true });
  });
  if (mount !== undefined) assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", mount, "tmpfs", root]).status, 0);
  for (const id of [OLD, NEW]) {
    mkdirSync(join(root, "releases", id), { recursive: true });
    writeFileSync(join(root, "releases", id, ".sunny-release"), "digest\n");
  }
  mkdirSync(join(root, "shared", "log"), { recursive: true });
  mkdirSync(join(root, ".sunny"));
  symlinkSync(`releases/${OLD}`, join(root, "current"));
  writeFileSync(calls, "");
  const told = (word: string): string[] => ["sh", "-c", `echo ${word} >>'${calls}'`];
  const control = { kind: "command" as const, start: told("start"), stop: told("stop"), status: ["false"] };
  const { uid, gid } = NOBODY;
  if (uid !== undefined && gid !== undefined) {
    for (const mine of [directory, root, calls]) chmodSync(mine, mine === calls ? 0o666 : 0o755);
    for (const own of [".sunny", "releases", "shared", "shared/log", "."]) chownSync(join(root, own), uid, gid);
  }
  return {
    root,
    host: { root, service: serviceFunctions(control, []) },
    calls: () => readFileSync(calls, "utf8").split("\n").filter(Boolean),
    run: (script) =>
      spawnSync("sh", ["-s"], { input: `sunny() {\n${script}\n}\nsunny\n`, encoding: "utf8", ...NOBODY }),
  };
}

const activate = ({ host }: SmallHost, turn: string, releaseId: string, confirmWithinMs: number | null): string =>
  activateScript(host, FENCE, { turn, releaseId, confirmWithinMs });

const link = ({ root }: SmallHost): string => readlinkSync(join(root, "current"));

/** Takes all room that is left. */
function fill({ root }: SmallHost): void {
  assert.notEqual(spawnSync("dd", ["if=/dev/zero", `of=${join(root, "fill")}`, "bs=4096"]).status, 0);
}

/** Notes releases as verified. */
function noteVerified({ root }: SmallHost, ids: readonly string[]): void {
  const verified = join(root, ".sunny", "verified");
  mkdirSync(verified);
  for (const id of ids) writeFileSync(join(verified, id), "");
  if (NOBODY.uid !== undefined && NOBODY.gid !== undefined) chownSync(verified, NOBODY.uid, NOBODY.gid);
}

/** Ends the log with its page, so that its next line needs another one. */
function endPage({ root }: SmallHost): void {
  const log = join(root, ".sunny", "activations");
  const left = PAGE - (statSync(log).size % PAGE);
  appendFileSync(log, `${"-".repeat(left - 1)}\n`);
}

describe("a host on which something cannot be written", () => {
  it("is told before its service is stopped, when its link cannot be replaced", (t) => {
    const small = smallHost(t);
    chmodSync(small.root, 0o555);
    const refused = small.run(activate(small, "t-1", NEW, null));
    assert.match(refused.stdout, new RegExp(`^!HOST_NOT_WRITABLE ${small.root} cannot be written by `, "m"));
    assert.deepEqual([small.calls(), link(small)], [[], `releases/${OLD}`]);
    assert.equal(existsSync(join(small.root, ".sunny", "pending")), false);
  });

  it("goes back to a release that its link leads to already, also when that link cannot be replaced", (t) => {
    const small = smallHost(t);
    chmodSync(small.root, 0o555);
    const done = small.run(activate(small, "t-1", OLD, null));
    assert.match(done.stdout, /^state confirmed$/m);
    assert.deepEqual([small.calls(), link(small)], [["stop", "start"], `releases/${OLD}`]);
  });

  it("has no room for a lock: that is said, not that somebody holds it", { skip: mounting }, (t) => {
    const small = smallHost(t, "size=1m,nr_inodes=40");
    for (let at = 0; spawnSync("touch", [join(small.root, `file-${at}`)]).status === 0; at++);
    const refused = small.run(raiseFenceScript(small.host, FENCE));
    assert.equal(refused.stdout, `!HOST_DISK_FULL no room to write ${small.root}/.sunny/queue\n`);
  });

  it(
    "takes the lock without a file to spare: what was noted of verified releases gives way",
    { skip: mounting },
    (t) => {
      const small = smallHost(t, "size=1m,nr_inodes=60");
      noteVerified(small, ["a", "b", "c", "d"]);
      for (let at = 0; spawnSync("touch", [join(small.root, `file-${at}`)]).status === 0; at++);
      const raised = small.run(raiseFenceScript(small.host, FENCE));
      assert.deepEqual([raised.stdout, raised.status], ["", 0]);
      assert.equal(readFileSync(join(small.root, ".sunny", "fence"), "utf8"), "7 3f0c .\n");
    },
  );

  it("has no room for the log: its service is not stopped", { skip: mounting }, (t) => {
    const small = smallHost(t, "size=256k");
    assert.match(small.run(activate(small, "t-1", OLD, null)).stdout, /^state confirmed$/m);
    endPage(small);
    fill(small);
    const refused = small.run(activate(small, "t-2", NEW, 60_000));
    assert.match(refused.stdout, /^!HOST_DISK_FULL no room to write \S+\.sunny\/activations$/m);
    assert.deepEqual([small.calls(), link(small)], [["stop", "start"], `releases/${OLD}`]);
  });

  it("takes an activation back all the same when there is no room to note it", { skip: mounting }, (t) => {
    const small = smallHost(t, "size=256k");
    assert.match(small.run(activate(small, "t-1", NEW, 600_000)).stdout, /^state pending$/m);
    endPage(small);
    fill(small);
    assert.match(small.run(revertScript(small.host, FENCE)).stdout, /^reverted yes$/m);
    assert.deepEqual([small.calls(), link(small)], [["stop", "start", "stop", "start"], `releases/${OLD}`]);
    assert.equal(existsSync(join(small.root, ".sunny", "pending")), false);
    assert.match(readFileSync(join(small.root, ".sunny", "activations"), "utf8"), /^\d+ reverted t-1 .* on demand$/m);
  });

  it(
    "goes back also without a file to spare: what was noted of verified releases gives way",
    { skip: mounting },
    (t) => {
      const small = smallHost(t, "size=1m,nr_inodes=60");
      noteVerified(small, [NEW]);
      assert.match(small.run(activate(small, "t-1", NEW, 600_000)).stdout, /^state pending$/m);
      for (let at = 0; spawnSync("touch", [join(small.root, `file-${at}`)]).status === 0; at++);
      assert.match(small.run(revertScript(small.host, FENCE)).stdout, /^reverted yes$/m);
      assert.deepEqual([small.calls(), link(small)], [["stop", "start", "stop", "start"], `releases/${OLD}`]);
    },
  );
});
