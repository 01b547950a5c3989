/**
 * A rolling deployment under traffic: the sample system on hosts behind SSH servers and HAProxy, open-loop customers at
 * half of what it can carry, half of their requests POSTs on kept connections, some that take 30 s, one websocket. Sunny
 * beside a restart of one host after the other and beside a script that drains; steady stretches and deployments
 * alternate, so that whatever else the machine does hits both. SUNNY_BENCH_REQUESTS takes fewer requests for a look, SUNNY_BENCH_PEERS names
 * the peers.
 */
import { existsSync, mkdtempSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { sleep, systemClock } from "../../src/clock.ts";
import { startRemoteSystem, type RemoteSystem } from "../../test/support/remote/remote-system.ts";
import { undoAtEnd } from "../endings.ts";
import type { RunBench } from "../shape.ts";
import { startLoad, type Load } from "./load.ts";
import { resultOf } from "./result.ts";
import { drainScript, restartScript, sunny, type Tool } from "./tools.ts";

const REQUESTS = 500_000;
const MEMORY_DIR = "/dev/shm";
const RELEASES = ["2.1.0", "2.1.1"] as const;
/** Enough for the bar within the time; a machine that carries more than twice as much is not asked for it. */
const MAX_RATE = 1_200;
const CONNECTIONS = 64;
const SLOW_SECONDS = 30;
const SLOW_EVERY_SECONDS = 7;
const WARM_MS = 8_000;
const CAPACITY_MS = 8_000;
const STEADY_MS = 20_000;
/** When Sunny's part has to be over, so that the peers' fits into fifteen minutes as well. */
const OURS_MS = 480_000;

export const run: RunBench = async ({ log }) => {
  const wanted = Number(process.env["SUNNY_BENCH_REQUESTS"] ?? REQUESTS);
  const system = await start();
  const stop = undoAtEnd(() => system.stop());
  try {
    const load = await startLoad({
      port: system.port,
      ledgerFile: system.environment.ledgerFile,
      connections: CONNECTIONS,
      slowEverySeconds: SLOW_EVERY_SECONDS,
      slowSeconds: SLOW_SECONDS,
      websockets: 1,
      seed: 1,
    });
    const capacity = await capacityOf(load);
    const rate = Math.min(MAX_RATE, Math.floor(capacity / 2));
    log(`the system carries ${Math.round(capacity)} requests/s; it gets ${rate}`);
    const deployments = await measure(system, load, rate, wanted, log);
    const customers = await load.stop();
    const books = system.reconcile();
    return resultOf({ capacity, rate, wanted, deployments, customers, books });
  } finally {
    await stop();
  }
};

function start(): Promise<RemoteSystem> {
  return startRemoteSystem({
    releases: RELEASES.map((version) => ({ variant: "good", version })),
    hosts: 3,
    checkMs: 500,
    // Commits that wait for a disk would be what is measured, and the disk is shared with whatever else runs here.
    ...(existsSync(MEMORY_DIR) ? { directory: mkdtempSync(path.join(MEMORY_DIR, "sunny-traffic-")) } : {}),
    serviceEnv: ["LOG_LEVEL=warn"],
    config: (config) => ({
      ...config,
      rollout: {
        ...config.rollout,
        canaryPercent: 20,
        canaryBakeMs: 5_000,
        finalBakeMs: 3_000,
        minRequests: 100,
        drainTimeoutMs: (SLOW_SECONDS + 10) * 1_000,
        websocketGraceMs: 5_000,
        healthTimeoutMs: 20_000,
      },
      monitoring: { ...config.monitoring, intervalMs: 1_000 },
    }),
  });
}

/** Answers a second while every connection always has a request under way. */
async function capacityOf(load: Load): Promise<number> {
  load.begin("warm", { inFlight: CONNECTIONS });
  await sleep(systemClock, WARM_MS);
  load.begin("capacity", { inFlight: CONNECTIONS });
  await sleep(systemClock, CAPACITY_MS);
  return ((await load.answered()) * 1_000) / CAPACITY_MS;
}

async function measure(
  system: RemoteSystem,
  load: Load,
  rate: number,
  wanted: number,
  log: (line: string) => void,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  let turn = 0;
  const once = async (tool: Tool): Promise<void> => {
    load.begin(`${tool.name}/steady`, { rate });
    await sleep(systemClock, STEADY_MS);
    load.begin(`${tool.name}/deployment`, { rate });
    const began = systemClock.monotonic();
    await tool.deploy(RELEASES[turn++ % 2] ?? RELEASES[0]);
    counts[tool.name] = (counts[tool.name] ?? 0) + 1;
    log(`${tool.name}: deployed in ${Math.round((systemClock.monotonic() - began) / 1000)} s`);
  };
  const began = systemClock.monotonic();
  const ours = sunny(system);
  const elapsed = (): number => systemClock.monotonic() - began;
  do await once(ours);
  while (turn < RELEASES.length || ((elapsed() / 1_000) * rate < wanted && elapsed() < OURS_MS));
  // The last steady stretch is no shorter than the others: what begins under one tool ends under it.
  load.begin("sunny/steady", { rate });
  await sleep(systemClock, STEADY_MS);
  const only = process.env["SUNNY_BENCH_PEERS"]?.split(",");
  const peers = [restartScript(system), drainScript(system)];
  for (const tool of peers.filter(({ name }) => only?.includes(name) ?? true)) await once(tool);
  return counts;
}
