/** Hosts behind real SSH servers, each with an address, a root and a service of its own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { hostFleet } from "../../src/adapters/host/fleet.ts";
import { sshTransport } from "../../src/adapters/ssh/ssh-transport.ts";
import type { SshTransport, SshTransportOptions } from "../../src/adapters/ssh/ssh-transport.ts";
import { generateKey, parseSigner, verifierOf } from "../../src/audit/note.ts";
import { systemClock } from "../../src/clock.ts";
import type { Fleet, StoredRelease } from "../../src/operations/rollout/ports.ts";
import type { Transport } from "../../src/operations/rollout/transport.ts";
import { releaseDeliveries } from "../../src/release/delivery.ts";
import { releaseRef } from "../../src/release/manifest.ts";
import { packRelease } from "../../src/release/pack.ts";
import { openReleaseStore } from "../../src/release/store.ts";
import { systemSchema } from "../../src/system/schema.ts";
import type { HostSpec, System } from "../../src/system/schema.ts";
import { installServiceCommand, SERVICE_COMMAND } from "../support/service-command.ts";
import { makeKey, startSshd } from "../support/sshd.ts";
import type { Sshd } from "../support/sshd.ts";
import { freePort } from "./local-hosts.support.ts";

/** A service that tells its version; what goes wrong with it is said by a file beside it. */
const SERVER = `
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
const { version } = JSON.parse(readFileSync("release.json", "utf8"));
const { dieAfterMs, hang, claims } = JSON.parse(readFileSync("behaviour.json", "utf8"));
const server = createServer((request, response) => {
  if (!hang) response.end(JSON.stringify({ version: claims ?? version }));
});
server.listen(Number(process.env.PORT), "127.0.0.1");
if (dieAfterMs) setTimeout(() => { console.error("out of file handles"); process.exit(9); }, dieAfterMs);
process.on("SIGTERM", () => process.exit(0));
`;

export interface SshWorld {
  readonly dir: string;
  readonly system: System;
  readonly sshd: Sshd;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  readonly transport: SshTransport;
  readonly fleet: Fleet;
  root(host: string): string;
  /** Packs a release and puts it into the store. */
  release(
    version: string,
    files?: Readonly<Record<string, string | Buffer>>,
    behaviour?: object,
  ): Promise<StoredRelease>;
  /** The files of a release, as they were packed. */
  released(release: StoredRelease): { readonly name: string; readonly content: Buffer }[];
  /** Another fleet on the same hosts. */
  fleetOf(options: {
    readonly authority?: string;
    readonly transport?: Transport;
    readonly releaseCheck?: System["rollout"]["releaseCheck"];
  }): Fleet;
  transportOf(options: Partial<SshTransportOptions>): SshTransport;
  close(): Promise<void>;
}

