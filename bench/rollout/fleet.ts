/**
 * The hosts of the benchmark: addresses of the loopback network behind real SSH servers, each with a root and a service
 * of its own for every tool, and releases that differ from the one before in one file.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { generateKey } from "../../src/audit/note.ts";
import { installServiceCommand } from "../../test/support/service-command.ts";
import { makeKey, startSshd } from "../../test/support/sshd.ts";
import type { Sshd } from "../../test/support/sshd.ts";
import { undoAtEnd } from "../endings.ts";
import { oneServer } from "./one-server.ts";
import { withFreePort } from "./ports.ts";
import { makeReleases, treeOf } from "./releases.ts";
import type { BenchRelease, BenchReleases } from "./releases.ts";

export interface BenchHost {
  readonly name: string;
  readonly address: string;
  /** Of its SSH server. */
  readonly port: number;
}

export interface BenchFleet {
  readonly dir: string;
  readonly user: string;
  readonly keyFile: string;
  readonly knownHosts: string;
  readonly verifierKey: string;
  readonly hosts: readonly BenchHost[];
  /** Where the services of all hosts listen, each on its host's address. */
  readonly servicePort: number;
  readonly releases: BenchReleases;
  rootOf(tool: string, host: BenchHost): string;
  /** Makes the roots of a tool anew. */
  prepare(tool: string): void;
  /** Brings a release to the hosts of a tool by hand, so that they have it before the next one. */
  install(tool: string, release: BenchRelease): void;
  /** Hosts whose files or service are not those of the release, with the reason. */
  wrong(tool: string, release: BenchRelease): Promise<string[]>;
  /** Ends the services of a tool and removes its roots. */
  clear(tool: string): void;
  /** The same hosts behind other servers, which offer no other key exchange than this one; closed with the fleet. */
  exchanging(kex: string): Promise<BenchFleet>;
  close(): Promise<void>;
}

/** What one sshd takes (MAX_LISTEN_SOCKS). */
const ADDRESSES = 16;
/** Addresses of one network of the loopback that are used. */
const NETWORK = 250;

export interface FleetSize {
  readonly hosts: number;
  /** Files of 12,500 bytes in a release. */
  readonly files: number;
  /** The services of all hosts in one process, for more hosts than there is memory for services. */
  readonly oneServer?: boolean;
}

