import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { keepCheckpointScript, readCheckpointScript } from "./checkpoint-copy.ts";
import { activateScript, confirmScript, deadmanScript, revertScript, serviceScript } from "./script-activate.ts";
import type { ActivationHost } from "./script-activate.ts";
import { adoptScript, raiseFenceScript, readScript, serviceLogScript, usageScript } from "./script-read.ts";
import { installScript, pruneScript } from "./script-release.ts";
import { serviceFunctions } from "./script-service.ts";
import { assignments, bare, field, fromField, shellQuote, shellWords } from "./shell.ts";

const GOLDEN = join(import.meta.dirname, "golden");
const FENCE = { authority: "3f0c", token: 7, key: "a1b2c3d4e5f60718", attempt: 2 };
const STARTER = ["/opt/node", "/opt/sunny/supervisor-main.js"];
const host: ActivationHost = {
  root: "/srv/payments",
  service: serviceFunctions({ kind: "supervised", stopTimeoutMs: 15_000 }, STARTER),
};
const release = { name: "api", version: "2.1.0", digest: "d".repeat(64), id: "2.1.0-dddddddddddd", bytes: 10_000_000 };

const NOTE = "sunny/payments/production\n118\ncm9vdA==\n\n— sunny/payments/production c2ln\n";

const scripts: Record<string, string> = {
  activate: activateScript(host, FENCE, {
    turn: "d-118/deploy/web-3/turn-1",
    releaseId: release.id,
    confirmWithinMs: 300_000,
  }),
  adopt: adoptScript(host, FENCE),
  confirm: confirmScript(host, FENCE, {
    turn: "d-118/deploy/web-3/turn-1",
    exposureMs: 600_000,
    checkpoint: NOTE,
    stays: false,
  }),
  deadman: deadmanScript(host),
  install: installScript(host, FENCE, release),
  "keep-checkpoint": keepCheckpointScript(host, "3f0c", NOTE),
  prune: pruneScript(host, FENCE, ["1.9.0-aaaaaaaaaaaa", "1.9.1-bbbbbbbbbbbb"]),
  "raise-fence": raiseFenceScript(host, FENCE),
  read: readScript(host),
  "read-checkpoint": readCheckpointScript(host),
  restart: serviceScript(host, FENCE, "restart"),
  revert: revertScript(host, FENCE),
  "service-command": serviceFunctions(
    { kind: "command", start: ["/usr/local/bin/svc", "start", "it's"], stop: ["svc", "stop"], status: ["svc", "pid"] },
    STARTER,
  ),
  "service-log": serviceLogScript(host, 20),
  "service-systemd": serviceFunctions({ kind: "systemd", unit: "payments-api.service", scope: "user" }, STARTER),
  usage: usageScript(host, { name: "payments-api.service", user: false }),
};

describe("host scripts", () => {
  for (const [name, script] of Object.entries(scripts)) {
    const path = join(GOLDEN, `${name}.sh`);
    it(`${name} is, to the byte, golden/${name}.sh (UPDATE_GOLDEN=1 writes it anew)`, () => {
      if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(path, `${script}\n`);
      assert.equal(`${script}\n`, readFileSync(path, "utf8"));
    });
    it(`${name} is understood by sh`, () => {
      const checked = spawnSync("sh", ["-n"], { input: script, encoding: "utf8" });
      assert.deepEqual([checked.status, checked.stderr], [0, ""]);
    });
  }

  it("takes any path and any id as one word, and runs nothing of it", () => {
    const dir = mkdtempSync(join(tmpdir(), "sunny-quote-"));
    const nasty = `${dir}/a b';touch ${dir}/owned;'\`touch ${dir}/owned\`$(touch ${dir}/owned)\n"&|<>*?[`;
    const script = readScript({ ...host, root: nasty });
    const result = spawnSync("sh", ["-c", `sunny() {\n${script}\n}\nsunny`], { encoding: "utf8" });
    assert.match(result.stdout, /^active -$/m);
    const prune = pruneScript({ root: `${dir}/root` }, FENCE, [`x; touch ${dir}/owned`, "$(touch owned)"]);
    assert.equal(spawnSync("sh", ["-c", prune], { encoding: "utf8" }).status, 0);
    assert.equal(existsSync(join(dir, "owned")), false);
    rmSync(dir, { recursive: true });
  });

  it("quotes every word, and refuses what no argument can hold", () => {
    const words = ["plain", "it's", "", "-n", "a\nb", "ä €", "$HOME", "*"];
    const echoed = spawnSync("sh", ["-c", `for word in ${shellWords(words)}; do printf '%s|' "$word"; done`], {
      encoding: "utf8",
    });
    assert.equal(echoed.stdout, words.map((word) => `${word}|`).join(""));
    assert.equal(shellQuote("it's"), String.raw`'it'\''s'`);
    assert.equal(assignments({ a: "x y", b: 3 }), "a='x y'\nb=3");
    assert.throws(() => shellQuote("a\0b"), TypeError);
  });

  it("sends neither comments nor indentation, and leaves a # within a line where it is", () => {
    assert.equal(bare("# what it does\na() {\n  # how\n\n  b=${a#x} c # d\n}"), "a() {\nb=${a#x} c # d\n}");
  });

  it("keeps fields of line records apart, and brings them back", () => {
    for (const value of ["run 1/web%2", "a\tb\nc", "-", "plain", "ü"]) {
      assert.doesNotMatch(field(value), /\s/);
      assert.equal(fromField(field(value)), value);
    }
    assert.equal(fromField(field(null)), null);
  });
});

describe("a host whose directory the user may not look into", () => {
  /** Root looks into everything. */
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

  /** What the script says of `root` within a new directory, when `closed` of it is closed. */
  function readWith(closed: string | null): { readonly status: number | null; readonly stdout: string } {
    const directory = mkdtempSync(join(tmpdir(), "sunny-closed-"));
    chmodSync(directory, 0o755);
    try {
      const root = join(directory, "srv", "payments");
      mkdirSync(join(root, "releases", "2.0.0-0123456789ab"), { recursive: true });
      mkdirSync(join(root, ".sunny"));
      symlinkSync("releases/2.0.0-0123456789ab", join(root, "current"));
      if (closed !== null) chmodSync(join(directory, closed), 0o000);
      const input = readScript({ root, service: serviceFunctions({ kind: "supervised", stopTimeoutMs: 1 }, STARTER) });
      const ended = spawnSync("sh", { input, encoding: "utf8", ...user });
      if (closed !== null) chmodSync(join(directory, closed), 0o755);
      return ended;
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  it("is read when nothing is closed", () => {
    assert.match(readWith(null).stdout, /^active 2\.0\.0-0123456789ab$/m);
  });

  for (const closed of ["srv", "srv/payments", "srv/payments/releases", "srv/payments/.sunny"]) {
    it(`is not taken for one that runs nothing: ${closed}`, () => {
      const { status, stdout } = readWith(closed);
      assert.equal(status, 1);
      assert.match(stdout, new RegExp(`^!HOST_NOT_READABLE .*/${closed} cannot be read by \\S+$`, "m"));
      assert.doesNotMatch(stdout, /^active/m);
    });
  }
});