export async function sshWorld(names: readonly string[], config: readonly string[] = []): Promise<SshWorld> {
  const dir = mkdtempSync("/tmp/sunny-sshw-");
  const key = makeKey(path.join(dir, "key"));
  const addresses = names.map((_, at) => `127.0.2.${at + 1}`);
  const port = await freePort();
  const sshd = await startSshd({ dir: path.join(dir, "sshd"), port, addresses, authorizedKeys: [key.public], config });
  const knownHostsFile = path.join(dir, "known hosts");
  writeFileSync(knownHostsFile, sshd.knownHosts());
  const hosts = await Promise.all(
    names.map(async (name, at) => {
      const root = path.join(dir, "it's a host", name);
      installServiceCommand(root, `"${process.execPath}" server.mjs`);
      const servicePort = await freePort();
      writeFileSync(path.join(root, "shared", "service.env"), `PORT=${servicePort}\n`, { mode: 0o600 });
      const address = addresses[at] ?? "";
      const connection = { kind: "ssh", address, port, user: sshd.user, knownHostsFile, identityFile: key.path };
      return { name, root, port: servicePort, connection };
    }),
  );
  const system = systemSchema.parse({
    service: "api",
    environment: "test",
    releases: { dir: path.join(dir, "store"), trustedKeys: ["none"] },
    hosts,
    serviceControl: SERVICE_COMMAND,
    loadBalancer: { kind: "embedded", socket: path.join(dir, "proxy.sock") },
    database: { kind: "sqlite", file: path.join(dir, "db"), backupDir: dir },
  });
  const signer = parseSigner(generateKey("ci").signer);
  const store = openReleaseStore({ directory: system.releases.dir, name: "api", verifiers: [verifierOf(signer)] });
  const transports: SshTransport[] = [];
  const transportOf = (options: Partial<SshTransportOptions>): SshTransport => {
    const made = sshTransport({ clock: systemClock, target: (host) => connectionOf(system, host), ...options });
    transports.push(made);
    return made;
  };
  const transport = transportOf({});
  const deliveries = releaseDeliveries({ store, directory: path.join(dir, "deliveries") });
  const released: StoredRelease[] = [];
  const fleetOf: SshWorld["fleetOf"] = (options) =>
    hostFleet({
      system: { ...system, rollout: { ...system.rollout, releaseCheck: options.releaseCheck ?? "recorded" } },
      transport: () => options.transport ?? transport,
      authority: options.authority ?? "authority-1",
      starter: [],
      releases: { find: async (id) => released.filter((one) => one.id === id) },
      deliveries,
      clock: systemClock,
    });
  return {
    dir,
    system,
    sshd,
    keyFile: key.path,
    knownHostsFile,
    transport,
    fleet: fleetOf({}),
    root: (host) => specOf(system, host).root,
    async release(version, files = {}, behaviour = {}) {
      const source = path.join(dir, "source", version);
      const all = {
        "server.mjs": SERVER,
        "release.json": JSON.stringify({ name: "api", version }),
        "behaviour.json": JSON.stringify(behaviour),
        ...files,
      };
      for (const [name, content] of Object.entries(all)) {
        mkdirSync(path.dirname(path.join(source, name)), { recursive: true });
        writeFileSync(path.join(source, name), content);
      }
      const packed = await packRelease({ directory: source, out: path.join(dir, "packed"), signers: [signer] });
      const { archive, manifest } = await store.add(packed.archive, packed.manifestFile);
      const stored = { ...releaseRef(manifest), archivePath: archive, bytes: manifest.archive.size };
      released.push(stored);
      return stored;
    },
    released({ version }) {
      const source = path.join(dir, "source", version);
      const names = readdirSync(source, { recursive: true, encoding: "utf8" });
      const files = names.filter((name) => statSync(path.join(source, name)).isFile());
      return files.map((name) => ({ name, content: readFileSync(path.join(source, name)) }));
    },
    fleetOf,
    transportOf,
    async close() {
      for (const { root } of system.hosts) {
        killByFile(path.join(root, ".sunny", "deadman.pid"));
        killByFile(path.join(root, "shared", "service.pid"));
      }
      await Promise.all(transports.map((one) => one.close()));
      await deliveries.close();
      await sshd.stop();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function specOf(system: System, name: string): HostSpec {
  const found = system.hosts.find((host) => host.name === name);
  if (found === undefined) throw new Error(`no host ${name}`);
  return found;
}

function connectionOf(system: System, name: string): Extract<HostSpec["connection"], { kind: "ssh" }> {
  const { connection } = specOf(system, name);
  if (connection.kind !== "ssh") throw new Error(`${name} is not reached over SSH`);
  return connection;
}

/** Ends the group of a process that one of the tests' own hosts recorded. */
function killByFile(file: string): void {
  try {
    // Without a number there is none: 0 would be this process's own group.
    process.kill(-(Number(readFileSync(file, "utf8").split(" ")[0]) || Number.NaN), "SIGKILL");
  } catch {
    // Nothing runs there.
  }
}

/** How many processes of this machine have the words in their command line. */
export function psCount(words: string): number {
  const all = execFileSync("ps", ["-e", "-o", "stat=,args="], { encoding: "utf8" }).split("\n");
  return all.filter((line) => line.includes(words) && !line.startsWith("Z") && !line.includes("ps -e")).length;
}

/** An agent that holds one key. */
export function startAgent(keyFile: string): { readonly agent: string; readonly stop: () => void } {
  const out = execFileSync("ssh-agent", ["-s"], { encoding: "utf8" });
  const agent = /SSH_AUTH_SOCK=([^;]+);/.exec(out)?.[1] ?? "";
  const pid = Number(/SSH_AGENT_PID=(\d+);/.exec(out)?.[1] ?? 0);
  execFileSync("ssh-add", ["-q", keyFile], { env: { ...process.env, SSH_AUTH_SOCK: agent } });
  return { agent, stop: () => process.kill(pid) };
}
