import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { proxyBalancer, proxyStats } from "../../../src/adapters/proxy/proxy-balancer.ts";
import { systemClock } from "../../../src/clock.ts";
import { systemSchema } from "../../../src/system/schema.ts";
import { startLoad } from "../load/process.ts";
import { reconcile } from "../load/reconcile.ts";
import { testDirectory } from "../testing/service.ts";
import { demoConfig } from "./config.ts";
import { initialScope } from "./database.ts";
import { API_HOST, createEnvironment } from "./environment.ts";
import { fleetOf, startSystem, stopSystem } from "./system.ts";

test("under load through the proxy a host is drained, restarted and put back without a failed request; all ends", async (t) => {
  const clock = systemClock;
  const directory = await testDirectory(t);
  const environment = await createEnvironment({ clock, directory, releases: [], hostCount: 2 });
  const system = systemSchema.parse(demoConfig(environment, { runbook: path.join(directory, "RUNBOOK.md") }));
  const options = { clock, system, authority: "authority-1" };
  t.after(() => stopSystem(environment, clock));
  const { port } = await startSystem(environment, options);
  assert.equal(port, environment.proxy.port);

  const load = await startLoad({
    url: `https://${API_HOST}`,
    connect: `127.0.0.1:${port}`,
    caFile: environment.certificates.caCertFile,
    ledgerFile: environment.ledgerFile,
    slowEverySeconds: 0.5,
    slowSeconds: 1,
    websockets: 1,
  });
  const fleet = fleetOf(environment, options);
  const balancer = proxyBalancer(environment.proxy.socket, options.authority);
  for (const { name } of environment.hosts) {
    const scope = initialScope(`restart-${name}`);
    await balancer.set(name, { admin: "drain" }, scope);
    // The WebSocket does not end by itself; requests do, and are not cut.
    let left = await balancer.waitIdle(name, 1_000, scope);
    while (left.sessions > left.upgraded) left = await balancer.waitIdle(name, 1_000, scope);
    await balancer.closeSessions(name, scope);
    await fleet.restart(name, scope);
    assert.ok(await balancer.waitUp(name, 60_000, scope));
    await balancer.set(name, { admin: "ready" }, scope);
  }
  const summary = await load.stop();
  assert.deepEqual([summary.failed, summary.notSent], [0, 0], JSON.stringify(summary.failures));
  assert.ok((summary.byVersion["2.0.0"]?.requests ?? 0) > 300);
  assert.ok(summary.websockets.echoes > 0);
  const compared = reconcile(environment.ledgerFile, environment.database.file);
  assert.deepEqual([compared.lost, compared.doubled], [0, 0]);
  assert.ok(compared.acknowledged > 100);

  const { pid: proxyPid } = await proxyStats(environment.proxy.socket);
  const pids = await Promise.all(environment.hosts.map(async ({ name }) => (await fleet.read(name)).pid));
  await stopSystem(environment, clock);
  for (const pid of [proxyPid, ...pids]) assert.throws(() => process.kill(pid ?? 0, 0), { code: "ESRCH" });
  await stopSystem(environment, clock);
});
