/** A Prometheus server of a test's own (Debian: `apt install prometheus`). */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { sleep, systemClock } from "../../src/clock.ts";
import { needProgram } from "./programs.ts";

export interface PrometheusServer {
  readonly url: string;
  stop(): Promise<void>;
}

export interface PrometheusSetup {
  /** `127.0.0.1:1234`, scraped every second as the job `payments`. */
  readonly targets: readonly string[];
  readonly features?: readonly string[];
  /** What it has recorded before it starts, in OpenMetrics with timestamps. */
  readonly past?: string;
}

const START_MS = 30_000;

/** Starts a server; ready when it answers. Its directory goes away with it. */
export async function startPrometheus(setup: PrometheusSetup): Promise<PrometheusServer> {
  const { targets, features = [], past } = setup;
  const program = needProgram("prometheus");
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-prometheus-"));
  const data = path.join(dir, "data");
  const config = path.join(dir, "prometheus.yml");
  const jobs = `[{ job_name: payments, static_configs: [{ targets: ${JSON.stringify(targets)} }] }]`;
  writeFileSync(config, `global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs: ${jobs}\n`);
  if (past !== undefined) backfill(path.join(dir, "past.om"), past, data);
  const address = `127.0.0.1:${await freePort()}`;
  const args = [`--config.file=${config}`, `--storage.tsdb.path=${data}`, `--web.listen-address=${address}`];
  if (features.length > 0) args.push(`--enable-feature=${features.join(",")}`);
  const child = spawn(program, args, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
  const until = systemClock.monotonic() + START_MS;
  while (!(await ready(address))) {
    if (systemClock.monotonic() > until || child.exitCode !== null) throw new Error("Prometheus does not start");
    await sleep(systemClock, 50);
  }
  return {
    url: `http://${address}`,
    async stop() {
      child.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function backfill(file: string, text: string, data: string): void {
  writeFileSync(file, text);
  const made = spawnSync(needProgram("promtool"), ["tsdb", "create-blocks-from", "openmetrics", file, data]);
  if (made.status !== 0) throw new Error(`promtool: ${made.stderr.toString()}`);
}

async function ready(address: string): Promise<boolean> {
  try {
    return (await fetch(`http://${address}/-/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
