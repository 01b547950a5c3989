/** What the benchmark says at its end: figures by case, and the bars. */
import type { BenchResult, BenchRow } from "../shape.ts";
import type { BenchCase } from "./cases.ts";
import type { Measured } from "./measure.ts";

const FEWER_BYTES = 50;
const OWN_RSS_BYTES = 250e6;
const MAX_SSH = 64;

/** By case; a peer lacks those that it takes no part in. */
export type Series = ReadonlyMap<BenchCase, Measured>;

/** What Sunny's process printed of itself. */
interface Own {
  readonly sentBytes: number;
  readonly peak: number;
  readonly connections: number;
  readonly takenOver: number;
  readonly ownRssBytes: number;
}

type Bar = NonNullable<BenchResult["bars"]>[number];

export interface RolloutFigures {
  readonly hosts: number;
  readonly ours: Series;
  readonly peers: ReadonlyMap<string, Series>;
  /** Peers that are not installed, and why others did not do the job. */
  readonly missing: readonly string[];
  readonly failed: Readonly<Record<string, string>>;
  /** Bytes of each release's archive. */
  readonly releaseBytes: readonly number[];
}

export function resultOf(figures: RolloutFigures): BenchResult {
  const { hosts, ours, peers, missing, failed, releaseBytes } = figures;
  const nameOf = (one: BenchCase): string => `${hosts} hosts${one.name}`;
  const rows = [...ours].map(([one, measured]) => rowOf(nameOf(one), one, measured, peers));
  const own = [...ours.values()].map((measured) => ownOf(measured));
  const rss = Math.max(...own.map((one) => one.ownRssBytes));
  const ssh = Math.max(...[...ours.values()].map((one) => one.peakSsh));
  const bars = [
    ...[...ours].flatMap(([one, mine]) => barsAgainst(nameOf(one), one, mine, peers)),
    ...[...ours].flatMap(([one, mine]) => {
      if (one.release === 0) return [];
      const fewer = (hosts * (releaseBytes[one.release] ?? 0)) / ownOf(mine).sentBytes;
      return [bar(`${nameOf(one)}: bytes of a full copy / bytes sent ≥ ${FEWER_BYTES}`, fewer, fewer >= FEWER_BYTES)];
    }),
    bar("own process ≤ 250 MB", rss, rss <= OWN_RSS_BYTES),
    bar("live ssh processes ≤ 64", ssh, ssh <= MAX_SSH),
    ...Object.keys(failed).map((peer) => bar(`${peer} did the job`, 0, false)),
  ];
  return { bench: "rollout", rows, missing, failed, bars, releaseBytes: releaseBytes[0] };
}

function ownOf(measured: Measured): Own {
  return JSON.parse(measured.stdout.trim().split("\n").at(-1) ?? "{}") as Own;
}

function rowOf(name: string, one: BenchCase, mine: Measured, peers: RolloutFigures["peers"]): BenchRow {
  const theirs = [...peers].flatMap(([peer, series]) => {
    const measured = series.get(one) ?? toldOf(one, peer, series);
    return measured === undefined ? [] : [[peer, measured] as const];
  });
  const per = (of: (measured: Measured) => number): Record<string, number> =>
    Object.fromEntries(theirs.map(([peer, measured]) => [peer, round(of(measured))]));
  const own = ownOf(mine);
  return {
    case: name,
    ours: round(mine.seconds),
    peers: per((measured) => measured.seconds),
    unit: "s",
    ratio: per((measured) => measured.seconds / mine.seconds),
    cpuSeconds: { sunny: round(mine.cpuSeconds), ...per((measured) => measured.cpuSeconds) },
    peakPssMb: { sunny: round(mine.peakPssBytes / 1e6), ...per((measured) => measured.peakPssBytes / 1e6) },
    sentBytes: own.sentBytes,
    connections: own.connections,
    takenOver: own.takenOver,
    peakSsh: mine.peakSsh,
    ownRssMb: round(own.ownRssBytes / 1e6),
    stopped: theirs.flatMap(([peer, measured]) => (measured.stopped ? [peer] : [])),
  };
}

/** What a peer took for the same job in another case. */
function toldOf({ told }: BenchCase, peer: string, series: Series): Measured | undefined {
  if (told?.peers.includes(peer) !== true) return undefined;
  return [...series].find(([{ name }]) => name === told.of)?.[1];
}

/** Time against every peer; processor time and memory against Capistrano. */
function barsAgainst(name: string, one: BenchCase, mine: Measured, peers: RolloutFigures["peers"]): Bar[] {
  const bars = Object.entries(one.bars).flatMap(([peer, least]) => {
    const theirs = peers.get(peer)?.get(one);
    if (theirs === undefined) return [];
    const ratio = round(theirs.seconds / mine.seconds);
    return [bar(`${name}: ${peer} / sunny ≥ ${least}`, ratio, ratio >= least)];
  });
  const cap = peers.get("capistrano")?.get(one);
  if (cap === undefined) return bars;
  const cpu = cap.cpuSeconds / mine.cpuSeconds;
  const memory = cap.peakPssBytes / mine.peakPssBytes;
  return [
    ...bars,
    bar(`${name}: client CPU ≤ capistrano`, cpu, cpu >= 1),
    bar(`${name}: memory ≤ capistrano`, memory, memory >= 1),
  ];
}

function bar(name: string, value: number, met: boolean): Bar {
  return { bar: name, value: round(value), met };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
