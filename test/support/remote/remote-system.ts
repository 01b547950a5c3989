/**
 * The sample system as a team with servers has it: hosts behind SSH servers of their own, HAProxy reached through a
 * host, and the command line against it. Everything is a real program on this machine.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { authorityOf } from "../../../examples/payments/demo/authority.ts";
import { demoConfig } from "../../../examples/payments/demo/config.ts";
import { createEnvironment, type DemoEnvironment } from "../../../examples/payments/demo/environment.ts";
import { freePorts } from "../../../examples/payments/demo/ports.ts";
import { reconcile, type Reconciliation } from "../../../examples/payments/load/reconcile.ts";
import type { Wanted } from "../../../examples/payments/releases/build-releases.ts";
import { systemClock } from "../../../src/clock.ts";
import { loadSystem } from "../../../src/system/load.ts";
import type { SystemConfig } from "../../../src/system/schema.ts";
import { RUNBOOKS } from "../e2e/demo-system.ts";
import { type CallOptions, type Ended, ROOT, type Running, start } from "../e2e/sunny.ts";
import { askHaproxy, startHaproxy, type HaproxyTest } from "../haproxy.ts";
import { installServiceCommand, SERVICE_COMMAND } from "../service-command.ts";
import { makeKey, startSshd, type Sshd } from "../sshd.ts";
import { endServices, startServices } from "./services.ts";

export interface RemoteOptions {
  readonly releases: readonly Wanted[];
  /** Where everything is; default a new one in the system's temporary directory. Removed at the end. */
  readonly directory?: string;
  /** Default 2. */
  readonly hosts?: number;
  /** One of `test/support/e2e/runbooks`; default "remote.md". */
  readonly runbook?: string;
  /** Milliseconds between two health checks of HAProxy; default 100. */
  readonly checkMs?: number;
  /** More lines of every host's `service.env`. */
  readonly serviceEnv?: readonly string[];
  readonly config?: (config: SystemConfig) => SystemConfig;
}

/** A host with the SSH server that leads to it. */
export interface RemoteHost {
  readonly name: string;
  readonly root: string;
  /** Where its service answers. */
  readonly port: number;
  /** Programs here are found before the system's own by whatever comes over SSH. */
  readonly bin: string;
  readonly sshPort: number;
  sshd: Sshd;
  /** Starts its SSH server once more, after it was stopped. */
  restartSshd(): Promise<void>;
}

export interface RemoteSystem {
  readonly environment: DemoEnvironment;
  readonly directory: string;
  readonly hosts: readonly RemoteHost[];
  readonly haproxy: HaproxyTest;
  /** Where customers connect. */
  readonly port: number;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  readonly configFile: string;
  host(name: string): RemoteHost;
  /** Calls `sunny ARGS --json` as the operator. */
  sunny(args: readonly string[], options?: CallOptions): Promise<Ended>;
  /** Starts it, for what happens while it runs. */
  start(args: readonly string[], options?: CallOptions): Running;
  /** The configuration as it stands, changed and written. */
  changeConfig(change: (config: SystemConfig) => SystemConfig): void;
  /** The version that each host's service answers with, in the order of the hosts; "no answer" without one. */
  versions(): Promise<readonly string[]>;
  /** What HAProxy was told of each server, and whether it sees it up: "ready 100 up". */
  servers(): Promise<Readonly<Record<string, string>>>;
  reconcile(): Reconciliation;
  stop(): Promise<void>;
}

/** The host that carries HAProxy. */
const CARRIER = "lb-1";

