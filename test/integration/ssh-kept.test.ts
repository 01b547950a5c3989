import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { SshTarget } from "../../src/adapters/ssh/argv.ts";
import type { SshTransport, SshTransportOptions } from "../../src/adapters/ssh/ssh-transport.ts";
import { isAlive } from "../../src/engine/process-identity.ts";
import type { ProcessIdentity } from "../../src/engine/process-identity.ts";
import { sha256 } from "../../src/json.ts";
import { without } from "../support/programs.ts";
import { until } from "./local-hosts.support.ts";
import { psCount, sshWorld } from "./ssh.support.ts";
import type { SshWorld } from "./ssh.support.ts";

const soon = { deadlineMs: 60_000 };
const WHO = "echo $SSH_CONNECTION";

/** Known among all processes of the machine by its length. */
const LONG = `sleep 700.${process.pid}`;

describe("connections that are kept for the next command", { skip: without("sshd", "ssh", "ssh-keygen") }, () => {
  let world: SshWorld;
  let target: SshTarget;
  let place: string;
  before(async () => {
    world = await sshWorld(["a", "b", "c"]);
    const { connection } = world.system.hosts[0]!;
    assert.ok(connection.kind === "ssh");
    target = connection;
    place = path.join(world.dir, "k");
    mkdirSync(place);
  });
  after(async () => {
    // What a test left is taken over once more, and ended.
    for (const last of [commandOf({ persistMs: 0 }), commandOf({ persistMs: 0 })]) await last.close();
    await world.close();
  });

  const commandOf = (options: Partial<SshTransportOptions> = {}): SshTransport =>
    world.transportOf({ persistMs: 60_000, takeOver: true, place, ...options });
  const whoOf = async (transport: SshTransport, host = "a"): Promise<string> =>
    (await transport.run(host, WHO, soon)).stdout.trim();
  const directories = (): string[] => readdirSync(place).map((name) => path.join(place, name));
  interface Kept {
    readonly host: string;
    readonly ssh: ProcessIdentity;
  }
  const keptIn = (directory: string): Kept[] =>
    JSON.parse(readFileSync(path.join(directory, "kept.json"), "utf8")) as Kept[];
  const keeperOf = (directory: string): ProcessIdentity =>
    JSON.parse(readFileSync(path.join(directory, "owner.json"), "utf8")) as ProcessIdentity;
  const gone = async (processes: readonly ProcessIdentity[]): Promise<unknown> =>
    until(
      async () => processes.filter(isAlive),
      (alive) => alive.length === 0,
    );
  /** Ends what is kept now; the processes and their directories are gone then. */
  const endAll = async (): Promise<void> => {
    const kept = directories().flatMap((directory) => keptIn(directory).map(({ ssh }) => ssh));
    await commandOf({ persistMs: 0 }).close();
    await gone(kept);
    assert.deepEqual(directories(), []);
  };

  test("the next command runs its scripts over them, and so does the one after it", async () => {
    const first = commandOf();
    const connection = await whoOf(first);
    assert.notEqual(connection, "");
    await first.close();
    const payload = path.join(world.dir, "payload");
    const bytes = randomBytes(3_000_001);
    writeFileSync(payload, bytes);
    for (const _ of [2, 3]) {
      const next = commandOf();
      assert.equal(await whoOf(next), connection);
      const digest = await next.run("a", "sha256sum <&3 | cut -c1-64", { ...soon, payloadPath: payload });
      assert.equal(digest.stdout.trim(), sha256(bytes));
      const both = await Promise.all([1, 2].map(() => whoOf(next)));
      assert.deepEqual(new Set(both), new Set([connection]), "further sessions share it as well");
      const { connections, takenOver, live } = next.counts();
      assert.deepEqual({ connections, takenOver, live }, { connections: 0, takenOver: 1, live: 1 });
      await next.close();
    }
    assert.equal(directories().length, 1, "one directory goes from command to command");
    await endAll();
  });

  test("one through a bastion is kept with the way to it", async () => {
    const way = { ...target, jump: `${target.user}@127.0.2.2:${target.port}` };
    const first = commandOf({ target: () => way });
    const connection = await whoOf(first);
    await first.close();
    const next = commandOf({ target: () => way, persistMs: 0 });
    assert.deepEqual([next.counts().takenOver, next.counts().live], [1, 2]);
    assert.equal(await whoOf(next), connection);
    await next.close();
    await until(
      async () => psCount(`-W [127.0.2.1]:${target.port}`),
      (seen) => seen === 0,
    );
  });

  test("they end when their time is over, and leave nothing behind", async () => {
    const command = commandOf({ persistMs: 3_000 });
    await whoOf(command);
    await command.close();
    const [directory = ""] = directories();
    const [kept] = keptIn(directory);
    const keeper = keeperOf(directory);
    assert.ok(kept !== undefined && isAlive(kept.ssh) && isAlive(keeper));
    await gone([kept.ssh, keeper]);
    assert.deepEqual(directories(), []);
  });

  test("only idle ones are kept: a script that still runs ends with its command", async () => {
    const command = commandOf();
    const cut = command.run("b", `${LONG}; echo done`, soon);
    await until(
      async () => psCount(LONG),
      (seen) => seen > 0,
    );
    await whoOf(command);
    await command.close();
    assert.equal((await cut).ended, "cut");
    assert.deepEqual(
      directories().flatMap((one) => keptIn(one).map(({ host }) => host)),
      ["a"],
    );
    await until(
      async () => psCount(LONG),
      (seen) => seen === 0,
    );
    await endAll();
  });

  test("what a connection was made with has to be the same: another key file, other pinned keys, another agent", async () => {
    const command = commandOf();
    const connection = await whoOf(command);
    await command.close();
    const others: Partial<SshTransportOptions>[] = [
      { target: () => ({ ...target, user: undefined }) },
      { target: () => ({ ...target, identityFile: undefined }), env: { ...process.env, SSH_AUTH_SOCK: "/elsewhere" } },
      { env: { ...process.env, SSH_AUTH_SOCK: "/elsewhere" } },
      { aliveIntervalMs: 30_000 },
    ];
    for (const other of others) {
      const foreign = commandOf({ persistMs: 0, ...other });
      assert.equal(foreign.counts().takenOver, 0, JSON.stringify(other));
      await foreign.close();
    }
    const known = readFileSync(world.knownHostsFile);
    appendFileSync(world.knownHostsFile, "# edited\n");
    const edited = commandOf({ persistMs: 0 });
    assert.equal(edited.counts().takenOver, 0);
    assert.notEqual(await whoOf(edited), connection);
    await edited.close();
    writeFileSync(world.knownHostsFile, known);
    const [directory = ""] = directories();
    const kept = keptIn(directory).map(({ ssh }) => ssh);
    // As `pkill -f sunny-keep` does: without who holds them they end, and leave nothing behind.
    process.kill(keeperOf(directory).pid);
    await gone(kept);
    await until(
      async () => directories(),
      (left) => left.length === 0,
    );
  });

  test("of several commands at once one has them, and the others make their own", async () => {
    const before = commandOf();
    await whoOf(before);
    await before.close();
    const [one, other] = [commandOf(), commandOf()];
    assert.deepEqual([one.counts().takenOver, other.counts().takenOver], [1, 0]);
    const [a, b] = await Promise.all([whoOf(one), whoOf(other)]);
    assert.notEqual(a, b);
    await one.close();
    await other.close();
    assert.equal(directories().length, 2);
    const third = commandOf({ persistMs: 0 });
    assert.equal(third.counts().takenOver, 1);
    await third.close();
    await endAll();
  });

  test("one that does not answer any more is made anew, and nobody waits for the old one", async () => {
    const before = commandOf();
    const connection = await whoOf(before);
    await before.close();
    const kept = directories().flatMap(keptIn);
    for (const { ssh } of kept) process.kill(ssh.pid, "SIGSTOP");
    const next = commandOf({ persistMs: 0 });
    assert.equal(next.counts().takenOver, 1);
    assert.notEqual(await whoOf(next), connection);
    assert.equal(next.counts().connections, 1);
    await next.close();
    await gone(kept.map(({ ssh }) => ssh));
  });

  test("one that the server ended meanwhile is made anew", async () => {
    const before = commandOf();
    await Promise.all(["a", "b"].map((host) => whoOf(before, host)));
    await before.close();
    const kept = directories().flatMap(keptIn);
    world.sshd.cut();
    await gone(kept.map(({ ssh }) => ssh));
    const next = commandOf({ persistMs: 0 });
    assert.notEqual(await whoOf(next), "");
    assert.deepEqual([next.counts().takenOver, next.counts().connections], [0, 1]);
    await next.close();
  });

  test("there is room for as many as there are processes allowed", async () => {
    const before = commandOf();
    await Promise.all(["a", "b", "c"].map((host) => whoOf(before, host)));
    await before.close();
    const kept = directories().flatMap(keptIn);
    const next = commandOf({ persistMs: 0, maxProcesses: 4 });
    assert.deepEqual([next.counts().takenOver, next.counts().live, next.connected().length], [2, 2, 2]);
    for (const host of ["a", "b", "c"]) assert.notEqual(await whoOf(next, host), "");
    await next.close();
    await gone(kept.map(({ ssh }) => ssh));
  });

  test("a command that took one over and is killed takes its script on the host with it", async () => {
    const before = commandOf();
    const connection = await whoOf(before);
    await before.close();
    const kept = directories().flatMap(keptIn);
    const script = `${WHO}; ${LONG}`;
    const order = JSON.stringify({ target, place, script });
    const module = pathToFileURL(path.join(import.meta.dirname, "../../src/adapters/ssh/ssh-transport.ts")).href;
    const clock = pathToFileURL(path.join(import.meta.dirname, "../../src/clock.ts")).href;
    const code = `
      const { sshTransport } = await import(${JSON.stringify(module)});
      const { systemClock: clock } = await import(${JSON.stringify(clock)});
      const { target, place, script } = ${order};
      const transport = sshTransport({ clock, place, persistMs: 60_000, target: () => target });
      process.stdout.write(JSON.stringify(transport.counts()) + "\\n");
      await transport.run("a", script, { deadlineMs: 600_000 });
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [counts] = (await once(child.stdout, "data")) as [Buffer];
    assert.equal((JSON.parse(counts.toString()) as { takenOver: number }).takenOver, 1, connection);
    await until(
      async () => psCount(LONG),
      (seen) => seen > 0,
    );
    child.kill("SIGKILL");
    await until(
      async () => psCount(LONG),
      (seen) => seen === 0,
    );
    await gone(kept.map(({ ssh }) => ssh));
    // The next command removes what the killed one left.
    await commandOf({ persistMs: 0 }).close();
    assert.deepEqual(directories(), []);
  });
});
