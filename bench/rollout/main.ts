/**
 * Brings a release to many hosts and switches them: Sunny beside plain OpenSSH, ansible, Capistrano and pyinfra, one
 * after the other on the same machine, which is client and all hosts at once. Then the next release, of which one file
 * differs. Every host's files and its service are compared at the end of each. SUNNY_BENCH_HOSTS takes fewer hosts for
 * a look, SUNNY_BENCH_PEERS names the peers, SUNNY_BENCH_PYINFRA is pyinfra's path.
 *
 * Where little is sent, connecting is most of the work: so the next release is brought to them in three ways.
 * - `next release`: right after the first one, every tool as it comes. Sunny and ansible keep connections for a minute
 *   (ControlPersist): Sunny up to 62 of them, within its limit of 64 processes, and makes the others anew.
 * - `next release, no open connection`: the same when that minute is over. OpenSSH's client and servers agree on a key
 *   exchange of which the client's part alone takes 0.1 s of a processor (since version 9 sntrup761 with x25519), and Sunny and
 *   `ssh` pay it alike. It has no bars. Its ratios are to what the peers that keep no connections took for the next release.
 * - `next release, curve25519`: no open connection either, and servers that offer curve25519-sha256 only, which was agreed
 *   on before version 9. The exchange costs a tenth of it: the ratio says more about what the tools themselves do.
 *
 * Peers: `apt-get install ansible-core capistrano`, `python3 -m venv V && V/bin/pip install pyinfra`. One that is clearly
 * slower than its bar is ended, named in `stopped`, and counts with the time until then; one that fails is named in `failed`.
 */
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { messageOf } from "../../src/errors.ts";
import type { RunBench } from "../shape.ts";
import { casesOf } from "./cases.ts";
import type { BenchCase } from "./cases.ts";
import { benchFleet } from "./fleet.ts";
import type { BenchFleet } from "./fleet.ts";
import { endLeft, measure, newMark } from "./measure.ts";
import type { Measured } from "./measure.ts";
import { ours as oursTool } from "./ours.ts";
import { toolsHere } from "./peers.ts";
import { resultOf } from "./result.ts";
import type { Series } from "./result.ts";
import { workDir } from "./tool.ts";
import type { Tool } from "./tool.ts";

const FILES = 800;
/** Hosts in work at once; with connections beside the shared ones they stay within the transport's 64 processes. */
const WIDTH = 30;
/** A peer is ended when it has taken so many times what its bar asks for, but never before so many seconds. */
const CLEARLY = 1.15;
const LEAST_S = 180;
/** For everything, so that the benchmark ends within 15 minutes. */
const WHOLE_S = 840;

type Fleets = (kex: string | undefined) => Promise<BenchFleet>;

export const run: RunBench = async ({ log }) => {
  const count = Number(process.env["SUNNY_BENCH_HOSTS"] ?? 100);
  const wanted = process.env["SUNNY_BENCH_PEERS"]?.split(",");
  const here = toolsHere();
  const until = performance.now() + WHOLE_S * 1000;
  const left = (): number => until - performance.now();
  const fleet = await benchFleet({ hosts: count, files: FILES }, path.join(tmpdir(), `sunny-bench-${process.pid}`));
  const others = new Map<string, Promise<BenchFleet>>();
  const fleets: Fleets = async (kex) => {
    if (kex === undefined) return fleet;
    const other = others.get(kex) ?? fleet.exchanging(kex);
    others.set(kex, other);
    return other;
  };
  try {
    const ours = await series(fleets, oursTool({ width: WIDTH }), log, left);
    const peers = new Map<string, Series>();
    const failed: Record<string, string> = {};
    for (const tool of here.tools.filter(({ name }) => wanted?.includes(name) ?? true)) {
      try {
        const limit = (one: BenchCase): number => {
          const seconds = CLEARLY * (one.bars[tool.name] ?? 0) * (ours.get(one)?.seconds ?? 0);
          return Math.min(left(), 1000 * Math.max(LEAST_S, seconds));
        };
        peers.set(tool.name, await series(fleets, tool, log, limit));
      } catch (error) {
        failed[tool.name] = messageOf(error).slice(0, 500);
        log(`${tool.name} failed: ${failed[tool.name]}`);
      }
    }
    const releaseBytes = fleet.releases.map((release) => release.bytes);
    return resultOf({ hosts: count, ours, peers, missing: here.missing, failed, releaseBytes });
  } finally {
    await fleet.close();
  }
};

/** All cases with one tool, one after the other on the same hosts, checked after each. */
async function series(
  fleets: Fleets,
  tool: Tool,
  log: (line: string) => void,
  limitMs: (one: BenchCase) => number,
): Promise<Series> {
  const found = new Map<BenchCase, Measured>();
  const fleet = await fleets(undefined);
  const mark = newMark();
  fleet.prepare(tool.name);
  try {
    let unfinished: BenchCase | null = null;
    for (const one of casesOf(tool.name)) {
      // What was ended left the hosts in between: the next one begins with what it would have come to.
      if (unfinished !== null) {
        fleet.clear(tool.name);
        fleet.prepare(tool.name);
        fleet.install(tool.name, fleet.releases[unfinished.release]);
      }
      if (one.cold === true) endLeft(mark);
      const measured = await once(await fleets(one.kex), tool, one, log, limitMs(one), mark);
      found.set(one, measured);
      unfinished = measured.stopped ? one : null;
    }
    return found;
  } finally {
    endLeft(mark);
    fleet.clear(tool.name);
  }
}

async function once(
  fleet: BenchFleet,
  tool: Tool,
  one: BenchCase,
  log: (line: string) => void,
  limitMs: number,
  mark: string,
): Promise<Measured> {
  if (limitMs < 1000) throw new Error("there was no time left");
  const release = fleet.releases[one.release];
  const { argv, env } = tool.command(fleet, release);
  const measured = await measure(argv, workDir(fleet, tool.name), env, limitMs, mark);
  const wrong = measured.stopped ? [] : await fleet.wrong(tool.name, release);
  if (wrong.length > 0) throw new Error(`${tool.name} did not do the job: ${wrong.slice(0, 5).join("; ")}`);
  const { seconds, cpuSeconds, peakPssBytes, peakSsh, stopped } = measured;
  const figures = `${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU, ${Math.round(peakPssBytes / 1e6)} MB`;
  const exchange = one.kex === undefined ? "" : ` with ${one.kex}`;
  log(
    `${tool.name} ${release.version}${exchange}: ${figures}, ${peakSsh} ssh at once${stopped ? ", not done by then" : ""}`,
  );
  return measured;
}
