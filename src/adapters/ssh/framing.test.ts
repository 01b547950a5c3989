import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { SHELLS } from "../../../test/support/programs.ts";
import { readSentinel } from "../../operations/rollout/transport.ts";
import { PROLOGUE, READY, REMOTE_COMMAND, SEND, frame } from "./framing.ts";

const marker = "@sunny-end-test";

/** A folder with `sh`, which is this shell. */
function folderOf(shell: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "sunny-shell-"));
  const program = spawnSync("sh", ["-c", `command -v ${shell}`], { encoding: "utf8" }).stdout.trim();
  symlinkSync(program, path.join(folder, "sh"));
  return folder;
}

/** The remote side on this machine: a group of its own, as sshd gives it; `programs` is a folder that goes before all others. */
function remote(programs?: string): {
  child: ReturnType<typeof spawn>;
  output: () => Promise<string>;
  /** Resolves with what has been said when these words are among it. */
  said: (words: string) => Promise<string>;
} {
  const env = programs === undefined ? process.env : { ...process.env, PATH: `${programs}:${process.env["PATH"]}` };
  const child = spawn("sh", ["-c", REMOTE_COMMAND], { detached: true, env, stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.on("error", () => {});
  child.stdin.write(PROLOGUE);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const closed = once(child, "close");
  const said = async (words: string): Promise<string> => {
    while (!text.includes(words)) await once(child.stdout, "data");
    return text;
  };
  return { child, output: async () => (await closed, text), said };
}

const stateOf = (pid: string): string => spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" }).stdout;

/** Waits until a process that was killed is gone, or only not yet collected by whoever inherited it. */
async function gone(state: () => string): Promise<void> {
  for (let tries = 0; !/^(Z.*)?\s*$/.test(state()); tries++) {
    assert.ok(tries < 1_200, state());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const framed = (script: string, end: string, payloadBytes: number | null, stays: boolean): Buffer =>
  frame({ script, marker: end, payloadBytes, stays });

test("the remote command holds nothing that changes from script to script", () => {
  assert.equal(REMOTE_COMMAND, "exec sh");
  assert.equal(PROLOGUE.indexOf("\n"), PROLOGUE.length - 1);
});

for (const [shell, stays] of SHELLS.flatMap((one) => [[one, true] as const, [one, false] as const])) {
  const name = `${shell}, ${stays ? "in the group of the session" : "in a group of its own"}`;
  const programs = folderOf(shell);
  after(() => rmSync(programs, { recursive: true }));

  test(`scripts go one after the other, to the byte, whatever they hold and however they are cut into pieces (${name})`, async () => {
    const { child, output, said } = remote(programs);
    const script = "printf '%s|' 'it''s' \"a  b\" '$HOME' 'ü' '\\\\'; echo; return 7";
    for (const byte of framed(script, marker, null, stays)) child.stdin!.write(Buffer.from([byte]));
    await said(`${READY} ${marker}\n`);
    child.stdin!.write(framed("echo second; return 200", "@m2", null, stays));
    await said(`${READY} @m2\n`);
    child.stdin!.end();
    const text = await output();
    assert.ok(text.startsWith(`${READY} \n`));
    const [first = "", second = ""] = text.slice(READY.length + 2).split(`${READY} ${marker}\n`);
    assert.deepEqual(readSentinel(first, marker), { status: 7, stdout: "its|a  b|$HOME|ü|\\\\|\n" });
    assert.deepEqual(readSentinel(second, "@m2"), { status: 200, stdout: "second\n" });
  });

  test(`a payload behind the script reaches descriptor 3 and ends there; what is left of it is nobody's script (${name})`, async () => {
    const payload = Buffer.from("22 @evil\necho evil; # 45678901\n".repeat(10_000));
    const digest = createHash("sha256").update(payload).digest("hex");
    const { child, output, said } = remote(programs);
    const orders = ["sha256sum <&3", "echo refused; return 1", "head -n 1 <&3 >/dev/null", "echo after"];
    for (const [at, script] of orders.entries()) {
      // The last one has no payload: it starts where the one before it ended.
      const behind = script === "echo after" ? null : payload;
      child.stdin!.write(framed(script, `@m${at}`, behind?.length ?? null, stays));
      if (behind !== null) {
        await said(`${SEND} @m${at}\n`);
        child.stdin!.write(behind);
      }
      await said(`${READY} @m${at}\n`);
    }
    child.stdin!.end();
    const text = await output();
    assert.ok(text.includes(`${digest}  -\n\n@m0 0\n${READY} @m0\n`), text);
    const ends = [
      `${SEND} @m1\nrefused\n\n@m1 1\n${READY} @m1\n`,
      `${SEND} @m2\n\n@m2 0\n${READY} @m2\n`,
      `after\n\n@m3 0\n${READY} @m3\n`,
    ];
    assert.ok(text.endsWith(ends.join("")), text);
  });

  test(`a payload of any length ends at its last byte (${name})`, async () => {
    const { child, output, said } = remote(programs);
    const lengths = [0, 1, 65_535, 65_536, 65_537, 200_000];
    for (const [at, length] of lengths.entries()) {
      child.stdin!.write(framed("wc -c <&3", `@m${at}`, length, stays));
      await said(`${SEND} @m${at}\n`);
      child.stdin!.write(Buffer.alloc(length, "7 @x\n"));
      await said(`${READY} @m${at}\n`);
    }
    child.stdin!.end();
    assert.deepEqual(
      [...(await output()).matchAll(/^ *(\d+)$/gm)].map((match) => Number(match[1])),
      lengths,
    );
  });

  test(`without a dd that fills its blocks the payload arrives as well (${name})`, async () => {
    const programs = mkdtempSync(path.join(tmpdir(), "sunny-dd-"));
    const real = spawnSync("sh", ["-c", "command -v dd"], { encoding: "utf8" }).stdout.trim();
    const plain = `#!/bin/sh\ncase $* in *fullblock*) exit 1 ;; esac\nexec '${real}' "$@"\n`;
    writeFileSync(path.join(programs, "dd"), plain, { mode: 0o755 });
    const { child, output, said } = remote(programs);
    const payload = Buffer.alloc(100_000, "x");
    child.stdin!.write(framed("wc -c <&3", marker, payload.length, stays));
    await said(`${SEND} ${marker}\n`);
    child.stdin!.write(payload);
    await said(`${READY} ${marker}\n`);
    child.stdin!.end();
    assert.match(await output(), /\b100000\n\n@sunny-end-test 0\n@sunny-ready @sunny-end-test\n$/);
    rmSync(programs, { recursive: true });
  });

  test(`a script ends with everything it started when the input ends behind its payload (${name})`, async () => {
    const { child, output, said } = remote(programs);
    const payload = Buffer.alloc(100_000, "x");
    const script = "wc -c <&3; sleep 600 & echo started $! .; wait $!";
    child.stdin!.write(framed(script, marker, payload.length, stays));
    await said(`${SEND} ${marker}\n`);
    child.stdin!.write(payload);
    await said(" .\n");
    child.stdin!.end();
    const text = await output();
    assert.doesNotMatch(text, /^@sunny-end/m);
    const pid = /^started (\d+) \.$/m.exec(text)?.[1] ?? assert.fail(text);
    await gone(() => stateOf(pid));
  });

  test(`a script that is killed with its payload half read ends the session (${name})`, async () => {
    const { child, output, said } = remote(programs);
    child.stdin!.write(framed("echo up; kill -KILL -$$; sleep 5", marker, 1_000_000, stays));
    await said(`${SEND} ${marker}\n`);
    child.stdin!.write(Buffer.alloc(500_000, "x"));
    assert.doesNotMatch(await output(), /^@sunny-end|@sunny-ready @sunny/m);
  });

  test(`half of a script does nothing (${name})`, async () => {
    const { child, output } = remote(programs);
    const whole = framed("echo it ran", marker, null, stays);
    child.stdin!.end(whole.subarray(0, whole.length - 20));
    assert.doesNotMatch(await output(), /it ran|^@sunny-end/m);
  });

  test(`a script ends with everything it started when the connection is cut (${name})`, async () => {
    const { child, output, said } = remote(programs);
    child.stdin!.write(framed("sleep 600 & echo started $! .; wait $!", marker, null, stays));
    await said(" .\n");
    child.stdin!.end();
    const text = await output();
    assert.doesNotMatch(text, /^@sunny-end/m);
    const pid = /^started (\d+) \.$/m.exec(text)?.[1] ?? assert.fail(text);
    await gone(() => stateOf(pid));
  });
}

test("what a script started in a session of its own outlives it, however late it gets there", async (t) => {
  const { child, output, said } = remote();
  const script = "( sleep 0.3; exec setsid sleep 600 ) </dev/null >/dev/null 2>&1 & echo started $! .";
  child.stdin!.write(framed(script, marker, null, false));
  const text = await said(`${READY} ${marker}\n`);
  const pid = Number(/^started (\d+) \.$/m.exec(text)?.[1] ?? assert.fail(text));
  t.after(() => process.kill(pid, "SIGKILL"));
  const argsOf = (): string => spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).stdout;
  for (let args = argsOf(); args !== "sleep 600\n"; args = argsOf()) {
    assert.notEqual(args, "", "it was ended on the way there");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.stdin!.end();
  await output();
});

test("a script ends alone when its server gave the session no group of its own", async () => {
  const around = `${REMOTE_COMMAND.replace("exec ", "")}; echo still there`;
  const child = spawn("sh", ["-c", around], { detached: true, stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.write(PROLOGUE);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const closed = once(child, "close");
  while (!text.includes(`${READY} \n`)) await once(child.stdout, "data");
  child.stdin.write(framed("sleep 600 & echo started $! .; wait $!", marker, null, true));
  while (!text.includes(" .\n")) await once(child.stdout, "data");
  child.stdin.end();
  await closed;
  assert.match(text, /\nstill there\n$/);
  const pid = /^started (\d+) \.$/m.exec(text)?.[1] ?? assert.fail(text);
  await gone(() => stateOf(pid));
});

test("without setsid a script has a group of its own where the shell has job control", async () => {
  const programs = mkdtempSync(path.join(tmpdir(), "sunny-plain-"));
  for (const name of ["bash", "sleep"]) {
    const program = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).stdout.trim();
    symlinkSync(program, path.join(programs, name === "bash" ? "sh" : name));
  }
  for (const stays of [true, false]) {
    const child = spawn("sh", ["-c", REMOTE_COMMAND], {
      env: { PATH: programs },
      detached: true,
      stdio: ["pipe", "pipe", "ignore"],
    });
    child.stdin.write(PROLOGUE);
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const closed = once(child, "close");
    child.stdin.write(framed("echo first", "@m1", null, stays));
    while (!text.includes(`${READY} @m1\n`)) await once(child.stdout, "data");
    child.stdin.write(framed("sleep 600 & echo started $! .; wait $!", "@m2", null, stays));
    while (!text.includes(" .\n")) await once(child.stdout, "data");
    child.stdin.end();
    await closed;
    assert.match(text, /^@sunny-ready \nfirst\n\n@m1 0\n@sunny-ready @m1\nstarted \d+ \.\n$/);
    const pid = /^started (\d+) \.$/m.exec(text)?.[1] ?? assert.fail(text);
    await gone(() => stateOf(pid));
  }
  rmSync(programs, { recursive: true });
});
