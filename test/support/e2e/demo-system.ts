import { readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { demoConfig } from "../../../examples/payments/demo/config.ts";
import { API_HOST, createEnvironment, type DemoEnvironment } from "../../../examples/payments/demo/environment.ts";
import { authorityOf } from "../../../examples/payments/demo/authority.ts";
import { startSystem, stopSystem } from "../../../examples/payments/demo/system.ts";
import { startLoad, type Load } from "../../../examples/payments/load/process.ts";
import { reconcile, type Reconciliation } from "../../../examples/payments/load/reconcile.ts";
import type { Wanted } from "../../../examples/payments/releases/build-releases.ts";
import { systemClock } from "../../../src/clock.ts";
import { loadSystem } from "../../../src/system/load.ts";
import type { SystemConfig } from "../../../src/system/schema.ts";
import { type CallOptions, type Ended, ROOT, type Running, start } from "./sunny.ts";

export interface DemoSystemOptions {
  readonly releases: readonly Wanted[];
  /** Default 2. */
  readonly hosts?: number;
  /** Requests per second; default 80. 0: no load. */
  readonly rate?: number;
  /** How long customers wait for an answer, their own queue included; default 10 s. */
  readonly patienceMs?: number;
  /** Copied beside the config, where tests may change it; default the bare runbook. */
  readonly runbook?: string;
  readonly config?: (config: SystemConfig) => SystemConfig;
}

/** The sample system under load, and the command line against it. */
export interface DemoSystem {
  readonly environment: DemoEnvironment;
  readonly directory: string;
  readonly stateDir: string;
  readonly configFile: string;
  readonly runbookFile: string;
  readonly load: Load | null;
  /** Calls `sunny ARGS --json` as the operator. */
  sunny(args: readonly string[], options?: CallOptions & { readonly as?: string }): Promise<Ended>;
  /** Starts it, for tests that do something while it runs. */
  start(args: readonly string[], options?: CallOptions & { readonly as?: string }): Running;
  /** The configuration as it stands, changed and written. */
  changeConfig(change: (config: SystemConfig) => SystemConfig): void;
  /** The version that each host answers with, in the order of the hosts. */
  versions(): Promise<readonly string[]>;
  /** Compares what customers were told with what the database holds. */
  reconcile(): Reconciliation;
  stop(): Promise<void>;
}

export const RUNBOOKS = path.join(ROOT, "test/support/e2e/runbooks");

/** Times that suit a test: long enough to judge 80 requests/s, and no longer. */
function quick(config: SystemConfig): SystemConfig {
  return {
    ...config,
    rollout: {
      ...config.rollout,
      canaryPercent: 30,
      canaryBakeMs: 2_500,
      finalBakeMs: 1_000,
      minRequests: 20,
      decisionMs: 4_000,
      shiftPauseMs: 500,
    },
    monitoring: { ...config.monitoring, intervalMs: 500 },
  };
}

/** Starts a system of its own for a test file: 2.0.0 on every host, behind the proxy, under load. */
export async function startDemoSystem(options: DemoSystemOptions): Promise<DemoSystem> {
  const clock = systemClock;
  const { hosts: hostCount = 2, rate = 80 } = options;
  const environment = await createEnvironment({ clock, hostCount, releases: options.releases });
  const { directory } = environment;
  const runbookFile = path.join(directory, "RUNBOOK.md");
  writeFileSync(runbookFile, readFileSync(path.join(RUNBOOKS, options.runbook ?? "bare.md")));
  const configFile = path.join(directory, "sunny.config.json");
  const write = (config: SystemConfig): void => writeFileSync(configFile, JSON.stringify(config, null, 2));
  write((options.config ?? ((config) => config))(quick(demoConfig(environment, { runbook: runbookFile }))));
  const { system } = await loadSystem(configFile, directory);
  let load: Load | null = null;
  try {
    const proxy = await startSystem(environment, { clock, system, authority: authorityOf(system, clock) });
    if (rate > 0) {
      load = await startLoad({
        url: `https://${API_HOST}`,
        connect: `127.0.0.1:${proxy.port}`,
        caFile: environment.certificates.caCertFile,
        ledgerFile: environment.ledgerFile,
        ratePerSecond: rate,
        ...(options.patienceMs === undefined ? {} : { timeoutMs: options.patienceMs }),
      });
    }
  } catch (error) {
    await stopSystem(environment, clock);
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const call = (args: readonly string[], more: CallOptions & { readonly as?: string } = {}): Running =>
    start(
      path.join(ROOT, "bin/sunny"),
      ["--json", "--config", configFile, "--as", more.as ?? "operator", ...args],
      more,
    );
  return {
    environment,
    directory,
    stateDir: system.stateDir,
    configFile,
    runbookFile,
    load,
    start: call,
    sunny: (args, more) => call(args, more).ended,
    changeConfig: (change) => write(change(JSON.parse(readFileSync(configFile, "utf8")) as SystemConfig)),
    versions: () => Promise.all(environment.hosts.map(({ port }) => versionAt(port))),
    reconcile: () => reconcile(environment.ledgerFile, environment.database.file),
    async stop() {
      await load?.stop().catch(() => {});
      await stopSystem(environment, clock);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function versionAt(port: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(5_000) });
    return String(((await answer.json()) as { version?: unknown }).version);
  } catch {
    return "no answer";
  }
}
