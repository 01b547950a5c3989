import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostFleetOptions } from "../../src/adapters/host/access.ts";
import { hostFleet } from "../../src/adapters/host/fleet.ts";
import { localTransport } from "../../src/adapters/local/local-transport.ts";
import { localStarter } from "../../src/adapters/local/starter.ts";
import { sleep, systemClock } from "../../src/clock.ts";
import type { StepScope } from "../../src/engine/context.ts";
import { sha256 } from "../../src/json.ts";
import type { Fleet, StoredRelease } from "../../src/operations/rollout/ports.ts";
import { systemSchema } from "../../src/system/schema.ts";
import type { System } from "../../src/system/schema.ts";

/** A service as small as a service can be: tells its version, and ends when it is asked to. */
const SERVER = `
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
const { version } = JSON.parse(readFileSync("release.json", "utf8"));
if (process.env.CRASH_AT === version) { console.error("cannot open the ledger: it is broken"); process.exit(7); }
const server = createServer((request, response) => {
  if (request.url.startsWith("/slow")) {
    setTimeout(() => response.end(JSON.stringify({ version })), Number(request.url.split("?")[1] ?? 100));
  } else response.end(JSON.stringify({ version, pid: process.pid }));
});
server.on("upgrade", (request, socket) => {
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nconnection: upgrade\\r\\nupgrade: echo\\r\\n\\r\\n");
  socket.on("data", (data) => socket.write(data));
  socket.on("error", () => {});
});
server.keepAliveTimeout = 30_000;
server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening as " + version));
process.on("SIGTERM", () => { console.log("ending"); server.close(() => process.exit(0)); server.closeIdleConnections(); });
`;

export interface World {
  readonly dir: string;
  readonly system: System;
  readonly fleet: Fleet;
  readonly releases: readonly StoredRelease[];
  /** What the fleet was made with, for others with another service control or transport. */
  readonly options: HostFleetOptions;
  /** A second fleet on the same hosts, under another authority. */
  fleetOf(authority: string): Fleet;
  setEnv(host: string, lines: readonly string[]): void;
  close(): Promise<void>;
}

export function scopeOf(token: number, key: string, attempt = 1, signal = new AbortController().signal): StepScope {
  return { signal, idempotencyKey: key, fence: { token, attempt }, log: () => {} };
}

/** The system may give a port again as soon as it is closed: here nobody gets one that another one was given. */
const given = new Set<number>();

export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

export async function localWorld(names: readonly string[], versions: readonly string[]): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), "sunny-hosts-"));
  const hosts: { name: string; root: string; port: number }[] = [];
  for (const name of names) {
    const root = join(dir, "it's a host", name);
    mkdirSync(join(root, "shared"), { recursive: true });
    hosts.push({ name, root, port: await freePort() });
  }
  const system = systemSchema.parse({
    service: "api",
    environment: "test",
    releases: { dir, trustedKeys: ["none"] },
    hosts,
    loadBalancer: { kind: "embedded", socket: join(dir, "proxy.sock") },
    serviceControl: { kind: "supervised", stopTimeoutMs: 2_000 },
    database: { kind: "sqlite", file: join(dir, "db"), backupDir: dir },
  });
  const releases = versions.map((version) => pack(dir, version));
  const options: HostFleetOptions = {
    system,
    transport: () => localTransport(systemClock),
    authority: "authority-1",
    starter: localStarter(),
    releases: { find: async (wanted) => releases.filter((one) => one.id === wanted || one.version === wanted) },
    clock: systemClock,
  };
  const fleetOf = (authority: string): Fleet => hostFleet({ ...options, authority });
  const setEnv = (name: string, lines: readonly string[]): void => {
    const host = hosts.find((one) => one.name === name)!;
    writeFileSync(join(host.root, "shared", "service.env"), [`PORT=${host.port}`, ...lines, ""].join("\n"), {
      mode: 0o600,
    });
  };
  for (const name of names) setEnv(name, []);
  const fleet = fleetOf("authority-1");
  const close = async (): Promise<void> => {
    for (const host of hosts) {
      killByFile(join(host.root, ".sunny", "deadman.pid"));
      killByFile(join(host.root, ".sunny", "service.pid"));
    }
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  return { dir, system, options, fleet, releases, fleetOf, setEnv, close };
}

/** Ends the group of a process that one of the tests' own hosts recorded. */
function killByFile(path: string): void {
  try {
    // Without a number there is none: 0 would be this process's own group.
    process.kill(-(Number(readFileSync(path, "utf8").split(" ")[0]) || Number.NaN), "SIGKILL");
  } catch {
    // Nothing runs there.
  }
}

export function pack(dir: string, version: string): StoredRelease {
  const content = join(dir, `content-${version}`);
  mkdirSync(content, { recursive: true });
  writeFileSync(join(content, "server.mjs"), SERVER);
  writeFileSync(join(content, "release.json"), JSON.stringify({ version, start: ["node", "server.mjs"] }));
  const archivePath = join(dir, `api-${version}.tar.gz`);
  execFileSync("tar", ["-C", content, "-czf", archivePath, "."]);
  const bytes = readFileSync(archivePath);
  const digest = sha256(bytes);
  return { name: "api", version, digest, id: `${version}-${digest.slice(0, 12)}`, archivePath, bytes: bytes.length };
}

/** Asks until it is so; fails after a minute, which nothing here takes, with what was last seen. */
export async function until<T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> {
  const end = systemClock.monotonic() + 60_000;
  for (;;) {
    const seen = await look();
    if (good(seen)) return seen;
    if (systemClock.monotonic() > end) throw new Error(`did not come: ${JSON.stringify(seen)}`);
    await sleep(systemClock, 25);
  }
}
