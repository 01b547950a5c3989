import assert from "node:assert/strict";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import path from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import type { TestContext } from "node:test";
import { RetryableError, TerminalError } from "../../src/engine/context.ts";
import type { SshTarget } from "../../src/adapters/ssh/argv.ts";
import { systemClock } from "../../src/clock.ts";
import type { Clock } from "../../src/clock.ts";
import { startCutter } from "../support/cutter.ts";
import { without } from "../support/programs.ts";
import { makeKey } from "../support/sshd.ts";
import { freePort, until } from "./local-hosts.support.ts";
import { psCount, sshWorld, startAgent } from "./ssh.support.ts";
import type { SshWorld } from "./ssh.support.ts";

const refusal =
  (code: string, ...words: readonly (string | RegExp)[]) =>
  (error: unknown) => {
    assert.ok(error instanceof TerminalError || error instanceof RetryableError, String(error));
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.match(error.message, word instanceof RegExp ? word : new RegExp(RegExp.escape(word)));
    return true;
  };

const soon = { deadlineMs: 60_000 };

/** Known among all processes of the machine by its length. */
const LONG = `sleep 600.${process.pid}`;
const noneLeft = (): Promise<number> =>
  until(
    async () => psCount(LONG),
    (seen) => seen === 0,
  );

describe("the SSH transport against real servers", { skip: without("sshd", "ssh", "ssh-keygen") }, () => {
  let world: SshWorld;
  let target: SshTarget;
  before(async () => {
    world = await sshWorld(["a", "b", "c", "d"]);
    const { connection } = world.system.hosts[0]!;
    assert.ok(connection.kind === "ssh");
    target = connection;
  });
  after(() => world.close());

  test("one connection carries every script of a host; status, output and errors come back", async () => {
    const transport = world.transportOf({});
    const first = await transport.run("a", "echo $SSH_CONNECTION; echo oops >&2; return 3", soon);
    assert.deepEqual([first.status, first.stderr, first.ended], [3, "oops\n", null]);
    const others = await Promise.all([1, 2, 3].map(() => transport.run("a", "echo $SSH_CONNECTION", soon)));
    assert.deepEqual(new Set(others.map((one) => one.stdout)), new Set([first.stdout]));
    assert.equal(transport.counts().connections, 1);
    const fresh = await transport.run("a", "echo $SSH_CONNECTION", { ...soon, fresh: true });
    assert.notEqual(fresh.stdout, first.stdout, "a fresh connection is one of its own");
  });

  test("a script that returns 255 is not taken for a broken connection", async () => {
    assert.equal((await world.transport.run("a", "return 255", soon)).status, 255);
  });

  test("nothing of a script or its payload is an argument of any process", async () => {
    const payloadPath = path.join(world.dir, "payload");
    writeFileSync(payloadPath, "payload-needle-4711");
    const script =
      "read -r line <&3; : script-needle-4711; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo $line";
    const { stdout } = await world.transport.run("a", script, { ...soon, payloadPath });
    assert.match(stdout, / exec sh\b/, "the command of the connection is there to be seen");
    assert.ok(!stdout.includes("script-needle-4711"));
    assert.equal(stdout.split("payload-needle-4711").length, 2, "only what the script printed itself");
  });

  test("an unknown host key is refused with the fingerprint that the host shows", async () => {
    const knownHostsFile = path.join(world.dir, "nobody");
    writeFileSync(knownHostsFile, "");
    const transport = world.transportOf({ target: () => ({ ...target, knownHostsFile }) });
    const expected = refusal(
      "SSH_HOST_KEY_UNKNOWN",
      "a: the key of",
      knownHostsFile,
      world.sshd.fingerprint,
      "ssh-keygen -lf",
    );
    await assert.rejects(transport.run("a", "echo never", soon), expected);
    assert.equal(readFileSync(knownHostsFile, "utf8"), "", "and it is not remembered");
  });

  test("a changed host key is refused, also when the connection goes through a bastion", async () => {
    const other = makeKey(path.join(world.dir, "other")).public.split(" ").slice(0, 2).join(" ");
    const wrong = `[${target.address}]:${target.port} ${other}\n`;
    const knownHostsFile = path.join(world.dir, "changed");
    const bastion = world.system.hosts[1]!.connection as SshTarget;
    const pinned = world.sshd
      .knownHosts()
      .split("\n")
      .filter((line) => line.startsWith(`[${bastion.address}]`));
    writeFileSync(knownHostsFile, `${wrong}${pinned.join("\n")}\n`);
    const jump = `${target.user}@${bastion.address}:${bastion.port}`;
    for (const hops of [{}, { jump }]) {
      const transport = world.transportOf({ target: () => ({ ...target, ...hops, knownHostsFile }) });
      const expected = refusal("SSH_HOST_KEY_CHANGED", knownHostsFile, world.sshd.fingerprint, "ssh-keygen -R");
      await assert.rejects(transport.run("a", "echo never", soon), expected);
    }
  });

  test("a host is reached through a bastion, whose own key has to be known as well", async () => {
    const bastion = world.system.hosts[1]!.connection as SshTarget;
    const jump = `${target.user}@${bastion.address}:${bastion.port}`;
    const transport = world.transportOf({ target: () => ({ ...target, jump }) });
    const { stdout } = await transport.run("a", "echo ${SSH_CONNECTION%% *}", soon);
    assert.match(stdout, /^127\./);
    assert.ok(transport.counts().peak >= 2, "two processes for one connection");
    const knownHostsFile = path.join(world.dir, "host only");
    const lines = world.sshd.knownHosts().split("\n");
    writeFileSync(knownHostsFile, `${lines.find((line) => line.startsWith(`[${target.address}]`))}\n`);
    const strict = world.transportOf({ target: () => ({ ...target, jump, knownHostsFile }) });
    await assert.rejects(strict.run("a", "echo never", soon), refusal("SSH_HOST_KEY_UNKNOWN", bastion.address));
    // Nothing listens on port 1: on the bastion, and then on the host behind it.
    const closed = `${bastion.address}:1`;
    const lost = world.transportOf({ target: () => ({ ...target, jump: closed }) });
    await assert.rejects(
      lost.run("a", "echo never", soon),
      refusal(
        "HOST_UNREACHABLE",
        /through 127\.0\.2\.2:1: ssh: connect to host 127\.0\.2\.2 port 1: Connection refused$/,
      ),
    );
    const behind = world.transportOf({ target: () => ({ ...target, port: 1, jump }) });
    await assert.rejects(
      behind.run("a", "echo never", soon),
      refusal("HOST_UNREACHABLE", /, which cannot connect to it from there: stdio forwarding failed$/),
    );
  });

  test("a key that the host does not know is refused for good", async () => {
    const stranger = makeKey(path.join(world.dir, "stranger"));
    const transport = world.transportOf({
      target: () => ({ ...target, identityFile: stranger.path }),
      env: quietEnv(),
    });
    await assert.rejects(transport.run("a", "echo never", soon), refusal("SSH_REFUSED", /^a: .*Permission denied/));
  });

  test("an account whose shell runs no scripts is told from a host that cannot be reached, with what it said", async () => {
    const file = path.join(world.dir, "sshd", "authorized_keys");
    const key = readFileSync(file, "utf8");
    const begun = path.join(world.dir, "begun");
    const forced = (command: string): void => writeFileSync(file, `command="${command}" ${key}`);
    try {
      forced("echo This account is closed");
      await assert.rejects(
        world.transportOf({}).run("a", "echo", soon),
        refusal("HOST_UNREACHABLE", "runs no scripts: it ended", '"This account is closed"', "'exec sh'"),
      );
      forced(`touch '${begun}'; exec cat >/dev/null`);
      // Its time is over as soon as the forced command runs.
      let late = (): void => {};
      const timer: Clock["timer"] = (ms, run) => {
        if (ms !== 4_711) return systemClock.timer(ms, run);
        late = run;
        return () => {};
      };
      const waiting = world.transportOf({ clock: { ...systemClock, timer } }).run("a", "echo", { deadlineMs: 4_711 });
      const refused = assert.rejects(
        waiting,
        refusal("HOST_UNREACHABLE", "runs no scripts: none began within 4711 ms"),
      );
      await until(
        async () => existsSync(begun),
        (seen) => seen,
      );
      late();
      await refused;
    } finally {
      writeFileSync(file, key);
    }
  });

  test("a host that is down is worth another try", async () => {
    const port = await freePort();
    const transport = world.transportOf({ target: () => ({ ...target, port }) });
    await assert.rejects(transport.run("a", "echo never", soon), (error: unknown) => {
      assert.ok(error instanceof RetryableError);
      return refusal("HOST_UNREACHABLE", "a: cannot connect", "Connection refused")(error);
    });
  });

  test("a script that is too slow ends on the host with what it started, and the next one connects anew", async () => {
    const transport = world.transportOf({});
    await transport.run("a", ":", soon);
    const file = path.join(world.dir, "late");
    const late = await transport.run("a", `${LONG} & wait; echo too late >'${file}'`, { deadlineMs: 300 });
    assert.deepEqual([late.status, late.ended], [null, "deadline"]);
    await noneLeft();
    assert.equal((await transport.run("a", "echo again", soon)).stdout, "again\n");
    assert.equal(existsSync(file), false);
    assert.equal(transport.counts().connections, 2);
  });

  test("a script that is stopped ends on the host, and says so", async () => {
    const stop = new AbortController();
    const running = world.transport.run("b", LONG, { ...soon, signal: stop.signal });
    await until(
      async () => psCount(LONG),
      (seen) => seen > 0,
    );
    stop.abort(new Error("stopped"));
    const end = await running;
    assert.deepEqual([end.status, end.ended], [null, "aborted"]);
    await noneLeft();
  });

  test("a connection that is cut is told from a script that did not start; the next one connects anew", async () => {
    const wire = await startCutter({ host: target.address, port: target.port });
    appendFileSync(
      world.knownHostsFile,
      world.sshd.knownHosts().split("\n")[0]!.replace(/^\S+/, `[127.0.0.1]:${wire.port}`) + "\n",
    );
    const transport = world.transportOf({ target: () => ({ ...target, address: "127.0.0.1", port: wire.port }) });
    const running = transport.run("a", `echo begun; ${LONG}`, soon);
    await until(
      async () => psCount(LONG),
      (seen) => seen > 0,
    );
    wire.cut();
    const { status, ended } = await running;
    assert.deepEqual([status, ended], [null, "cut"]);
    await noneLeft();
    assert.equal((await transport.run("a", "echo again", soon)).stdout, "again\n");
    await transport.close();
    await wire.close();
  });

  test("starts that hang are not repeated beyond the deadline of the script that waits for them", async (t) => {
    let starts = 0;
    const silent = createServer((client) => {
      starts++;
      client.on("error", () => {});
    });
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    t.after(() => silent.close());
    const { port } = silent.address() as AddressInfo;
    const transport = world.transportOf({
      target: () => ({ ...target, address: "127.0.0.1", port }),
      connectTimeoutMs: 1_000,
    });
    const reading = transport.run("a", ":", { deadlineMs: 1_500 });
    await assert.rejects(reading, refusal("HOST_UNREACHABLE", "a: "));
    assert.ok(starts === 1 || starts === 2, `${starts} starts`);
  });

  test("starts that the server drops are tried again, and many hosts stay within the processes allowed", async (t) => {
    const hosts = Array.from({ length: 12 }, (_, at) => `host-${at}`);
    const ports = new Map<string, number>();
    for (const host of hosts) ports.set(host, await crowdedPort(t, target, 2));
    const key = world.sshd.knownHosts().split("\n")[0]!.replace(/^\S+ /, "");
    const knownHostsFile = path.join(world.dir, "crowded");
    writeFileSync(knownHostsFile, [...ports.values()].map((port) => `[127.0.0.1]:${port} ${key}\n`).join(""));
    const transport = world.transportOf({
      target: (host) => ({ ...target, address: "127.0.0.1", port: ports.get(host) ?? 0, knownHostsFile }),
      maxProcesses: 8,
      directStarts: 12,
    });
    const ends = await Promise.all(hosts.map((host) => transport.run(host, `echo ${host}`, soon)));
    assert.deepEqual(
      ends.map((end) => end.stdout.trim()),
      hosts,
    );
    const { peak, droppedStarts } = transport.counts();
    assert.ok(peak <= 8);
    assert.equal(droppedStarts, 2 * hosts.length);
    await transport.close();
    assert.equal(transport.counts().live, 0);
  });

  test("a connection that breaks off before it is ready is made once more, wherever it was", async () => {
    const broken = path.join(world.dir, "broken");
    const program = path.join(world.dir, "breaks-first");
    writeFileSync(
      program,
      `#!/bin/sh\n[ ! -e '${broken}' ] || { cat '${broken}' >&2; rm '${broken}'; exit 255; }\nexec ssh "$@"\n`,
    );
    chmodSync(program, 0o755);
    for (const words of [
      `ssh_dispatch_run_fatal: Connection to ${target.address} port ${target.port}: Broken pipe`,
      `Connection to ${target.address} closed by remote host.`,
      "client_loop: send disconnect: Broken pipe",
    ]) {
      writeFileSync(broken, `${words}\n`);
      const transport = world.transportOf({ program });
      assert.equal((await transport.run("a", "echo in", soon)).stdout, "in\n", words);
      assert.equal(transport.counts().droppedStarts, 1);
      await transport.close();
    }
  });

  test("the user's agent is used when no key is named", { skip: without("ssh-agent", "ssh-add") }, async () => {
    const { agent, stop } = startAgent(world.keyFile);
    const { identityFile: _, ...rest } = target;
    const transport = world.transportOf({ target: () => rest, env: { ...quietEnv(), SSH_AUTH_SOCK: agent } });
    assert.equal((await transport.run("a", "echo in", soon)).stdout, "in\n");
    stop();
  });

  test("control sockets lie in a directory of their own that nobody else can enter, and go with the transport", async (t) => {
    // Others make such directories in the common one meanwhile.
    const { TMPDIR } = process.env;
    process.env["TMPDIR"] = mkdtempSync("/tmp/sunny-own-");
    t.after(() => {
      rmSync(process.env["TMPDIR"] ?? "", { recursive: true });
      if (TMPDIR === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = TMPDIR;
    });
    const transport = world.transportOf({});
    await transport.run("c", ":", soon);
    const [name = "", ...others] = readdirSync(process.env["TMPDIR"]);
    assert.deepEqual([name.startsWith("sunny-ssh-"), others], [true, []]);
    const made = path.join(process.env["TMPDIR"], name);
    assert.equal(statSync(made).mode & 0o777, 0o700);
    const sockets = readdirSync(made).filter((file) => file !== "owner.json");
    assert.equal(sockets.length, 1);
    assert.ok(path.join(made, sockets[0]!).length < 80);
    await transport.close();
    assert.equal(existsSync(made), false);
  });
});

/** A port before the server, which drops so many starts as sshd does above MaxStartups: there it is chance which ones. */
async function crowdedPort(t: TestContext, to: SshTarget, drops: number): Promise<number> {
  let left = drops;
  const server = createServer((client) => {
    client.on("error", () => {});
    if (left-- > 0) return void client.end("Exceeded MaxStartups\r\n");
    const upstream = connect({ host: to.address, port: to.port });
    upstream.on("error", () => client.destroy());
    client.pipe(upstream).pipe(client);
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Without the keys and the agent of whoever runs the tests. */
function quietEnv(): NodeJS.ProcessEnv {
  const { SSH_AUTH_SOCK: _, ...rest } = process.env;
  return rest;
}
