import assert from "node:assert/strict";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { ensureProxy, startProxy, stopProxy } from "../../src/adapters/proxy/lifecycle.ts";
import {
  adoptProxy,
  proxyBalancer,
  proxyStats,
  reloadProxyCertificate,
} from "../../src/adapters/proxy/proxy-balancer.ts";
import { systemClock } from "../../src/clock.ts";
import type { LoadBalancer } from "../../src/operations/rollout/ports.ts";
import { scopeOf, until } from "./local-hosts.support.ts";
import { onSocket, proxyWorld, writeCertificate } from "./proxy.support.ts";
import type { ProxyWorld } from "./proxy.support.ts";

describe("embedded proxy", () => {
  let world: ProxyWorld;
  let balancer: LoadBalancer;
  let step = 0;
  /** Requests that a service holds back until it is told to answer. */
  const held: (() => void)[] = [];
  const seen: string[] = [];
  const scope = () => scopeOf(1, `step-${step++}`);
  const codeOf = (wanted: string) => (error: unknown) => {
    assert.equal((error as { code?: string }).code, wanted, String(error));
    return true;
  };

  before(async () => {
    world = await proxyWorld(["a", "b", "c", "d"], (request, response, name) => {
      seen.push(`${name} ${request.method} ${request.url}`);
      if (request.url === "/cut") return void request.socket.destroy();
      response.setHeader("x-app-version", "2.0.0");
      if (request.url === "/own") response.setHeader("strict-transport-security", "max-age=60");
      response.setHeader("set-cookie", ["a=1", "b=2"]);
      if (request.url === "/hold") return void held.push(() => response.end(name));
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => response.end(JSON.stringify({ name, body, headers: request.headers })));
    });
    for (const [name, server] of world.upstreams) {
      server.on("upgrade", (_request, socket) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
        socket.on("data", (data: Buffer) => socket.write(`${name}:${data.toString()}`));
        socket.on("error", () => {});
      });
    }
    balancer = proxyBalancer(world.socket, "authority-1");
  });
  after(() => world.close());

  async function restore(): Promise<void> {
    for (const name of world.upstreams.keys())
      await balancer.set(name, { admin: "ready", weightPercent: 100 }, scope());
    await until(
      () => balancer.read(),
      (servers) => servers.every((server) => server.up),
    );
  }

  test("passes requests and answers on, with who served them and from where they came", async () => {
    await restore();
    const answer = await world.get("/pay?x=1", {
      method: "POST",
      body: "amount=5",
      headers: { "x-forwarded-for": "6.6.6.6" },
    });
    assert.equal(answer.status, 200);
    const echo = JSON.parse(answer.body) as { name: string; body: string; headers: Record<string, string> };
    assert.deepEqual(
      [echo.body, echo.headers["x-forwarded-for"], echo.headers["x-forwarded-proto"]],
      ["amount=5", "127.0.0.1", "https"],
    );
    assert.deepEqual([answer.headers["x-served-by"], answer.headers["x-app-version"]], [echo.name, "2.0.0"]);
    assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(statSync(world.socket).mode & 0o777, 0o600);
  });

  test("shares requests by weight, spread out", async () => {
    await restore();
    await balancer.set("a", { weightPercent: 33 }, scope());
    await balancer.set("d", { weightPercent: 0 }, scope());
    const served: string[] = [];
    for (let i = 0; i < 70; i++) served.push(String((await world.get("/")).headers["x-served-by"]));
    const count = (name: string): number => served.filter((one) => one === name).length;
    assert.ok(Math.abs(count("a") - 10) <= 1, `a served ${count("a")} of 70`);
    assert.equal(count("d"), 0);
    assert.ok(!served.join("").includes("aa"));
  });

  test("drains: requests in flight finish, new ones go elsewhere, waiting ends when nothing is left", async () => {
    await restore();
    for (const other of ["b", "c", "d"]) await balancer.set(other, { admin: "maint" }, scope());
    const slow = world.get("/hold");
    await until(
      async () => held.length,
      (count) => count === 1,
    );
    await restore();
    await balancer.set("a", { admin: "drain" }, scope());
    assert.deepEqual(await balancer.waitIdle("a", 50, scope()), { sessions: 1, upgraded: 0 });
    for (let i = 0; i < 8; i++) assert.notEqual((await world.get("/")).headers["x-served-by"], "a");
    const idle = balancer.waitIdle("a", 60_000, scope());
    held.pop()?.();
    assert.deepEqual(await idle, { sessions: 0, upgraded: 0 });
    assert.deepEqual([(await slow).status, (await slow).body], [200, "a"]);
  });

  test("tries another server when no connection came about, and never repeats a request that may have arrived", async () => {
    await restore();
    const gone = world.upstreams.get("b")!;
    const { port } = gone.address() as AddressInfo;
    for (const other of ["c", "d"]) await balancer.set(other, { admin: "drain" }, scope());
    gone.closeAllConnections();
    await new Promise<void>((resolve) => gone.close(() => resolve()));
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => world.get("/pay", { method: "POST", body: "x" })),
    );
    assert.deepEqual(
      [...new Set(answers.map((answer) => `${answer.status} ${String(answer.headers["x-served-by"])}`))],
      ["200 a"],
    );
    await until(
      () => balancer.read(),
      (servers) => servers.find((one) => one.name === "b")?.up === false,
    );
    const before = seen.length;
    const cut = await world.get("/cut", { method: "POST", body: "x" });
    assert.deepEqual([cut.status, cut.headers["x-served-by"]], [502, "proxy; a"]);
    assert.equal(seen.length, before + 1);
    await balancer.set("a", { admin: "maint" }, scope());
    const none = await world.get("/");
    assert.deepEqual([none.status, none.headers["retry-after"]], [503, "1"]);
    gone.listen(port, "127.0.0.1");
    assert.equal(await balancer.waitUp("b", 60_000, scope()), true);
    await restore();
  });

  test("carries WebSockets through, counts them, and closes them on demand", async () => {
    await restore();
    for (const other of ["b", "c", "d"]) await balancer.set(other, { admin: "drain" }, scope());
    const socket = connect({ port: world.started.port, host: "127.0.0.1", rejectUnauthorized: false });
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (text += chunk));
    socket.write("GET /live HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n");
    await until(
      async () => text,
      (seen) => seen.includes("101 Switching"),
    );
    socket.write("hello");
    await until(
      async () => text,
      (seen) => seen.endsWith("a:hello"),
    );
    await restore();
    await balancer.set("a", { admin: "drain" }, scope());
    assert.deepEqual(await balancer.waitIdle("a", 20, scope()), { sessions: 1, upgraded: 1 });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await balancer.closeSessions("a", scope());
    await closed;
    assert.deepEqual(await balancer.waitIdle("a", 60_000, scope()), { sessions: 0, upgraded: 0 });
    await restore();
  });

  test("serves a new certificate to new connections, keeps open ones, and keeps the old one when the new is broken", async () => {
    const agent = new Agent({ keepAlive: true, rejectUnauthorized: false, maxSockets: 1 });
    const first = await world.get("/", { agent });
    await writeCertificate(world.dir, "second");
    const loaded = await reloadProxyCertificate(world.socket, { authority: "authority-1", scope: scope() });
    const fresh = new Agent({ rejectUnauthorized: false, maxCachedSessions: 0 });
    assert.equal((await world.get("/", { agent: fresh })).fingerprint, loaded.fingerprint);
    assert.notEqual(first.fingerprint, loaded.fingerprint);
    assert.equal((await world.get("/", { agent })).status, 200);
    writeFileSync(world.config.keyFile, "no key");
    await assert.rejects(reloadProxyCertificate(world.socket), codeOf("PROXY_CERTIFICATE_INVALID"));
    assert.equal((await world.get("/", { agent: fresh })).fingerprint, loaded.fingerprint);
    await writeCertificate(world.dir, "third");
    agent.destroy();
  });

  test("refuses older tokens, older attempts, other authorities and unknown servers", async () => {
    await balancer.set("a", { weightPercent: 100 }, scopeOf(3, "x", 2));
    await assert.rejects(balancer.set("a", { weightPercent: 1 }, scopeOf(2, "y")), codeOf("LOAD_BALANCER_FENCED"));
    await assert.rejects(balancer.set("a", { weightPercent: 1 }, scopeOf(3, "x", 1)), codeOf("LOAD_BALANCER_FENCED"));
    const other = proxyBalancer(world.socket, "authority-2");
    await assert.rejects(other.set("a", { weightPercent: 1 }, scopeOf(9, "z")), codeOf("LOAD_BALANCER_FENCED"));
    await assert.rejects(balancer.set("nobody", { weightPercent: 1 }, scopeOf(3, "n")), codeOf("SERVER_UNKNOWN"));
    assert.equal(await onSocket(world.socket, "/servers/a/set", { weightPercent: 1 }), 400, "an order without a fence");
    assert.equal((await proxyStats(world.socket)).servers[0]?.weightPercent, 100);
    assert.deepEqual(await adoptProxy(world.socket, "authority-2", scopeOf(1, "adopt")), { from: "authority-1" });
    await assert.rejects(balancer.set("a", { weightPercent: 1 }, scopeOf(9, "z")), codeOf("LOAD_BALANCER_FENCED"));
    await adoptProxy(world.socket, "authority-1", scopeOf(1, "back"));
  });

  test("knows after a restart what was ordered, and runs once per socket", async () => {
    await restore();
    await balancer.set("c", { admin: "drain", weightPercent: 40 }, scope());
    const again = await ensureProxy(world.config, systemClock);
    assert.equal(again.pid, world.started.pid);
    await assert.rejects(startProxy(world.config, systemClock), codeOf("PROXY_START_FAILED"));
    assert.equal(await stopProxy(world.socket, systemClock), true);
    assert.equal(await stopProxy(world.socket, systemClock), false);
    await assert.rejects(balancer.read(), codeOf("LOAD_BALANCER_UNREACHABLE"));
    world.started = await startProxy(world.config, systemClock);
    const server = (await balancer.read()).find((one) => one.name === "c");
    assert.deepEqual([server?.admin, server?.weightPercent, server?.up], ["drain", 40, true]);
    const stats = await proxyStats(world.socket);
    assert.equal(stats.fence?.authority, "authority-1");
    await restore();
  });

  test("says so when its port is taken or its certificate cannot be read", async () => {
    const other = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as AddressInfo;
    const config = {
      ...world.config,
      socket: `${world.socket}2`,
      stateFile: `${world.socket}2.state`,
      listen: { port },
    };
    await assert.rejects(startProxy(config, systemClock), codeOf("PROXY_PORT_TAKEN"));
    other.close();
    const unreadable = { ...config, listen: { port: 0 }, certFile: "/nowhere" };
    await assert.rejects(startProxy(unreadable, systemClock), codeOf("PROXY_CERTIFICATE_INVALID"));
    await assert.rejects(startProxy({ ...config, servers: [] }, systemClock), codeOf("PROXY_CONFIG_INVALID"));
  });

  test("answers for what is denied itself, and says what services forget to say about security", async () => {
    await restore();
    const own = await world.get("/own");
    assert.equal(own.headers["strict-transport-security"], "max-age=60");
    assert.equal(own.headers["x-content-type-options"], "nosniff");
    const plain = await world.get("/plain");
    assert.equal(plain.headers["strict-transport-security"], "max-age=31536000");
    seen.length = 0;
    for (const path of ["/metrics", "/metrics/process?x=1", "//metrics", "/%6detrics"]) {
      const answer = await world.get(path);
      assert.deepEqual([answer.status, answer.headers["x-served-by"]], [404, "proxy"], path);
      assert.equal(answer.headers["x-content-type-options"], "nosniff");
    }
    const posted = await world.get("/metrics", { method: "POST", body: "x".repeat(100_000) });
    assert.equal(posted.status, 404);
    const socket = connectTls(world.started.port);
    socket.write("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 404 /);
    socket.destroy();
    assert.deepEqual(seen, []);
  });

  test("gives a client that goes away no ghost session", async () => {
    await restore();
    const socket = connectTls(world.started.port);
    socket.write("GET /hold HTTP/1.1\r\nhost: x\r\n\r\n");
    await until(
      async () => held.length,
      (count) => count > 0,
    );
    socket.destroy();
    await until(
      () => balancer.read(),
      (servers) => servers.every((server) => server.sessions === 0),
    );
    held.length = 0;
  });
});

function connectTls(port: number) {
  return connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
}
