import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { Socket } from "node:net";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { haproxyBalancer } from "../../src/adapters/haproxy/balancer.ts";
import { parseSocket } from "../../src/adapters/haproxy/endpoint.ts";
import type { HaproxyEndpoint } from "../../src/adapters/haproxy/endpoint.ts";
import { hostEndpoint, sayScript } from "../../src/adapters/haproxy/host-endpoint.ts";
import { socketEndpoint } from "../../src/adapters/haproxy/socket-endpoint.ts";
import { hostCommands } from "../../src/adapters/host/commands.ts";
import { localTransport } from "../../src/adapters/local/local-transport.ts";
import { sshTransport } from "../../src/adapters/ssh/ssh-transport.ts";
import { systemClock } from "../../src/clock.ts";
import type { StepScope } from "../../src/engine/context.ts";
import type { LoadBalancer } from "../../src/operations/rollout/ports.ts";
import { askHaproxy, startHaproxy } from "../support/haproxy.ts";
import type { HaproxyTest } from "../support/haproxy.ts";
import { findProgram, without } from "../support/programs.ts";
import { makeKey, startSshd } from "../support/sshd.ts";
import { App, get, startLoad } from "./haproxy.support.ts";
import { freePort, scopeOf, until } from "./local-hosts.support.ts";

const code = (wanted: string, words?: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, wanted, String(error));
  if (words !== undefined) assert.match(String(error), words);
  return true;
};

const scope = (key: string): StepScope => scopeOf(1, key);