/** Starts the servers. What it began is undone when it fails, when it is closed, and when a signal ends the benchmark. */
export async function benchFleet(size: FleetSize, dir: string): Promise<BenchFleet> {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const undo: (() => Promise<void> | void)[] = [() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 })];
  const close = undoAtEnd(async () => {
    for (const one of undo.toReversed()) await one();
  });
  try {
    return await startFleet(size, dir, undo, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function startFleet(
  size: FleetSize,
  dir: string,
  undo: (() => Promise<void> | void)[],
  close: () => Promise<void>,
): Promise<BenchFleet> {
  const count = size.hosts;
  const key = makeKey(path.join(dir, "key"));
  const servers: StartedServer[] = [];
  undo.push(() => stopAll(servers));
  const behind = (kex: string | null): Promise<Servers> => startServers(count, dir, key.public, kex, servers);
  const { hosts, user, knownHosts } = await behind(null);
  const keys = generateKey("bench");
  const releases = await makeReleases(dir, keys.signer, size.files);
  const rootOf = (tool: string, host: BenchHost): string => path.join(dir, "hosts", tool, host.name);
  const addresses = hosts.map((host) => host.address);
  const [servicePort, server] = await withFreePort(addresses, async (port) => {
    return [port, size.oneServer === true ? await oneServer(addresses, port) : null] as const;
  });
  undo.push(() => server?.close());
  const clear = (tool: string): void => {
    for (const host of hosts) {
      killByFile(path.join(rootOf(tool, host), ".sunny", "deadman.pid"));
      killByFile(path.join(rootOf(tool, host), "shared", "service.pid"));
    }
    rmSync(path.join(dir, "hosts", tool), { recursive: true, force: true });
  };
  const prepared = new Set<string>();
  undo.push(() => prepared.forEach(clear));
  const fleet: BenchFleet = {
    dir,
    user,
    keyFile: key.path,
    knownHosts,
    verifierKey: keys.verifier,
    hosts,
    servicePort,
    releases,
    rootOf,
    prepare(tool) {
      prepared.add(tool);
      for (const host of hosts) {
        const root = rootOf(tool, host);
        rmSync(root, { recursive: true, force: true });
        if (server === null) installServiceCommand(root, "perl server.pl");
        else server.serve(root, host.address);
        writeFileSync(path.join(root, "shared", "service.env"), `ADDRESS=${host.address}\nPORT=${servicePort}\n`);
      }
    },
    install(tool, release) {
      for (const host of hosts) {
        const root = rootOf(tool, host);
        const target = path.join(root, "releases", release.id);
        mkdirSync(target, { recursive: true });
        execFileSync("tar", ["-xzf", release.archive, "-C", target]);
        symlinkSync(`releases/${release.id}`, path.join(root, "current"));
        execFileSync(path.join(root, "service"), ["start"]);
      }
    },
    async wrong(tool, release) {
      const found = hosts.map(async (host) => {
        const tree = treeOf(path.join(rootOf(tool, host), "current"));
        if (tree !== release.tree) return [`${host.name}: its files are not those of ${release.version}`];
        const answer = await fetch(`http://${host.address}:${servicePort}/health`).then((one) => one.text());
        return answer.includes(`"${release.version}"`) ? [] : [`${host.name}: its service answers ${answer}`];
      });
      return (await Promise.all(found)).flat();
    },
    clear,
    exchanging: async (kex) => ({ ...fleet, ...(await behind(kex)) }),
    close,
  };
  return fleet;
}

type Servers = Pick<BenchFleet, "hosts" | "user" | "knownHosts">;
type StartedServer = Promise<Sshd>;

/** Starts what `count` hosts need, with their key exchange or with what OpenSSH offers; what is started is in `starts`. */
async function startServers(
  count: number,
  dir: string,
  authorizedKey: string,
  kex: string | null,
  starts: StartedServer[],
): Promise<Servers> {
  const sshds: Sshd[] = [];
  const hosts: BenchHost[] = [];
  const name = kex ?? "default";
  for (let at = 0; at < count; at += ADDRESSES) {
    const addresses = Array.from({ length: Math.min(ADDRESSES, count - at) }, (_, i) => addressOf(at + i));
    const options = {
      dir: path.join(dir, `sshd-${name}-${at}`),
      addresses,
      authorizedKeys: [authorizedKey],
      config: configIn(dir, kex),
    };
    const start = withFreePort(addresses, (port) => startSshd({ ...options, port }));
    starts.push(start);
    const sshd = await start;
    sshds.push(sshd);
    hosts.push(...addresses.map((address, i) => ({ name: `host-${at + i + 1}`, address, port: sshd.port })));
  }
  const knownHosts = path.join(dir, `known_hosts-${name}`);
  writeFileSync(knownHosts, sshds.map((sshd) => sshd.knownHosts()).join(""));
  return { hosts, user: sshds[0]?.user ?? "root", knownHosts };
}

/** What the servers have beside what every test's server has. */
function configIn(dir: string, kex: string | null): string[] {
  // What whoever runs the benchmark has in the start-up files of a shell is no part of a host.
  const home = path.join(dir, "home");
  mkdirSync(home, { recursive: true });
  return [
    // pyinfra and ansible copy files with it.
    "Subsystem sftp internal-sftp",
    `SetEnv HOME=${home}`,
    ...(kex === null ? [] : [`KexAlgorithms ${kex}`]),
  ];
}

/** Stops also what is only starting. */
async function stopAll(starts: readonly StartedServer[]): Promise<void> {
  await Promise.allSettled(starts.map((start) => start.then((sshd) => sshd.stop())));
}

function addressOf(at: number): string {
  return `127.0.${10 + Math.floor(at / NETWORK)}.${(at % NETWORK) + 1}`;
}

/** Ends the group of a process that a host of the benchmark recorded. */
function killByFile(file: string): void {
  try {
    // Without a number there is none: 0 would be this process's own group.
    process.kill(-(Number(readFileSync(file, "utf8").split(" ")[0]) || Number.NaN), "SIGKILL");
  } catch {
    // Nothing runs there.
  }
}
