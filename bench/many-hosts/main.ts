/**
 * Brings a small release to 1,000 hosts over SSH: all are given it at once, as a rollout does, then they are switched. Says
 * what the orchestrator's own process takes and how many processes of `ssh` lived at once. The hosts are addresses of the
 * loopback network, their services one process. SUNNY_BENCH_HOSTS takes fewer.
 *
 * It is long: with fewer processes of `ssh` than hosts, nearly every host is connected to twice, and a connection costs
 * the machine, which is both ends, 0.14 s of a processor. All in all a host is half a second of a processor, so 1,000 hosts
 * are some 4 minutes of two processors that have nothing else to do. It says every 10 s how far it is, and gives up after
 * 12 minutes.
 */
import { existsSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { benchFleet } from "../rollout/fleet.ts";
import type { BenchFleet } from "../rollout/fleet.ts";
import { measure } from "../rollout/measure.ts";
import type { Measured } from "../rollout/measure.ts";
import { ours } from "../rollout/ours.ts";
import type { BenchRelease } from "../rollout/releases.ts";
import { workDir } from "../rollout/tool.ts";
import type { BenchRow, RunBench } from "../shape.ts";

const FILES = 10;
const WIDTH = 60;
const OWN_RSS_BYTES = 250e6;
const MAX_SSH = 64;
const LIMIT_MS = 720_000;
const PROGRESS_MS = 10_000;

/** What Sunny's process printed of itself. */
interface Own {
  readonly connections: number;
  readonly retried: number;
  readonly ownRssBytes: number;
  readonly peak: number;
}

export const run: RunBench = async ({ log }) => {
  const hosts = Number(process.env["SUNNY_BENCH_HOSTS"] ?? 1000);
  const fleet = await benchFleet(
    { hosts, files: FILES, oneServer: true },
    path.join(tmpdir(), `sunny-bench-${process.pid}`),
  );
  const tool = ours({ width: WIDTH, phases: true });
  try {
    fleet.prepare(tool.name);
    const [release] = fleet.releases;
    const { argv, env } = tool.command(fleet, release);
    const progress = setInterval(() => log(progressOf(fleet, tool.name, release)), PROGRESS_MS);
    const measuring = measure(argv, workDir(fleet, tool.name), env, LIMIT_MS);
    const measured = await measuring.finally(() => clearInterval(progress));
    if (measured.stopped) {
      throw new Error(`not done within ${LIMIT_MS / 1000} s: ${progressOf(fleet, tool.name, release)}`);
    }
    const wrong = await fleet.wrong(tool.name, release);
    if (wrong.length > 0) throw new Error(`the job was not done: ${wrong.slice(0, 5).join("; ")}`);
    const own = JSON.parse(measured.stdout.trim().split("\n").at(-1) ?? "{}") as Own;
    const ssh = Math.max(measured.peakSsh, own.peak);
    const bars = [
      { bar: "own process ≤ 250 MB", value: rounded(own.ownRssBytes / 1e6), met: own.ownRssBytes <= OWN_RSS_BYTES },
      { bar: `live ssh processes ≤ ${MAX_SSH}`, value: ssh, met: ssh <= MAX_SSH },
    ];
    return { bench: "many-hosts", rows: [rowOf(`${hosts} hosts`, measured, own)], bars };
  } finally {
    await fleet.close();
  }
};

/** How far it is, by what lies on the hosts. */
function progressOf(fleet: BenchFleet, tool: string, release: BenchRelease): string {
  const roots = fleet.hosts.map((host) => fleet.rootOf(tool, host));
  const has = roots.filter((root) => existsSync(path.join(root, "releases", release.id, ".sunny-release"))).length;
  const active = roots.filter((root) => linkOf(path.join(root, "current")) === `releases/${release.id}`).length;
  return `${release.version}: ${has} of ${roots.length} hosts have it, ${active} are switched to it`;
}

function linkOf(file: string): string | null {
  try {
    return readlinkSync(file);
  } catch {
    return null;
  }
}

function rowOf(name: string, measured: Measured, own: Own): BenchRow {
  return {
    case: name,
    ours: rounded(measured.seconds),
    peers: {},
    unit: "s",
    ratio: {},
    cpuSeconds: rounded(measured.cpuSeconds),
    ownRssMb: rounded(own.ownRssBytes / 1e6),
    peakPssMb: rounded(measured.peakPssBytes / 1e6),
    peakSsh: measured.peakSsh,
    connections: own.connections,
    retried: own.retried,
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
