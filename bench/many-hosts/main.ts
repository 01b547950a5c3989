/**
 * Brings a small release, and then the next one, to 1,000 hosts over SSH: all are given it at once, as a rollout does, then
 * they are switched. Says what the orchestrator's own process takes and how many processes of `ssh` lived at once. The
 * hosts are addresses of the loopback network, their services one process. SUNNY_BENCH_HOSTS takes fewer.
 */
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { benchFleet } from "../rollout/fleet.ts";
import { measure } from "../rollout/measure.ts";
import type { Measured } from "../rollout/measure.ts";
import { ours } from "../rollout/ours.ts";
import { workDir } from "../rollout/tool.ts";
import type { BenchRow, RunBench } from "../shape.ts";

const FILES = 10;
const WIDTH = 60;
const OWN_RSS_BYTES = 250e6;
const MAX_SSH = 64;
/** For both releases. */
const LIMIT_MS = 420_000;

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
  const rows: BenchRow[] = [];
  const own: Own[] = [];
  const seen: Measured[] = [];
  try {
    fleet.prepare(tool.name);
    for (const [at, release] of fleet.releases.entries()) {
      const { argv } = tool.command(fleet, release);
      const measured = await measure(argv, workDir(fleet, tool.name), {}, LIMIT_MS);
      if (measured.stopped) throw new Error(`${hosts} hosts were not done within ${LIMIT_MS / 1000} s`);
      const wrong = await fleet.wrong(tool.name, release);
      if (wrong.length > 0) throw new Error(`the job was not done: ${wrong.slice(0, 5).join("; ")}`);
      const told = JSON.parse(measured.stdout.trim().split("\n").at(-1) ?? "{}") as Own;
      const row = rowOf(`${hosts} hosts${at === 0 ? "" : ", next release"}`, measured, told);
      log(JSON.stringify(row));
      rows.push(row);
      own.push(told);
      seen.push(measured);
    }
  } finally {
    fleet.clear(tool.name);
    await fleet.close();
  }
  const rss = Math.max(...own.map((one) => one.ownRssBytes));
  const ssh = Math.max(...seen.map((one) => one.peakSsh), ...own.map((one) => one.peak));
  const bars = [
    { bar: "own process ≤ 250 MB", value: rounded(rss / 1e6), met: rss <= OWN_RSS_BYTES },
    { bar: `live ssh processes ≤ ${MAX_SSH}`, value: ssh, met: ssh <= MAX_SSH },
  ];
  return { bench: "many-hosts", rows, bars };
};

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
