/**
 * Brings a release to many hosts and switches them: Sunny beside plain OpenSSH, ansible, Capistrano and pyinfra, one
 * after the other on the same machine, which is client and all hosts at once. Then the next release, of which one file
 * differs. Every host's files and its service are compared at the end of each. SUNNY_BENCH_HOSTS takes fewer hosts for
 * a look, SUNNY_BENCH_PEERS names the peers, SUNNY_BENCH_PYINFRA is pyinfra's path, SUNNY_BENCH_KEX the key exchange of the
 * servers (curve25519-sha256 costs an OpenSSH client a tenth of its default).
 *
 * Peers: `apt-get install ansible-core capistrano`, `python3 -m venv V && V/bin/pip install pyinfra`. One that is clearly
 * slower than its bar is ended, named in `stopped`, and counts with the time until then; one that fails is named in `failed`.
 */
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { messageOf } from "../../src/errors.ts";
import type { BenchResult, BenchRow, RunBench } from "../shape.ts";
import { benchFleet } from "./fleet.ts";
import type { BenchFleet } from "./fleet.ts";
import { measure } from "./measure.ts";
import type { Measured } from "./measure.ts";
import { ours as oursTool } from "./ours.ts";
import { toolsHere } from "./peers.ts";
import type { BenchRelease } from "./releases.ts";
import { workDir } from "./tool.ts";
import type { Tool } from "./tool.ts";

/** Least ratios, first release and next release. */
const BARS: Readonly<Record<string, readonly [number, number]>> = {
  ssh: [0.8, 2.5],
  ansible: [5, 15],
  capistrano: [1, 4],
  pyinfra: [0.8, 2.5],
};
const FILES = 800;
/** Hosts in work at once; with connections beside the shared ones they stay within the transport's 64 processes. */
const WIDTH = 30;
/** A peer is ended when it has taken so many times what its bar asks for, but never before so many seconds. */
const CLEARLY = 1.15;
const LEAST_S = 180;
/** For everything, so that the benchmark ends within 15 minutes. */
const WHOLE_S = 840;
const FEWER_BYTES = 50;
const OWN_RSS_BYTES = 250e6;
const MAX_SSH = 64;

type Pair = readonly [Measured, Measured];

export const run: RunBench = async ({ log }) => {
  const count = Number(process.env["SUNNY_BENCH_HOSTS"] ?? 100);
  const wanted = process.env["SUNNY_BENCH_PEERS"]?.split(",");
  const here = toolsHere();
  const peers = here.tools.filter((tool) => wanted?.includes(tool.name) ?? true);
  const until = performance.now() + WHOLE_S * 1000;
  const fleet = await benchFleet({ hosts: count, files: FILES }, path.join(tmpdir(), `sunny-bench-${process.pid}`));
  try {
    const ours = await both(fleet, oursTool({ width: WIDTH }), log, [
      until - performance.now(),
      until - performance.now(),
    ]);
    const others = new Map<string, Pair>();
    const failed: Record<string, string> = {};
    for (const tool of peers) {
      const limits = ours.map(({ seconds }, at) => 1000 * limitOf(tool.name, seconds, at as 0 | 1)) as [number, number];
      try {
        others.set(tool.name, await both(fleet, tool, log, limits, until));
      } catch (error) {
        failed[tool.name] = messageOf(error).slice(0, 500);
        log(`${tool.name} failed: ${failed[tool.name]}`);
      }
    }
    return result(count, fleet, ours, others, { missing: here.missing, failed });
  } finally {
    await fleet.close();
  }
};

function limitOf(peer: string, ours: number, at: 0 | 1): number {
  return Math.max(LEAST_S, CLEARLY * (BARS[peer]?.[at] ?? 0) * ours);
}

/** Both releases with one tool, checked after each. */
async function both(
  fleet: BenchFleet,
  tool: Tool,
  log: (line: string) => void,
  limits: readonly [number, number],
  until = Infinity,
): Promise<Pair> {
  const within = (limit: number): number => Math.min(limit, until - performance.now());
  fleet.prepare(tool.name);
  try {
    const first = await once(fleet, tool, fleet.releases[0], log, within(limits[0]));
    if (first.stopped) {
      fleet.clear(tool.name);
      fleet.prepare(tool.name);
      fleet.install(tool.name, fleet.releases[0]);
    }
    return [first, await once(fleet, tool, fleet.releases[1], log, within(limits[1]))];
  } finally {
    fleet.clear(tool.name);
  }
}

