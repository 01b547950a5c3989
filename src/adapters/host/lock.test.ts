import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, it } from "node:test";
import { SHELL_COMMANDS } from "../../../test/support/programs.ts";
import { COMMON, LOCKING } from "./script-prelude.ts";
import { assignments, shellQuote } from "./shell.ts";

/** Shells, each with and without a system that tells about processes in files. */
const HOSTS = SHELL_COMMANDS.flatMap((shell) => [
  { shell, files: true },
  { shell, files: false },
]);

let root: string;
const sunny = (...names: string[]): string => path.join(root, ".sunny", ...names);
beforeEach(() => {
  root = path.join(mkdtempSync(path.join(tmpdir(), "sunny-lock-")), "it's a root");
  for (const name of [".sunny", "releases", "shared"]) mkdirSync(path.join(root, name), { recursive: true });
});
afterEach(() => rmSync(path.dirname(root), { recursive: true }));

interface How {
  readonly shell?: string | undefined;
  readonly files?: boolean;
  readonly wait?: number;
  readonly locking?: string;
}

function scriptOf(text: string, { files = true, wait = 1, locking = LOCKING }: How = {}): string {
  const values = assignments({ root, authority: "a", token: 1, key: "k", attempt: 1, lock_wait: wait });
  const script = `${values}\n${COMMON}\n${locking}\n${text}\n`;
  const boot = "$(sysctl -n kern.boottime | tr -dc 0-9)";
  return files ? script : script.replaceAll("/proc/", "/nowhere/").replace(boot, "boot");
}

function run(text: string, how: How = {}): { readonly stdout: string; readonly stderr: string } {
  const [program = "sh", ...words] = (how.shell ?? "sh").split(" ");
  return spawnSync(program, words, { input: scriptOf(text, how), encoding: "utf8" });
}

/** Waits until a file ends with these words. */
async function lastLine(file: string, words: string): Promise<void> {
  const changes = watch(file);
  try {
    while (!readFileSync(file, "utf8").endsWith(words)) await once(changes, "change");
  } finally {
    changes.close();
  }
}

/** The ticket of a process that lives for as long as the test. */
function livingTicket(): string {
  return run(`proc ${process.pid}\necho "${process.pid}:$P_BORN:$B:$P_GROUP:1:other:1"`).stdout.trim();
}

