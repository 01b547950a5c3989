import { readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { hostFleet } from "../../../src/adapters/host/fleet.ts";
import { localTransport } from "../../../src/adapters/local/local-transport.ts";
import { localStarter } from "../../../src/adapters/local/starter.ts";
import { hostBornOf } from "../../../src/adapters/local/supervised-service.ts";
import { ensureProxy, stopProxy } from "../../../src/adapters/proxy/lifecycle.ts";
import type { StartedProxy } from "../../../src/adapters/proxy/lifecycle.ts";
import { proxyBalancer } from "../../../src/adapters/proxy/proxy-balancer.ts";
import { type Clock, sleep } from "../../../src/clock.ts";
import type { Fleet, StoredRelease } from "../../../src/operations/rollout/ports.ts";
import type { System } from "../../../src/system/schema.ts";
import type { PackedRelease } from "../../../src/release/pack.ts";
import { releaseRef } from "../../../src/release/manifest.ts";
import { initialScope } from "./database.ts";
import type { DemoEnvironment } from "./environment.ts";

/** How long a service may take to come up, and to end. */
const START_MS = 15_000;
const STOP_MS = 15_000;

export interface SystemOptions {
  readonly clock: Clock;
  /** Only what the hosts need is read of it. */
  readonly system: Pick<System, "hosts" | "serviceControl" | "health" | "rollout">;
  /** Whose hosts these will be: the authority of the journal that is going to deploy to them. */
  readonly authority: string;
}

/**
 * Brings the system to where it is before anybody deploys: every host runs the first release, the proxy serves them all.
 * Services and proxy are processes of their own and outlive this one; `stopSystem` ends them.
 */
export async function startSystem(environment: DemoEnvironment, options: SystemOptions): Promise<StartedProxy> {
  const { clock } = options;
  const fleet = fleetOf(environment, options);
  await Promise.all(environment.hosts.map(({ name }) => startHost(fleet, name, environment)));
  const proxy = await ensureProxy(proxyConfig(environment), clock);
  const balancer = proxyBalancer(environment.proxy.socket, options.authority);
  for (const { name } of environment.hosts) {
    if (await balancer.waitUp(name, START_MS, initialScope("start"))) continue;
    throw new Error(`${name} did not come up: ${(await fleet.serviceLog(name, 3)).join(" | ")}`);
  }
  return proxy;
}

async function startHost(fleet: Fleet, host: string, { running }: DemoEnvironment): Promise<void> {
  const scope = initialScope(`start-${host}`);
  await fleet.install(host, running, scope);
  await fleet.activate(host, running.id, { turn: "initial", confirmWithinMs: 60_000 }, scope);
  const confirmed = await fleet.confirm(host, { turn: "initial" }, scope);
  if (confirmed.state === "reverted") throw new Error(`${host} took its first release back: ${confirmed.reason}`);
}

/** The hosts of the environment, under an authority. */
export function fleetOf(environment: DemoEnvironment, options: SystemOptions): Fleet {
  const stored = [...environment.releases.values()].map(storedRelease);
  return hostFleet({
    system: options.system,
    transport: () => localTransport(options.clock),
    authority: options.authority,
    starter: localStarter(),
    releases: { find: async (wanted) => stored.filter((one) => one.id === wanted || one.version === wanted) },
    clock: options.clock,
  });
}

function storedRelease({ manifest, archive }: PackedRelease): StoredRelease {
  return { ...releaseRef(manifest), archivePath: archive, bytes: manifest.archive.size };
}

function proxyConfig(environment: DemoEnvironment): Parameters<typeof ensureProxy>[0] {
  const { directory, certificates, proxy } = environment;
  return {
    listen: { address: "127.0.0.1", port: proxy.port },
    certFile: certificates.certFile,
    keyFile: certificates.keyFile,
    socket: proxy.socket,
    stateFile: path.join(directory, "run", "proxy-state.json"),
    logFile: path.join(directory, "run", "proxy.log"),
    servers: environment.hosts.map(({ name, port }) => ({ name, port })),
    // Figures are for those who run the service; Sunny reads them from the hosts themselves.
    denyPaths: ["/metrics"],
    health: { path: "/health", intervalMs: 250, timeoutMs: 2_000, rise: 2, fall: 2 },
  };
}

/** What has to be known to end a system. */
export interface RunningSystem {
  readonly hosts: readonly { readonly root: string }[];
  readonly proxy: { readonly socket: string };
}

/**
 * Ends everything that runs for the environment: dead-men first, so that none brings a service back, then the proxy,
 * then the services. Only processes that are on record with their start time are ended; safe to call twice.
 */
export async function stopSystem({ hosts, proxy }: RunningSystem, clock: Clock): Promise<void> {
  for (const { root } of hosts) await endRecorded(root, "deadman.pid", clock, "SIGKILL");
  await stopProxy(proxy.socket, clock);
  await Promise.all(hosts.map(({ root }) => endRecorded(root, "service.pid", clock, "SIGTERM")));
}

async function endRecorded(
  root: string,
  name: "deadman.pid" | "service.pid",
  clock: Clock,
  signal: NodeJS.Signals,
): Promise<void> {
  const text = await readFile(path.join(root, ".sunny", name), "utf8").catch(() => "");
  const [pid = "", born = ""] = text.trim().split(" ");
  if (!isStill(pid, born)) return;
  send(Number(pid), signal);
  const end = clock.monotonic() + STOP_MS;
  while (isStill(pid, born)) {
    if (clock.monotonic() > end) send(Number(pid), "SIGKILL");
    await sleep(clock, 20);
  }
}

/** A pid is given again, pid and start time are not. */
function isStill(pid: string, born: string): boolean {
  if (!/^[1-9][0-9]*$/.test(pid) || born === "") return false;
  try {
    process.kill(Number(pid), 0);
    return hostBornOf(Number(pid)).split(" ")[1] === born;
  } catch {
    return false;
  }
}

/** To the whole group where the process leads one; it may have ended in the meantime. */
function send(pid: number, signal: NodeJS.Signals): void {
  for (const target of signal === "SIGKILL" ? [-pid, pid] : [pid]) {
    try {
      process.kill(target, signal);
    } catch {
      // It is gone.
    }
  }
}
