import { chmod, mkdir, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Clock } from "../../../src/clock.ts";
import type { ReleaseRef } from "../../../src/operation.ts";
import type { PackedRelease } from "../../../src/release/pack.ts";
import { releaseRef } from "../../../src/release/manifest.ts";
import { type Wanted, buildReleases } from "../releases/build-releases.ts";
import { VARIANTS } from "../releases/stage.ts";
import { type CertificateFiles, createCertificates } from "./certificates.ts";
import { createDatabase } from "./database.ts";
import { type PgpKeyFiles, type ReleaseKey, createPgpKey, createReleaseKey } from "./keys.ts";
import { freePorts } from "./ports.ts";

/** The address that customers know; in the demo it leads to the proxy on this machine. */
export const API_HOST = "api.sunnypayments.com";

/** A host of the demo: a directory, and a port for its service. */
export interface DemoHost {
  readonly name: string;
  readonly root: string;
  readonly port: number;
}

/** Everything the demo's system is made of, on disk; nothing runs yet. All paths are absolute. */
export interface DemoEnvironment {
  /** 0700, with everything else inside. */
  readonly directory: string;
  readonly hosts: readonly DemoHost[];
  readonly database: { readonly file: string; readonly backupDir: string; readonly keys: PgpKeyFiles };
  readonly proxy: { readonly port: number; readonly socket: string };
  readonly certificates: CertificateFiles;
  /** The operator attests gates, the CTO approves: both sign with keys that the demo made. */
  readonly people: { readonly operator: PgpKeyFiles; readonly cto: PgpKeyFiles };
  readonly releaseKey: ReleaseKey;
  /** Where the packed releases are, and each of them by version. */
  readonly releasesDir: string;
  readonly releases: ReadonlyMap<string, PackedRelease>;
  /** The release that the hosts run before the first deployment: 2.0.0. */
  readonly running: ReleaseRef;
  /** Where the load generator keeps what was acknowledged. */
  readonly ledgerFile: string;
}

export interface EnvironmentOptions {
  readonly clock: Clock;
  /** Made when missing; default a new one in the system's temporary directory. */
  readonly directory?: string;
  /** Default 4. */
  readonly hostCount?: number;
  /** Releases besides the running one; default all variants as their own versions. */
  readonly releases?: readonly Wanted[];
}

/** What every system accepts as the path of a socket. */
const SOCKET_PATH_BYTES = 103;

/** What a service may use in the demo: small, so that a leak is seen within seconds. */
const MEMORY_LIMIT_BYTES = 160 * 1024 * 1024;

/** Makes the demo's system in a directory: keys, certificates, releases, hosts, database. Takes about a second. */
export async function createEnvironment(options: EnvironmentOptions): Promise<DemoEnvironment> {
  const { clock } = options;
  const directory = await ownDirectory(options.directory);
  requireShortPath(directory);
  const keysDir = path.join(directory, "keys");
  const now = clock.now();
  const pgp = (name: string, user: string): Promise<PgpKeyFiles> =>
    createPgpKey(keysDir, { name, user, email: `${name}@sunnypayments.com`, now });
  const releaseKey = await createReleaseKey(keysDir, "sunnypayments.com/releases");
  const releasesDir = path.join(directory, "releases");
  const wanted = options.releases ?? VARIANTS.filter((one) => one !== "baseline").map((variant) => ({ variant }));
  const packed = await buildReleases({
    out: releasesDir,
    signers: [releaseKey.signer],
    releases: [{ variant: "baseline" }, ...wanted],
  });
  const running = releaseRef((packed[0] as PackedRelease).manifest);
  const databaseFile = path.join(directory, "database", "payments.db");
  await createDatabase(databaseFile, running, clock);
  const [proxyPort = 0, ...ports] = await freePorts(1 + (options.hostCount ?? 4));
  const hosts = ports.map((port, index) => {
    const name = `web-${index + 1}`;
    return { name, root: path.join(directory, "hosts", name), port };
  });
  for (const host of hosts) await createHost(host, databaseFile);
  return {
    directory,
    hosts,
    database: {
      file: databaseFile,
      backupDir: await privateDirectory(directory, "backups"),
      keys: await pgp("dba", "Database Admin"),
    },
    proxy: { port: proxyPort, socket: path.join(await privateDirectory(directory, "run"), "proxy.sock") },
    certificates: await createCertificates(path.join(directory, "tls"), { hosts: [API_HOST], now }),
    people: { operator: await pgp("operator", "Operator"), cto: await pgp("cto", "CTO") },
    releaseKey,
    releasesDir,
    releases: new Map(packed.map((release) => [release.manifest.version, release])),
    running,
    ledgerFile: path.join(directory, "ledger.jsonl"),
  };
}

async function ownDirectory(wanted: string | undefined): Promise<string> {
  if (wanted !== undefined) await mkdir(wanted, { recursive: true, mode: 0o700 });
  const directory = await realpath(wanted ?? (await mkdtemp(path.join(tmpdir(), "sunny-"))));
  await chmod(directory, 0o700);
  return directory;
}

/** Better told here than by the first of the programs that cannot open its socket. */
function requireShortPath(directory: string): void {
  const longest = Buffer.byteLength(path.join(directory, "hosts", "web-1", "shared", "run", "admin.sock"));
  if (longest <= SOCKET_PATH_BYTES) return;
  const over = longest - SOCKET_PATH_BYTES;
  throw new Error(
    `The demo cannot run in ${directory}: the paths of its sockets would be ${over} byte${over === 1 ? "" : "s"} longer than systems accept. Choose a shorter directory, such as TMPDIR=/tmp npm run demo`,
  );
}

async function privateDirectory(parent: string, name: string): Promise<string> {
  const directory = path.join(parent, name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** A host as it is before any release is on it: `shared/` with the service's settings and the place of its socket. */
async function createHost(host: DemoHost, databaseFile: string): Promise<void> {
  const shared = await privateDirectory(host.root, "shared");
  const runDir = await privateDirectory(shared, "run");
  const settings = {
    PORT: host.port,
    HOST_NAME: host.name,
    DATA: databaseFile,
    RUN_DIR: runDir,
    MEMORY_LIMIT_BYTES,
    CPU_LIMIT_CORES: 1,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  await writeFile(path.join(shared, "service.env"), `${lines.join("\n")}\n`, { mode: 0o600 });
}
