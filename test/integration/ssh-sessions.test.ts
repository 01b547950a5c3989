import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, unlinkSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import type { TestContext } from "node:test";
import type { SshTransport } from "../../src/adapters/ssh/ssh-transport.ts";
import { without } from "../support/programs.ts";
import { until } from "./local-hosts.support.ts";
import { psCount, sshWorld } from "./ssh.support.ts";

const soon = { deadlineMs: 60_000 };
const WHO = "echo $SSH_CONNECTION";

interface Start {
  readonly transport: SshTransport;
  readonly dir: string;
  /** The directory of its control sockets. */
  readonly sockets: () => string;
  readonly live: () => number;
}

async function start(t: TestContext, maxSessions: number): Promise<Start> {
  const world = await sshWorld(["a"], [`MaxSessions ${maxSessions}`]);
  t.after(() => world.close());
  const place = path.join(world.dir, "k");
  mkdirSync(place);
  return {
    transport: world.transportOf({ place }),
    dir: world.dir,
    sockets: () => path.join(place, readdirSync(place)[0] ?? ""),
    // Whatever names its control socket, its key or its known hosts.
    live: () => psCount(place),
  };
}

/**
 * Scripts that run at the same time: each waits until all have begun. The connections that carried them, that of the
 * first one first.
 */
async function atOnce(transport: SshTransport, dir: string, count: number): Promise<string[]> {
  const meeting = mkdtempSync(path.join(dir, "meeting-"));
  const scripts = Array.from({ length: count }, (_, at) => {
    const script = `: >'${meeting}/${at}'; until [ "$(ls '${meeting}' | wc -l)" -eq ${count} ]; do sleep 0.02; done; ${WHO}`;
    return transport.run("a", script, soon);
  });
  const results = await Promise.all(scripts);
  assert.deepEqual(
    results.map(({ status, ended }) => [status, ended]),
    results.map(() => [0, null]),
  );
  return results.map(({ stdout }) => stdout);
}

describe("sessions over one connection", { skip: without("sshd", "ssh", "ssh-keygen") }, () => {
  for (const maxSessions of [1, 2]) {
    test(`beyond MaxSessions ${maxSessions} a script has a connection of its own, and all end with the command`, async (t) => {
      const { transport, dir, live } = await start(t, maxSessions);
      const [first, ...others] = await atOnce(transport, dir, 4);
      assert.equal(
        others.filter((one) => one === first).length,
        maxSessions - 1,
        "as many share it as the host allows",
      );
      assert.equal(new Set(others).size, others.length - Math.max(0, maxSessions - 2));
      assert.equal((await transport.run("a", WHO, soon)).stdout, first, "the connection goes on");
      assert.equal(live(), 1, "the others ended with their scripts");
      await transport.close();
      assert.equal(live(), 0, "no process is left");
    });
  }

  test("a connection goes on when its control socket was removed", async (t) => {
    const { transport, dir, sockets, live } = await start(t, 10);
    const { stdout } = await transport.run("a", WHO, soon);
    for (const name of readdirSync(sockets())) if (/^[0-9a-f]{12}-/.test(name)) unlinkSync(path.join(sockets(), name));
    const [first, second] = await atOnce(transport, dir, 2);
    assert.deepEqual([first, second === first], [stdout, false]);
    await transport.close();
    assert.equal(live(), 0, "no process is left");
  });

  test("a script that is stopped while its session starts does not end the connection", async (t) => {
    const { transport, live } = await start(t, 10);
    await transport.run("a", WHO, soon);
    const long = transport.run("a", `${WHO}; sleep 2`, soon);
    const stop = new AbortController();
    const stopped = transport.run("a", WHO, { ...soon, signal: stop.signal });
    await until(
      async () => transport.counts().live,
      (live) => live === 2,
    );
    stop.abort();
    assert.equal((await stopped).ended, "aborted");
    const other = transport.run("a", WHO, soon);
    assert.equal((await other).stdout, (await long).stdout);
    assert.equal(transport.counts().connections, 1);
    await transport.close();
    assert.equal(live(), 0, "no process is left");
  });

  test("a host that takes no session at all is told from one that cannot be reached", async (t) => {
    const { transport } = await start(t, 0);
    await assert.rejects(transport.run("a", WHO, soon), /a: .* takes no session.*MaxSessions/);
  });
});