async function once(
  fleet: BenchFleet,
  tool: Tool,
  release: BenchRelease,
  log: (line: string) => void,
  limitMs: number,
): Promise<Measured> {
  if (limitMs < 1000) throw new Error("there was no time left");
  const { argv, env } = tool.command(fleet, release);
  const measured = await measure(argv, workDir(fleet, tool.name), env, limitMs);
  const wrong = measured.stopped ? [] : await fleet.wrong(tool.name, release);
  if (wrong.length > 0) throw new Error(`${tool.name} did not do the job: ${wrong.slice(0, 5).join("; ")}`);
  const { seconds, cpuSeconds, peakPssBytes, peakSsh, stopped } = measured;
  const figures = `${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU, ${Math.round(peakPssBytes / 1e6)} MB`;
  log(`${tool.name} ${release.version}: ${figures}, ${peakSsh} ssh at once${stopped ? ", not done by then" : ""}`);
  return measured;
}

/** What Sunny's process printed of itself. */
interface Own {
  readonly sentBytes: number;
  readonly peak: number;
  readonly connections: number;
  readonly ownRssBytes: number;
}

function result(
  count: number,
  fleet: BenchFleet,
  ours: Pair,
  others: ReadonlyMap<string, Pair>,
  absent: { readonly missing: readonly string[]; readonly failed: Readonly<Record<string, string>> },
): BenchResult {
  const own = ours.map((one) => JSON.parse(one.stdout.trim().split("\n").at(-1) ?? "{}") as Own) as [Own, Own];
  const names = [`${count} hosts`, `${count} hosts, next release`] as const;
  const rows = names.map((name, at) => rowOf(name, at as 0 | 1, ours, others, own));
  const full = count * fleet.releases[1].bytes;
  const fewer = full / own[1].sentBytes;
  const bars = [
    ...names.flatMap((name, at) =>
      [...others.keys()].map((peer) => {
        const value = rows[at]?.ratio[peer] ?? 0;
        return bar(`${name}: ${peer} / sunny ≥ ${BARS[peer]?.[at]}`, value, value >= (BARS[peer]?.[at] ?? 0));
      }),
    ),
    bar(`next release: bytes of a full copy / bytes sent ≥ ${FEWER_BYTES}`, fewer, fewer >= FEWER_BYTES),
    bar("own process ≤ 250 MB", own[0].ownRssBytes, Math.max(...own.map((one) => one.ownRssBytes)) <= OWN_RSS_BYTES),
    bar("live ssh processes ≤ 64", ours[0].peakSsh, Math.max(...ours.map((one) => one.peakSsh)) <= MAX_SSH),
  ];
  for (const peer of Object.keys(absent.failed)) bars.push(bar(`${peer} did the job`, 0, false));
  const cap = others.get("capistrano");
  if (cap !== undefined) {
    for (const [at, name] of names.entries()) {
      const [mine, theirs] = [ours[at as 0 | 1], cap[at as 0 | 1]];
      bars.push(
        bar(
          `${name}: client CPU ≤ capistrano`,
          theirs.cpuSeconds / mine.cpuSeconds,
          mine.cpuSeconds <= theirs.cpuSeconds,
        ),
      );
      bars.push(
        bar(
          `${name}: memory ≤ capistrano`,
          theirs.peakPssBytes / mine.peakPssBytes,
          mine.peakPssBytes <= theirs.peakPssBytes,
        ),
      );
    }
  }
  return { bench: "rollout", rows, ...absent, bars, releaseBytes: fleet.releases[0].bytes };
}

function rowOf(
  name: string,
  at: 0 | 1,
  ours: Pair,
  others: ReadonlyMap<string, Pair>,
  own: readonly [Own, Own],
): BenchRow {
  const per = (of: (pair: Measured) => number): Record<string, number> =>
    Object.fromEntries([...others].map(([peer, pair]) => [peer, round(of(pair[at]))]));
  return {
    case: name,
    ours: round(ours[at].seconds),
    peers: per((one) => one.seconds),
    unit: "s",
    ratio: per((one) => one.seconds / ours[at].seconds),
    cpuSeconds: { sunny: round(ours[at].cpuSeconds), ...per((one) => one.cpuSeconds) },
    peakPssMb: { sunny: round(ours[at].peakPssBytes / 1e6), ...per((one) => one.peakPssBytes / 1e6) },
    sentBytes: own[at].sentBytes,
    connections: own[at].connections,
    peakSsh: ours[at].peakSsh,
    ownRssMb: round(own[at].ownRssBytes / 1e6),
    stopped: [...others].flatMap(([peer, pair]) => (pair[at].stopped ? [peer] : [])),
  };
}

function bar(name: string, value: number, met: boolean): { bar: string; value: number; met: boolean } {
  return { bar: name, value: round(value), met };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