/** The locking with an end before each of its commands: `die N` ends the script where it is the chosen one. */
function mortal(): { readonly text: string; readonly count: number } {
  let count = 0;
  const lines = LOCKING.split("\n").map((line) => {
    const command = !/^\s*(?:["+*-]\S*\)|esac|case|\S+\(\) \{|#|\}$|else|fi$)/.test(line);
    return command ? `die ${String(++count)}\n${line}` : line;
  });
  const die = `die() { [ "$1" != "$chosen" ] || exec sh -c 'kill -KILL $$'; }`;
  return { text: `${die}\n${lines.join("\n")}`, count };
}

describe("the lock of a host", () => {
  for (const { shell, files } of HOSTS) {
    const name = `${shell}${files ? "" : ", processes by ps"}`;

    it(`is had by one at a time, whoever is ended when (${name})`, { timeout: 120_000 }, async () => {
      const inside = shellQuote(path.join(root, "inside"));
      // Who is in names itself; who finds somebody there who is alive tells.
      const visit = `
entered=0
while [ "$entered" -lt ${files ? "60" : "6"} ]; do
  (
    lock
    who=
    [ ! -s ${inside} ] || read -r who born <${inside}
    if [ -n "$who" ] && [ "$who" != "$MY_PID" ] && proc "$who" && [ "$P_BORN" = "$born" ]; then echo "two: $who and $MY_PID"; fi
    proc "$MY_PID"
    echo "$MY_PID $P_BORN" >${inside}
    echo in
    true >${inside}
    unlock
  )
  entered=$((entered + 1))
done
echo done`;
      const [program = "sh", ...words] = shell.split(" ");
      const visitors = Array.from({ length: 5 }, (_, at) => {
        const child = spawn(program, [...words, "-c", scriptOf(visit, { files, wait: 120 })], {
          stdio: ["ignore", "pipe", "pipe"],
          detached: true,
        });
        let said = "";
        let entries = 0;
        for (const stream of [child.stdout, child.stderr]) {
          stream.on("data", (data: Buffer) => {
            said += data.toString();
            // Two of them are ended in the middle, each after another number of entries.
            entries += data.toString().match(/^in$/gm)?.length ?? 0;
            if (at < 2 && entries > 2 + at) process.kill(-(child.pid ?? Number.NaN), "SIGKILL");
          });
        }
        return once(child, "close").then(() => said);
      });
      const all = await Promise.all(visitors);
      for (const [at, said] of all.entries()) {
        assert.doesNotMatch(said, /two|!|error|not found/i);
        if (at >= 2) assert.match(said, /^done$/m);
      }
    });

    it(`is free again wherever its holder was ended (${name})`, () => {
      const { text, count } = mortal();
      assert.ok(count > 50);
      let ended = 0;
      for (let chosen = 1; chosen <= count; chosen++) {
        // One that is dead stands before it, and an older script left its link.
        writeFileSync(sunny("queue"), "+ 1:1:another-boot:1:1:k:1 .\n");
        symlinkSync("1:1:another-boot:1:1:k:1", sunny("lock"));
        const dying = run(`chosen=${chosen}\nenter\nunlock\necho through`, { shell, files, locking: text });
        if (!dying.stdout.includes("through")) ended++;
        const next = run("enter\nunlock\necho through", { shell, files });
        assert.deepEqual([next.stdout, next.stderr], ["through\n", ""], `after an end at ${chosen}`);
        for (const file of ["lock", "fence", "attempts"]) rmSync(sunny(file), { force: true });
      }
      assert.ok(ended > 30, `${ended} of ${count}`);
    });
  }

  it("is waited for while its holder lives, also one by the link of before", () => {
    const busy = `!HOST_BUSY the lock is held by process ${process.pid} under token 1\n`;
    writeFileSync(sunny("queue"), `+ ${livingTicket()} .\n`);
    assert.equal(run("lock").stdout, busy);
    rmSync(sunny("queue"));
    symlinkSync(livingTicket(), sunny("lock"));
    assert.equal(run("lock").stdout, busy);
    assert.ok(lstatSync(sunny("lock")).isSymbolicLink());
  });

  it("is not taken by who passed over somebody that emptied the queue before it died", () => {
    writeFileSync(sunny("queue"), "+ 1:1:another-boot:1:1:k:1 .\n");
    const ticket = livingTicket();
    const late = `
real_holder() ${/^holder\(\) (\{[^]*?^\})$/m.exec(LOCKING)?.[1] ?? assert.fail()}
holder() {
  real_holder "$1" && return 0
  case $1 in *another-boot*) echo "+ ${ticket} ." >"$S/queue" ;; esac
  return 1
}
lock
echo in`;
    assert.equal(run(late).stdout, `!HOST_BUSY the lock is held by process ${process.pid} under token 1\n`);
  });

  it("is had by who waits once it was given back, by a line or by an emptied queue", async () => {
    for (const end of [`echo "- $first ." >>"$S/queue"`, `true >"$S/queue"`]) {
      const first = livingTicket();
      writeFileSync(sunny("queue"), `+ ${first} .\n`);
      const child = spawn("sh", ["-c", scriptOf("lock\necho in\nunlock", { wait: 60 })], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      child.stdout.on("data", (data: Buffer) => (said += data.toString()));
      const ended = once(child, "close");
      await lastLine(sunny("queue"), "k:1 .\n");
      assert.equal(said, "");
      run(`first=${first}\n${end}`);
      await ended;
      assert.equal(said, "in\n");
    }
  });

  it("does not take half a line for a ticket, and does not let one spoil the next", () => {
    writeFileSync(sunny("queue"), `+ ${livingTicket()}`);
    assert.equal(run("lock\nunlock\necho in").stdout, "in\n");
    writeFileSync(sunny("queue"), `+ ${livingTicket()}\n- 4`);
    assert.equal(run("lock\nunlock\necho in").stdout, "in\n");
  });

  it("keeps a watchdog of before out, which knows only the link", () => {
    const [pid, born] = livingTicket().split(":");
    writeFileSync(sunny("deadman.pid"), `${pid} ${born}\n`);
    assert.match(run('lock\nreadlink "$S/lock"').stdout, /^\d+:\S+:1:k:1\n$/);
    assert.equal(run("lock\nunlock\necho in").stdout, "in\n");
    assert.equal(existsSync(sunny("lock")), false);
    writeFileSync(sunny("deadman.pid"), `${pid} ${born} queue\n`);
    assert.equal(run('lock\n[ -L "$S/lock" ] || echo none\nunlock').stdout, "none\n");
  });

  it("is refused where nothing can be written, and its queue does not grow for ever", () => {
    for (let at = 0; at < 60; at++) run("lock\nunlock");
    assert.ok(readFileSync(sunny("queue"), "utf8").split("\n").length < 50);
    rmSync(sunny("queue"));
    mkdirSync(sunny("queue"));
    assert.match(run("lock").stdout, /^!HOST_NOT_WRITABLE cannot write .*queue$/m);
  });
});
