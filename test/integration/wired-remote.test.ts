/** A system of remote hosts, as the composition root connects it: scripts over SSH, HAProxy through a host. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { serviceAdmin } from "../../src/adapters/http/service-admin.ts";
import { systemClock } from "../../src/clock.ts";
import { silentNotifier } from "../../src/notify/notifier.ts";
import type { System } from "../../src/system/schema.ts";
import { connect, type Connected } from "../../src/wiring/connect.ts";
import { adminCallOf, inspectorOf } from "../../src/wiring/remote-look.ts";
import { transportsOf } from "../../src/wiring/transports.ts";
import { WatchHost } from "../../src/wiring/watch-host.ts";
import { generateKey } from "../../src/audit/note.ts";
import { without } from "../support/programs.ts";
import { scopeOf } from "./local-hosts.support.ts";
import { psCount, sshWorld, type SshWorld } from "./ssh.support.ts";

describe("a system of remote hosts", { skip: without("sshd", "ssh", "ssh-keygen") }, () => {
  let world: SshWorld;
  let system: System;
  const open: { readonly connected: Connected; readonly watch: WatchHost }[] = [];
  const connected = async (authority: string): Promise<Connected> => {
    const needs = { clock: systemClock };
    const watch = new WatchHost(path.join(world.dir, `watch-${authority}.db`), needs);
    const made = connect(system, {
      clock: systemClock,
      authority,
      watch: () => Promise.resolve(watch),
      needs,
      notifier: silentNotifier,
      configFile: "",
    });
    open.push({ connected: made, watch });
    return made;
  };
  const socket = (): string => path.join(world.dir, "admin.sock");
  before(async () => {
    world = await sshWorld(["web-1", "lb-1"]);
    const [web, carrier] = world.system.hosts;
    assert.ok(web !== undefined && carrier !== undefined);
    const { name, connection, root } = carrier;
    system = {
      ...world.system,
      stateDir: path.join(world.dir, "state"),
      ssh: { controlPersistMs: 0 },
      releases: { ...world.system.releases, trustedKeys: [generateKey("releases").verifier] },
      hosts: [web],
      loadBalancer: {
        kind: "haproxy",
        backend: "be",
        sockets: [`ssh:lb-1:${socket()}`],
        hosts: [{ name, connection, root }],
      },
    };
  });
  after(async () => {
    for (const { connected: one, watch } of open) {
      await one.close();
      watch.close();
    }
    assert.equal(psCount(world.keyFile), 0, "no connection is left open");
    await world.close();
  });

  test("is read over SSH, and a load balancer that does not answer there is told from a host that does not", async () => {
    const { fleet, loadBalancer } = await connected("authority-1");
    assert.equal((await fleet.read("web-1")).active, null);
    assert.equal(loadBalancer.target, "fenced");
    await assert.rejects(loadBalancer.read(), { code: "LOAD_BALANCER_UNREACHABLE", message: /admin\.sock/ });
    const { servers, read, unread } = await loadBalancer.look!();
    assert.deepEqual([servers, read, unread.length], [[], [], 1]);
    assert.match(unread[0] ?? "", /^ssh:lb-1:.*admin\.sock/);
  });

  test("the service's own socket is asked through the host, and what changes something under its fence", async (t) => {
    const root = world.root("web-1");
    const run = path.join(root, "shared", "run");
    mkdirSync(run, { recursive: true });
    const asked: string[] = [];
    const pool = { open: 2, inUse: 1, idle: 1, waiting: 0, max: 8 };
    const service = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      if (request.url === "/memory") response.writeHead(503).end("busy");
      else response.end(JSON.stringify({ ...pool, closed: 2, naïve: "ü" }));
    });
    await new Promise<void>((resolve) => void service.listen(path.join(run, "admin.sock"), resolve));
    t.after(() => service.close());
    const transports = transportsOf(system, systemClock);
    t.after(() => transports.close());
    const admin = serviceAdmin(system.hosts, adminCallOf(transports, "authority-1", systemClock));
    assert.deepEqual(await admin.connections("web-1"), pool);
    assert.equal((await admin.resetConnections("web-1", scopeOf(3, "a"))).closed, 2);
    await assert.rejects(admin.resetConnections("web-1", scopeOf(2, "b")), { code: "HOST_FENCED" });
    assert.deepEqual(asked, ["GET /connections", "POST /db/reset"]);
    await assert.rejects(admin.memory("web-1"), { code: "SERVICE_ADMIN_UNREACHABLE", message: /status 503: busy/ });
    await new Promise((resolve) => void service.close(resolve));
    await assert.rejects(admin.memory("web-1"), {
      code: "SERVICE_ADMIN_UNREACHABLE",
      message: /^The service on web-1 does not answer GET \/memory at .*admin\.sock: .*No such file or directory/,
    });
  });

  test("files, sockets and logs of a host are looked at there", async (t) => {
    const root = world.root("web-1");
    const transports = transportsOf(system, systemClock);
    t.after(() => transports.close());
    const inspector = inspectorOf(transports, "authority-1");
    const secret = path.join(root, "shared", "it's secret.env");
    writeFileSync(secret, "KEY=1\n", { mode: 0o640 });
    chmodSync(secret, 0o640);
    mkdirSync(path.join(root, "shared", "log"), { recursive: true });
    writeFileSync(path.join(root, "shared", "log", "service.log"), "first\nlast line ü\n");
    const missing = path.join(root, "nothing");
    assert.deepEqual(await inspector.files("web-1", [secret, missing]), [
      { path: secret, kind: "file", mode: 0o640 },
      { path: missing, kind: "missing", mode: 0 },
    ]);
    const server = createServer();
    const socketFile = path.join(root, "shared", "own.sock");
    await new Promise<void>((resolve) => void server.listen(socketFile, resolve));
    t.after(() => server.close());
    const sockets = await inspector.sockets("web-1", root);
    assert.deepEqual(
      sockets.filter((one) => one.path === socketFile).map((one) => one.kind),
      ["socket"],
    );
    const tails = await inspector.logTails("web-1", path.join(root, "shared", "log"), 13);
    assert.deepEqual(tails, { [path.join(root, "shared", "log", "service.log")]: "last line ü\n" });
    assert.equal(await inspector.listeners("web-1", 1), null);
  });

  test("hosts and the hosts of load balancers are taken over from another authority", async () => {
    const before = await connected("authority-1");
    await before.fleet.raiseFence("web-1", scopeOf(5, "a"));
    const transports = transportsOf(system, systemClock);
    await transports.commands("lb-1", "authority-1").change("echo", scopeOf(5, "b"));
    await transports.close();
    const later = await connected("authority-2");
    await assert.rejects(later.fleet.raiseFence("web-1", scopeOf(9, "c")), { code: "HOST_FENCED" });
    assert.deepEqual(await later.fleet.adopt("web-1", scopeOf(1, "d")), { from: "authority-1" });
    await later.fleet.raiseFence("web-1", scopeOf(1, "e"));
    assert.deepEqual(await later.loadBalancer.adopt?.(scopeOf(1, "f")), { from: "authority-1" });
  });
});
