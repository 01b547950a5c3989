/**
 * The hosts of the benchmark: addresses of the loopback network behind real SSH servers, each with a root and a service
 * of its own for every tool, and two releases of which one file differs.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import path from "node:path";
import process from "node:process";
import { generateKey } from "../../src/audit/note.ts";
import { installServiceCommand } from "../../test/support/service-command.ts";
import { makeKey, startSshd } from "../../test/support/sshd.ts";
import type { Sshd } from "../../test/support/sshd.ts";
import { oneServer } from "./one-server.ts";
import { makeReleases, treeOf } from "./releases.ts";
import type { BenchRelease } from "./releases.ts";

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
  readonly releases: readonly [BenchRelease, BenchRelease];
  rootOf(tool: string, host: BenchHost): string;
  /** Makes the roots of a tool anew. */
  prepare(tool: string): void;
  /** Brings a release to the hosts of a tool by hand, so that they have it before the next one. */
  install(tool: string, release: BenchRelease): void;
  /** Hosts whose files or service are not those of the release, with the reason. */
  wrong(tool: string, release: BenchRelease): Promise<string[]>;
  /** Ends the services of a tool and removes its roots. */
  clear(tool: string): void;
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

export async function benchFleet(size: FleetSize, dir: string): Promise<BenchFleet> {
  const count = size.hosts;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const key = makeKey(path.join(dir, "key"));
  const sshds: Sshd[] = [];
  const hosts: BenchHost[] = [];
  // What whoever runs the benchmark has in the start-up files of a shell is no part of a host.
  const home = path.join(dir, "home");
  mkdirSync(home);
  // pyinfra and ansible copy files with it.
  const kex = process.env["SUNNY_BENCH_KEX"];
  const config = [
    "Subsystem sftp internal-sftp",
    `SetEnv HOME=${home}`,
    ...(kex === undefined ? [] : [`KexAlgorithms ${kex}`]),
  ];
  for (let at = 0; at < count; at += ADDRESSES) {
    const addresses = Array.from({ length: Math.min(ADDRESSES, count - at) }, (_, i) => addressOf(at + i));
    const port = await freePort();
    const sshd = await startSshd({
      dir: path.join(dir, `sshd-${at}`),
      port,
      addresses,
      authorizedKeys: [key.public],
      config,
    });
    sshds.push(sshd);
    hosts.push(...addresses.map((address, i) => ({ name: `host-${at + i + 1}`, address, port })));
  }
  const knownHosts = path.join(dir, "known_hosts");
  writeFileSync(knownHosts, sshds.map((sshd) => sshd.knownHosts()).join(""));
  const keys = generateKey("bench");
  const releases = await makeReleases(dir, keys.signer, size.files);
  const servicePort = await freePort();
  const rootOf = (tool: string, host: BenchHost): string => path.join(dir, "hosts", tool, host.name);
  const server = size.oneServer === true ? oneServer() : null;
  return {
    dir,
    user: sshds[0]?.user ?? "root",
    keyFile: key.path,
    knownHosts,
    verifierKey: keys.verifier,
    hosts,
    servicePort,
    releases,
    rootOf,
    prepare(tool) {
      for (const host of hosts) {
        const root = rootOf(tool, host);
        rmSync(root, { recursive: true, force: true });
        if (server === null) installServiceCommand(root, "perl server.pl");
        else server.serve(root, host.address, servicePort);
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
    clear(tool) {
      for (const host of hosts) {
        killByFile(path.join(rootOf(tool, host), ".sunny", "deadman.pid"));
        killByFile(path.join(rootOf(tool, host), "shared", "service.pid"));
      }
      rmSync(path.join(dir, "hosts", tool), { recursive: true, force: true });
    },
    async close() {
      server?.close();
      for (const sshd of sshds) await sshd.stop();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function addressOf(at: number): string {
  return `127.0.${10 + Math.floor(at / NETWORK)}.${(at % NETWORK) + 1}`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Ends the group of a process that a host of the benchmark recorded. */
function killByFile(file: string): void {
  try {
    process.kill(-Number(readFileSync(file, "utf8").split(" ")[0]), "SIGKILL");
  } catch {
    // Nothing runs there.
  }
}