/** Starts the system with 2.0.0 on every host. Takes about two seconds. */
export async function startRemoteSystem(options: RemoteOptions): Promise<RemoteSystem> {
  const { hosts: count = 2 } = options;
  const environment = await createEnvironment({
    clock: systemClock,
    hostCount: count,
    releases: options.releases,
    ...(options.directory === undefined ? {} : { directory: options.directory }),
  });
  const { directory } = environment;
  const key = makeKey(path.join(directory, "ssh", "key"));
  const knownHostsFile = path.join(directory, "ssh", "known_hosts");
  const [port = 0, ...sshPorts] = await freePorts(2 + count);
  const names = [...environment.hosts.map((host) => host.name), CARRIER];
  const binOf = (name: string): string => path.join(directory, "ssh", name, "bin");
  const sshdOf = (name: string): Promise<Sshd> => {
    mkdirSync(binOf(name), { recursive: true });
    return startSshd({
      dir: path.join(directory, "ssh", name),
      port: sshPorts[names.indexOf(name)] ?? 0,
      authorizedKeys: [key.public],
      config: [`SetEnv PATH=${binOf(name)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`],
    });
  };
  const sshds = await Promise.all(names.map(sshdOf));
  const hosts: RemoteHost[] = environment.hosts.map((host, at) => ({
    ...host,
    bin: binOf(host.name),
    sshPort: sshPorts[at] ?? 0,
    sshd: sshds[at] as Sshd,
    async restartSshd() {
      this.sshd = await sshdOf(host.name);
    },
  }));
  const haproxies: HaproxyTest[] = [];
  const stop = async (): Promise<void> => {
    endServices(environment);
    await Promise.all(haproxies.map((one) => one.stop()));
    await Promise.all([...sshds, ...hosts.map((host) => host.sshd)].map((one) => one.stop()));
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    writeFileSync(knownHostsFile, sshds.map((one) => one.knownHosts()).join(""));
    for (const host of environment.hosts) prepareHost(host.root, options.serviceEnv ?? []);
    const servers = environment.hosts.map(({ name, port: to }) => ({ name, port: to }));
    const dir = path.join(directory, "run", "ha");
    const haproxy = await startHaproxy({ dir, port, servers, checkMs: options.checkMs ?? 100 });
    haproxies.push(haproxy);
    const connection = (at: number) => ({
      kind: "ssh" as const,
      address: "127.0.0.1",
      port: sshPorts[at] ?? 0,
      user: sshds[at]?.user ?? "",
      knownHostsFile,
      identityFile: key.path,
    });
    const runbook = path.join(directory, "RUNBOOK.md");
    writeFileSync(runbook, readFileSync(path.join(RUNBOOKS, options.runbook ?? "remote.md")));
    const carrierRoot = path.join(directory, "hosts", CARRIER);
    mkdirSync(carrierRoot, { recursive: true });
    const config = quick({
      ...demoConfig(environment, { runbook }),
      hosts: environment.hosts.map((host, at) => ({ ...host, connection: connection(at) })),
      serviceControl: SERVICE_COMMAND,
      loadBalancer: {
        kind: "haproxy",
        backend: "be",
        sockets: [`ssh:${CARRIER}:${haproxy.socket}`],
        hosts: [{ name: CARRIER, root: carrierRoot, connection: connection(count) }],
      },
      endpoints: {},
      certificates: [],
      security: {},
    });
    const configFile = path.join(directory, "sunny.config.json");
    const write = (one: SystemConfig): void => writeFileSync(configFile, JSON.stringify(one, null, 2));
    write((options.config ?? ((one) => one))(config));
    const { system } = await loadSystem(configFile, directory);
    await startServices(environment, system, authorityOf(system, systemClock));
    const call = (args: readonly string[], more: CallOptions = {}): Running =>
      start(path.join(ROOT, "bin/sunny"), ["--json", "--config", configFile, "--as", "operator", ...args], more);
    const remote: RemoteSystem = {
      environment,
      directory,
      hosts,
      haproxy,
      port,
      keyFile: key.path,
      knownHostsFile,
      configFile,
      host(name) {
        const found = hosts.find((host) => host.name === name);
        if (found === undefined) throw new Error(`no host ${name}`);
        return found;
      },
      start: call,
      sunny: (args, more) => call(args, more).ended,
      changeConfig: (change) => write(change(JSON.parse(readFileSync(configFile, "utf8")) as SystemConfig)),
      versions: () => Promise.all(hosts.map((host) => versionAt(host.port))),
      servers: () => serversOf(haproxy.socket),
      reconcile: () => reconcile(environment.ledgerFile, environment.database.file),
      stop,
    };
    await allUp(remote);
    return remote;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The service command, and the Node that runs it: a login over SSH may find none. */
function prepareHost(root: string, lines: readonly string[]): void {
  installServiceCommand(root, `"${process.execPath}" --max-old-space-size=1024 main.js`);
  const file = path.join(root, "shared", "service.env");
  writeFileSync(file, `${readFileSync(file, "utf8")}${lines.map((line) => `${line}\n`).join("")}`, { mode: 0o600 });
}

/** Times that suit a test. */
function quick(config: SystemConfig): SystemConfig {
  return {
    ...config,
    rollout: {
      canaryHosts: 1,
      canaryPercent: null,
      canaryBakeMs: 1,
      maxUnavailable: 1,
      finalBakeMs: 1,
      minRequests: 0,
      drainTimeoutMs: 4_000,
      websocketGraceMs: 500,
      healthTimeoutMs: 6_000,
      confirmWithinMs: 30_000,
      unwatchedMs: 60_000,
      decisionMs: 1_000,
    },
    monitoring: { ...config.monitoring, intervalMs: 500 },
  };
}

async function allUp(system: RemoteSystem): Promise<void> {
  for (let tries = 0; ; tries++) {
    const servers = await system.servers();
    if (Object.values(servers).every((one) => one.endsWith(" up"))) return;
    if (tries > 400) throw new Error(`not every host came up: ${JSON.stringify(servers)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Columns by their places in HAProxy 2.6: name, operational state, admin mask, weight in use and configured. */
async function serversOf(socket: string): Promise<Readonly<Record<string, string>>> {
  const lines = (await askHaproxy(socket, "show servers state be")).split("\n");
  const rows = lines.filter((line) => /^\d+ be /.test(line)).map((line) => line.split(" "));
  return Object.fromEntries(
    rows.map(([, , , name = "", , state, admin, weight, configured]) => {
      const mask = Number(admin);
      const ordered = (mask & 0x01) !== 0 ? "maint" : (mask & 0x08) !== 0 ? "drain" : "ready";
      const percent = Math.round((Number(weight) * 100) / Number(configured));
      return [name, `${ordered} ${percent} ${Number(state) > 0 ? "up" : "down"}`];
    }),
  );
}

async function versionAt(port: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2_000) });
    return String(((await answer.json()) as { version?: unknown }).version);
  } catch {
    return "no answer";
  }
}