describe("HAProxy", { skip: without("haproxy") }, () => {
  const dir = mkdtempSync("/tmp/sunny-hap-");
  const apps: App[] = [];
  const proxies: HaproxyTest[] = [];
  const open: Socket[] = [];
  let publicPort = 0;
  let adminPort = 0;
  before(async () => {
    publicPort = await freePort();
    adminPort = await freePort();
    for (const _ of ["web-1", "web-2"]) apps.push(new App(await freePort()));
    for (const app of apps) await app.start();
    const servers = apps.map((app, at) => ({ name: `web-${at + 1}`, port: app.port }));
    proxies.push(await startHaproxy({ dir: path.join(dir, "a"), port: publicPort, servers, adminPort }));
    proxies.push(await startHaproxy({ dir: path.join(dir, "b"), port: await freePort(), servers }));
  });
  after(async () => {
    for (const socket of open) socket.destroy();
    for (const proxy of proxies) await proxy.stop();
    for (const app of apps) await app.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const endpointOf = (socket: string): HaproxyEndpoint => {
    const address = parseSocket(socket);
    assert.ok(address !== null && address.kind !== "ssh");
    return socketEndpoint(socket, address, systemClock);
  };
  const balancerOf = (...endpoints: readonly HaproxyEndpoint[]): LoadBalancer =>
    haproxyBalancer({ backend: "be", endpoints, clock: systemClock });
  const first = (): LoadBalancer => balancerOf(endpointOf(proxies[0]!.socket));
  const stateOf = async (balancer: LoadBalancer, name: string) =>
    (await balancer.read()).find((one) => one.name === name);

  /** Back to how it was; also what the next test starts from. */
  async function allReady(): Promise<void> {
    for (const proxy of proxies) {
      const balancer = balancerOf(endpointOf(proxy.socket));
      for (const name of ["web-1", "web-2"])
        await balancer.set(name, { admin: "ready", weightPercent: 100 }, scope("ready"));
      for (const name of ["web-1", "web-2"]) assert.equal(await balancer.waitUp(name, 60_000, scope("up")), true);
    }
  }

  async function upgrade(): Promise<Socket> {
    const socket = connect(publicPort, "127.0.0.1");
    open.push(socket);
    socket.on("error", () => {});
    socket.write("GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    await once(socket, "data");
    return socket;
  }

  test("an orchestrator that is not responsible any more orders nothing at a socket that knows no fence", async () => {
    await allReady();
    const stale: StepScope = {
      ...scope("drain"),
      requireLease: () => {
        throw new Error("superseded");
      },
    };
    await assert.rejects(first().set("web-1", { admin: "drain" }, stale), /superseded/);
    assert.equal((await stateOf(first(), "web-1"))?.admin, "ready");
  });

  test("a server is drained, idle when its last request is answered, and ready again", async () => {
    await allReady();
    const balancer = first();
    await balancer.set("web-2", { admin: "drain" }, scope("other"));
    const slow = get(publicPort, "/held");
    await until(
      () => stateOf(balancer, "web-1"),
      (state) => state?.sessions === 1,
    );
    await balancer.set("web-2", { admin: "ready" }, scope("other"));
    await balancer.set("web-1", { admin: "drain" }, scope("drain"));
    assert.deepEqual(await balancer.waitIdle("web-1", 100, scope("idle")), { sessions: 1, upgraded: 0 });
    const idle = balancer.waitIdle("web-1", 60_000, scope("idle"));
    apps[0]!.release();
    assert.deepEqual(await idle, { sessions: 0, upgraded: 0 });
    assert.equal(await slow, 200);
    const state = await stateOf(balancer, "web-1");
    assert.deepEqual([state?.admin, state?.up, state?.check], ["drain", true, "L7OK/200"]);
    const requests = state?.requests;
    for (let at = 0; at < 10; at++) assert.equal(await get(publicPort, "/"), 200);
    assert.equal((await stateOf(balancer, "web-1"))?.requests, requests, "nothing goes to a drained server");
    await balancer.set("web-1", { admin: "ready" }, scope("ready"));
    assert.equal((await stateOf(balancer, "web-1"))?.admin, "ready");
  });

  test("an upgraded connection does not end by itself, is told from a request, and can be closed", async () => {
    await allReady();
    const balancer = first();
    await balancer.set("web-2", { admin: "drain" }, scope("other"));
    const socket = await upgrade();
    const ended = once(socket, "close");
    await balancer.set("web-1", { admin: "drain" }, scope("drain"));
    assert.deepEqual(await balancer.waitIdle("web-1", 300, scope("idle")), { sessions: 1, upgraded: 1 });
    await balancer.closeSessions("web-1", scope("close"));
    assert.deepEqual(await balancer.waitIdle("web-1", 60_000, scope("idle")), { sessions: 0, upgraded: 0 });
    await ended;
  });

  test("a drained server that died is down and still drained, and is seen when it comes back", async () => {
    await allReady();
    const balancer = first();
    await balancer.set("web-1", { admin: "drain" }, scope("drain"));
    await apps[0]!.stop();
    const dead = await until(
      () => stateOf(balancer, "web-1"),
      (state) => state?.up === false,
    );
    assert.equal(dead?.admin, "drain");
    assert.match(dead?.check ?? "", /^L4CON: /);
    assert.equal(await balancer.waitUp("web-1", 200, scope("up")), false);
    const up = balancer.waitUp("web-1", 60_000, scope("up"));
    await apps[0]!.start();
    assert.equal(await up, true);
  });

  test("a weight is a part of the configured one, and one that cannot be is refused", async () => {
    await allReady();
    const balancer = first();
    await balancer.set("web-1", { weightPercent: 10 }, scope("weight"));
    assert.equal((await stateOf(balancer, "web-1"))?.weightPercent, 10);
    assert.match(await askHaproxy(proxies[0]!.socket, "get weight be/web-1"), /^10 \(initial 100\)/);
    const small = await startHaproxy({
      dir: path.join(dir, "small"),
      port: await freePort(),
      servers: [{ name: "web-1", port: apps[0]!.port, weight: 1 }],
    });
    const refused = balancerOf(endpointOf(small.socket)).set("web-1", { weightPercent: 10 }, scope("small"));
    await assert.rejects(refused, code("HAPROXY_COMMAND_FAILED", /10 % of its weight 1.*weight 100/));
    const checked = balancerOf(endpointOf(small.socket)).check?.(["web-1"], { weightPercent: 10 });
    await assert.rejects(checked!, code("HAPROXY_COMMAND_FAILED", /10 % of its weight 1.*weight 100/));
    await small.stop();
  });

  test("several load balancers are kept in step, and it shows when they are not", async () => {
    await allReady();
    const both = balancerOf(...proxies.map((one) => endpointOf(one.socket)));
    await both.set("web-1", { admin: "drain", weightPercent: 50 }, scope("both"));
    for (const proxy of proxies) {
      const state = await stateOf(balancerOf(endpointOf(proxy.socket)), "web-1");
      assert.deepEqual([state?.admin, state?.weightPercent], ["drain", 50]);
    }
    await askHaproxy(proxies[1]!.socket, "set server be/web-1 state ready");
    const [a, b] = proxies.map((one) => one.socket);
    assert.deepEqual((await stateOf(both, "web-1"))?.admins, [
      { at: a, admin: "drain" },
      { at: b, admin: "ready" },
    ]);
  });

  test("of two load balancers the one that is down is named, and the other one is still shown", async () => {
    await allReady();
    const servers = [{ name: "web-1", port: apps[0]!.port }];
    const other = await startHaproxy({ dir: path.join(dir, "down"), port: await freePort(), servers });
    const both = haproxyBalancer({
      backend: "be",
      endpoints: [endpointOf(other.socket), endpointOf(proxies[0]!.socket)],
      clock: systemClock,
    });
    assert.deepEqual((await both.look()).unread, []);
    await other.stop();
    await first().set("web-1", { admin: "drain" }, scope("look"));
    const { servers: shown, read, unread } = await both.look();
    assert.deepEqual(
      shown.map(({ name, admin }) => [name, admin]),
      [
        ["web-1", "drain"],
        ["web-2", "ready"],
      ],
    );
    assert.deepEqual(read, [proxies[0]!.socket]);
    assert.equal(unread.length, 1);
    assert.match(unread[0] ?? "", /does not answer on .*down\/admin\.sock: connect E/);
    await assert.rejects(both.read(), code("LOAD_BALANCER_UNREACHABLE"));
  });

  test("a name that only one of them knows changes nothing anywhere", async () => {
    await allReady();
    const other = await startHaproxy({
      dir: path.join(dir, "other"),
      port: await freePort(),
      servers: [{ name: "web-9", port: apps[0]!.port }],
    });
    const both = balancerOf(endpointOf(proxies[0]!.socket), endpointOf(other.socket));
    const refused = both.set("web-1", { admin: "drain" }, scope("unknown"));
    await assert.rejects(refused, code("SERVER_UNKNOWN", /other\/admin\.sock has no server web-1 .* it has: web-9/));
    assert.equal((await stateOf(first(), "web-1"))?.admin, "ready");
    assert.deepEqual(
      (await both.read()).map((one) => [one.name, one.admin]),
      [
        ["web-1", "mixed"],
        ["web-2", "mixed"],
        ["web-9", "mixed"],
      ],
    );
    await other.stop();
  });

  test("a reload forgets what was ordered; it is noticed and ordered again", async () => {
    await allReady();
    const logged: string[] = [];
    const logging = { ...scope("reload"), log: (text: string) => void logged.push(text) };
    const balancer = first();
    await balancer.set("web-1", { admin: "drain", weightPercent: 20 }, logging);
    await proxies[0]!.reload();
    assert.equal((await stateOf(first(), "web-1"))?.admin, "ready", "this is what a reload does");
    assert.deepEqual(await balancer.waitIdle("web-1", 60_000, logging), { sessions: 0, upgraded: 0 });
    const state = await stateOf(balancer, "web-1");
    assert.deepEqual([state?.admin, state?.weightPercent], ["drain", 20]);
    assert.match(logged.join(""), /was reloaded; ordered again: web-1/);
    await proxies[0]!.reload();
    await balancer.set("web-2", { weightPercent: 90 }, logging);
    assert.equal((await stateOf(balancer, "web-1"))?.admin, "drain", "also before the next order");
    assert.equal(logged.length, 2);
  });

  test("a socket that is gone is worth another try and named", async () => {
    const gone = balancerOf(endpointOf(path.join(dir, "none.sock")));
    await assert.rejects(gone.read(), code("LOAD_BALANCER_UNREACHABLE", /none\.sock: connect ENOENT/));
    await assert.rejects(gone.set("web-1", { admin: "drain" }, scope("gone")), code("LOAD_BALANCER_UNREACHABLE"));
  });

  test("a socket that may not order says what it lacks, and an unknown backend is no empty one", async () => {
    await allReady();
    const looking = balancerOf(endpointOf(proxies[0]!.lookSocket));
    assert.equal((await looking.read()).length, 2);
    await assert.rejects(
      looking.check!(["web-1"], {}),
      code(
        "HAPROXY_COMMAND_FAILED",
        /look\.sock takes no orders: the socket has `level operator`, it needs `level admin`/,
      ),
    );
    await first().check?.(["web-1", "web-2"], { weightPercent: 10 });
    const refused = looking.set("web-1", { admin: "drain" }, scope("look"));
    await assert.rejects(refused, code("HAPROXY_COMMAND_FAILED", /Permission denied.*level admin/));
    const other = haproxyBalancer({ backend: "nope", endpoints: [endpointOf(proxies[0]!.socket)], clock: systemClock });
    await assert.rejects(other.read(), code("HAPROXY_COMMAND_FAILED"));
  });

  test("over TCP the lease has to cover what is ordered", async () => {
    await allReady();
    const balancer = balancerOf(endpointOf(`tcp:127.0.0.1:${adminPort}`));
    assert.equal(balancer.target, "bounded");
    await balancer.set("web-2", { admin: "drain" }, scope("tcp"));
    assert.equal((await stateOf(first(), "web-2"))?.admin, "drain");
  });

  // One of them is enough for a host, so the others may be missing everywhere.
  for (const program of ["socat", "perl", "python3"]) {
    test(`a host without anything but ${program} can talk to the socket`, { skip: without(program) }, async () => {
      await allReady();
      const bin = path.join(dir, `bin-${program}`);
      mkdirSync(bin, { recursive: true });
      for (const tool of [program, "tr", "sh"]) symlinkSync(realProgram(tool), path.join(bin, tool));
      const script = `fail() { echo "!$1 $2"; exit 1; }\nmain() {\n${sayScript(proxies[0]!.socket, ["set server be/web-1 weight 30%", "get weight be/web-1", "show info"])}\n}\nmain`;
      const { stdout, stderr } = spawnSync("/bin/sh", ["-c", script], { env: { PATH: bin }, encoding: "utf8" });
      const answers = stdout.split("@sunny-answer\n").slice(1);
      assert.equal(answers.length, 2, `it stops at the first answer that is not empty: ${stdout}${stderr}`);
      assert.equal(answers[0]?.trim(), "");
      assert.match(answers[1] ?? "", /^30 \(initial 100\)/);
    });
  }

  test(
    "through a host an older token, and another authority, are refused there",
    { skip: without("sshd") },
    async () => {
      await allReady();
      const key = makeKey(path.join(dir, "key"));
      const port = await freePort();
      const sshd = await startSshd({ dir: path.join(dir, "sshd"), port, authorizedKeys: [key.public] });
      const knownHostsFile = path.join(dir, "known");
      writeFileSync(knownHostsFile, sshd.knownHosts());
      const target = { address: "127.0.0.1", port, user: sshd.user, knownHostsFile, identityFile: key.path };
      const transport = sshTransport({ clock: systemClock, target: () => target });
      const root = path.join(dir, "lb root");
      mkdirSync(root);
      const throughHost = (authority: string): LoadBalancer => {
        const host = hostCommands({ host: "lb-1", root, transport, authority });
        return balancerOf(hostEndpoint("ssh:lb-1:/admin", proxies[0]!.socket, host));
      };
      const ours = throughHost("authority-1");
      assert.equal(ours.target, "fenced");
      await ours.set("web-1", { admin: "drain" }, scopeOf(7, "a"));
      assert.equal((await stateOf(ours, "web-1"))?.admin, "drain");
      assert.deepEqual(await ours.waitIdle("web-1", 60_000, scopeOf(7, "a")), { sessions: 0, upgraded: 0 });
      await assert.rejects(
        ours.set("web-1", { admin: "ready" }, scopeOf(6, "b")),
        code("LOAD_BALANCER_FENCED", /seen token 7/),
      );
      const others = throughHost("authority-2").set("web-1", { admin: "ready" }, scopeOf(9, "c"));
      await assert.rejects(others, code("LOAD_BALANCER_FENCED", /belongs to authority authority-1/));
      assert.equal((await stateOf(ours, "web-1"))?.admin, "drain", "and nothing was changed");
      await transport.close();
      await sshd.stop();
      await assert.rejects(
        throughHost("authority-1").read(),
        code("LOAD_BALANCER_UNREACHABLE", /ssh:lb-1:\/admin: lb-1: /),
      );
    },
  );

  test("through a host a socket that is gone is told from a host that is gone", async () => {
    const host = hostCommands({
      host: "lb-1",
      root: path.join(dir, "lb root 2"),
      transport: localTransport(systemClock),
      authority: "a",
    });
    mkdirSync(path.join(dir, "lb root 2"));
    const balancer = balancerOf(hostEndpoint("ssh:lb-1:/gone", path.join(dir, "gone.sock"), host));
    await assert.rejects(balancer.read(), code("LOAD_BALANCER_UNREACHABLE", /gone\.sock: .*(No such file|not found)/i));
  });

  test("servers are replaced one by one under load without a failed or repeated request", async () => {
    await allReady();
    const balancer = first();
    const load = startLoad(publicPort, 16);
    for (const round of [1, 2]) {
      for (const [at, app] of apps.entries()) {
        const name = `web-${at + 1}`;
        const key = (part: string): StepScope => scope(`${round}/${name}/${part}`);
        await balancer.set(name, { admin: "drain" }, key("drain"));
        assert.equal((await balancer.waitIdle(name, 60_000, key("idle"))).sessions, 0);
        await app.stop();
        await until(
          () => stateOf(balancer, name),
          (state) => state?.up === false,
        );
        await app.start();
        assert.equal(await balancer.waitUp(name, 60_000, key("up")), true);
        await balancer.set(name, { admin: "ready" }, key("ready"));
      }
    }
    const { done, failed } = await load.stop();
    assert.ok(done > 200, `${done} requests`);
    assert.deepEqual(failed, []);
  });
});

/** Version managers put a shell script in the place of python. */
function realProgram(name: string): string {
  const found = findProgram(name)!;
  if (name !== "python3") return found;
  return execFileSync(found, ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
}
