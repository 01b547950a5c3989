import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Agent } from "node:https";
import { request } from "node:https";
import { mkdirSync } from "node:fs";
import { startProxy, stopProxy } from "../../src/adapters/proxy/lifecycle.ts";
import { proxyBalancer, proxyStats } from "../../src/adapters/proxy/proxy-balancer.ts";
import { systemClock } from "../../src/clock.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { journalOn } from "../../src/engine/journal.ts";
import { MemoryDisk } from "../../src/engine/memory-storage.ts";
import type { WorkflowDef } from "../../src/engine/context.ts";
import type { OperationCall, OperationReport } from "../../src/operation.ts";
import { rolloutOperations } from "../../src/operations/rollout/operations.ts";
import { systemSchema } from "../../src/system/schema.ts";
import { localWorld, until } from "./local-hosts.support.ts";
import type { World } from "./local-hosts.support.ts";
import { writeCertificate } from "./proxy.support.ts";

/** Clients that keep their connections and count what fails; half of the requests are POST. */
function startLoad(
  port: number,
  clients: number,
): { stop(): Promise<{ requests: number; failed: string[]; versions: Set<string> }> } {
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false, maxSockets: clients });
  const failed: string[] = [];
  const versions = new Set<string>();
  let requests = 0;
  const stop = new AbortController();
  const once = (method: string): Promise<void> =>
    new Promise((resolve) => {
      requests++;
      const call = request(
        { host: "127.0.0.1", port, path: "/slow?2", method, agent, rejectUnauthorized: false },
        (response) => {
          let body = "";
          response.on("data", (chunk: Buffer) => (body += chunk.toString()));
          response.once("error", (error) => (failed.push(error.message), resolve()));
          response.once("end", () => {
            if (response.statusCode === 200) versions.add((JSON.parse(body) as { version: string }).version);
            else failed.push(`${response.statusCode} ${body}`);
            resolve();
          });
        },
      );
      call.once("error", (error) => (failed.push(error.message), resolve()));
      call.end(method === "POST" ? "amount=1" : undefined);
    });
  const loop = async (index: number): Promise<void> => {
    for (let i = index; !stop.signal.aborted; i++) await once(i % 2 === 0 ? "POST" : "GET");
  };
  const loops = Array.from({ length: clients }, (_, index) => loop(index));
  return {
    async stop() {
      stop.abort();
      await Promise.all(loops);
      agent.destroy();
      return { requests, failed, versions };
    },
  };
}

describe("rollout of real services behind the real proxy", () => {
  let hosts: World;
  let socket: string;
  let port: number;
  let runs = 0;
  const names = ["web-1", "web-2", "web-3", "web-4"];

  before(async () => {
    hosts = await localWorld(names, ["1.0.0", "1.1.0", "1.2.0"]);
    mkdirSync(join(hosts.dir, "tls"));
    const { certFile, keyFile } = await writeCertificate(join(hosts.dir, "tls"), "localhost");
    socket = join(hosts.dir, "p.sock");
    const started = await startProxy(
      {
        listen: { port: 0 },
        certFile,
        keyFile,
        socket,
        stateFile: join(hosts.dir, "p.state"),
        logFile: join(hosts.dir, "p.log"),
        servers: hosts.system.hosts.map(({ name, port }) => ({ name, port })),
        health: { intervalMs: 100, timeoutMs: 10_000 },
      },
      systemClock,
    );
    port = started.port;
  });
  after(async () => {
    await stopProxy(socket, systemClock);
    await hosts.close();
  });

  async function run(name: string, args: unknown, call: Partial<OperationCall<unknown>>): Promise<OperationReport> {
    const system = systemSchema.parse({
      ...hosts.system,
      loadBalancer: { kind: "embedded", socket },
      rollout: {
        canaryBakeMs: 400,
        finalBakeMs: 200,
        drainTimeoutMs: 60_000,
        healthTimeoutMs: 60_000,
        websocketGraceMs: 500,
      },
    });
    const operations = rolloutOperations({
      authority: "authority-1",
      fleet: hosts.fleet,
      loadBalancer: proxyBalancer(socket, "authority-1"),
      releases: { find: async (wanted) => hosts.releases.filter((one) => one.id === wanted || one.version === wanted) },
      watch: { setArms: async () => {}, verdict: async () => ({ state: "healthy", reasons: [] }) },
      publicEndpoint: { probe: async () => [] },
      schema: { missing: async () => [] },
      clock: systemClock,
    });
    const operation = operations.find((one) => one.name === name)!;
    const full: OperationCall<unknown> = {
      args: operation.args.parse(args),
      facts: null,
      system,
      release: null,
      previous: null,
      stepName: name,
      actor: "operator",
      mode: "by-hand",
      earlier: {},
      ...call,
    };
    const def: WorkflowDef<null, OperationReport> = {
      name,
      version: 1,
      async run(ctx) {
        await ctx.occupy("test");
        return operation.run(ctx, full);
      },
    };
    const id = `run-${++runs}`;
    engine.start(def, { id, input: null, actor: "operator", environment: "test" });
    const result = await engine.execute(id, [def] as never);
    if (result.state !== "done") throw new Error(JSON.stringify(result));
    return result.output as unknown as OperationReport;
  }
  const engine = createEngine({
    journal: journalOn(new MemoryDisk("authority-1").connect(), { clock: systemClock }),
    clock: systemClock,
  });

  test("deploys, restarts and rolls back under load without one failed request", async () => {
    const [first, second, third] = hosts.releases;
    const begin = await run("deploy-production", {}, { release: first!, previous: null });
    assert.equal(begin.summary, "4 hosts serve 1.0.0");
    const load = startLoad(port, 12);
    await run("deploy-production", {}, { release: second!, previous: first! });
    await run("restart-service", { _: ["api"] }, {});
    await run("deploy-production", { version: "1.2.0" }, { previous: second! });
    const back = await run("rollback", { version: "1.1.0" }, { previous: third! });
    assert.equal(back.summary, "4 hosts serve 1.1.0, 4 went back");
    await run("verify-rollback", {}, { earlier: { rollback: back } });
    const { requests, failed, versions } = await load.stop();
    assert.deepEqual(failed, []);
    assert.ok(requests > 1_000, `${requests} requests`);
    assert.deepEqual([...versions].toSorted(), ["1.0.0", "1.1.0", "1.2.0"]);
    const stats = await proxyStats(socket);
    assert.deepEqual(
      stats.servers.map(({ failures }) => failures),
      [0, 0, 0, 0],
    );
  });

  test("names the host and its service's last words when a release crashes, and goes back from there", async () => {
    for (const name of names) hosts.setEnv(name, ["CRASH_AT=1.2.0"]);
    const failing = run("deploy-production", { version: "1.2.0" }, { previous: hosts.releases[1]! });
    await assert.rejects(
      failing,
      /HEALTH_CHECK_FAILED.*web-1: the service does not run.*cannot open the ledger: it is broken/,
    );
    const half = await hosts.fleet.read("web-1");
    assert.deepEqual([half.active?.version, half.service, half.pending !== null], ["1.2.0", "stopped", true]);
    const back = await run("rollback", { version: "1.1.0" }, {});
    assert.equal(back.summary, "4 hosts serve 1.1.0, 1 went back");
    const state = await until(
      () => hosts.fleet.read("web-1"),
      (seen) => seen.pending === null,
    );
    assert.deepEqual([state.active?.version, state.service], ["1.1.0", "running"]);
    const servers = await proxyBalancer(socket, "authority-1").read();
    assert.ok(servers.every((server) => server.admin === "ready" && server.weightPercent === 100 && server.up));
  });
});
