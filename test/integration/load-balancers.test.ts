/** What an opened environment says of two HAProxy processes that it is configured with. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { generateKey } from "../../src/audit/note.ts";
import { systemClock } from "../../src/clock.ts";
import { openSunny, type Sunny } from "../../src/main.ts";
import { loadSystem } from "../../src/system/load.ts";
import { askHaproxy, startHaproxy, type HaproxyTest } from "../support/haproxy.ts";
import { without } from "../support/programs.ts";
import { freePort } from "./local-hosts.support.ts";

describe("two load balancers", { skip: without("haproxy") }, () => {
  // Sockets lie in it, and their paths must be short.
  const dir = mkdtempSync("/tmp/sunny-lbs-");
  const servers: { readonly name: string; readonly port: number }[] = [];
  const proxies: HaproxyTest[] = [];
  const start = async (name: string, weight = 100, agentPort?: number): Promise<HaproxyTest> => {
    const weighed = servers.map((server) => ({ ...server, weight }));
    const agent = agentPort === undefined ? {} : { agentPort };
    const proxy = await startHaproxy({ dir: path.join(dir, name), port: await freePort(), servers: weighed, ...agent });
    proxies.push(proxy);
    return proxy;
  };
  before(async () => {
    for (const name of ["web-1", "web-2"]) servers.push({ name, port: await freePort() });
  });
  after(async () => {
    for (const proxy of proxies) await proxy.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Opens an environment with these sockets. */
  async function withSunny<T>(sockets: readonly string[], work: (sunny: Sunny) => Promise<T>): Promise<T> {
    const home = mkdtempSync(path.join(dir, "system-"));
    const file = path.join(home, "sunny.config.json");
    mkdirSync(path.join(home, "releases"));
    const config = {
      service: "payments",
      environment: "production",
      stateDir: "state",
      checkpointCopyDir: "copy",
      releases: { dir: "releases", trustedKeys: [generateKey("releases").verifier] },
      hosts: servers.map(({ name, port }) => ({ name, root: name, port })),
      loadBalancer: { kind: "haproxy", backend: "be", sockets },
      database: { kind: "sqlite", file: "payments.db", backupDir: "backups" },
    };
    writeFileSync(file, JSON.stringify(config));
    const sunny = await openSunny(await loadSystem(file, home), { clock: systemClock });
    try {
      return await work(sunny);
    } finally {
      await sunny.close();
    }
  }

  test("when one is down, it is named with the reason and the other one still says what it has", async () => {
    const [a, b] = [await start("a"), await start("b")];
    await withSunny([a.socket, b.socket], async (sunny) => {
      const both = await sunny.environment();
      assert.deepEqual([both.read, both.unread], [[a.socket, b.socket], []]);
      await b.stop();
      const { servers: shown, read, unread } = await sunny.environment();
      assert.deepEqual(
        shown.map(({ name, admin }) => [name, admin]),
        [
          ["web-1", "ready"],
          ["web-2", "ready"],
        ],
      );
      assert.deepEqual([read, unread.length], [[a.socket], 1]);
      assert.ok(unread.join().includes(b.socket), unread.join());
    });
  });

  test("one that takes no orders, or whose weights are too small for a canary, is told before anything is planned", async () => {
    const [good, small] = [await start("good"), await start("small", 1)];
    await withSunny([good.socket], (sunny) => sunny.requireOrders());
    for (const [socket, reason] of [
      [good.lookSocket, /takes no orders: the socket has `level operator`, it needs `level admin`$/],
      [small.socket, /cannot give web-1 11 % of its weight 1: .* Set `weight 100`/],
    ] as const) {
      await withSunny([good.socket, socket], async (sunny) => {
        await assert.rejects(sunny.requireOrders(), { code: "HAPROXY_COMMAND_FAILED", message: reason });
      });
    }
  });

  test("one that asks agents about the servers is refused until it is told not to, since an agent undoes what is ordered", async () => {
    const proxy = await start("agent", 100, await freePort());
    await withSunny([proxy.socket], async (sunny) => {
      for (const [name, left] of [
        ["web-1", /asks an agent about web-1, web-2, .*: `disable agent be\/web-1`, `disable agent be\/web-2`$/],
        ["web-2", /asks an agent about web-2, .*: `disable agent be\/web-2`$/],
      ] as const) {
        await assert.rejects(sunny.requireOrders(), { code: "HAPROXY_AGENT_CHECK", message: left });
        await askHaproxy(proxy.socket, `disable agent be/${name}`);
      }
      await sunny.requireOrders();
    });
  });
});
