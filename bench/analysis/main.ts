/**
 * Sunny's verdicts against the decision rules of Flagger, Argo Rollouts and Kayenta, on the same simulated traffic. Each
 * peer is measured with its defaults, and tuned for the very scenario: the setting soonest to roll back among those
 * that take back at most 1 % of the same traffic's healthy releases. SUNNY_BENCH_RUNS scales the runs down for a look.
 */
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { Worker } from "node:worker_threads";
import type { BenchRow, RunBench } from "../shape.ts";
import { timeThousandHosts } from "./hosts.ts";
import type { PeerTimes } from "./peers.ts";
import { CONFIDENCES } from "./peers.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenario.ts";
import { medianOf, quantileOf, upperBound } from "./statistics.ts";
import type { Batch, Outcome } from "./worker.ts";

const HEALTHY_RUNS = 2000;
const BAD_RUNS = 300;
const MOST_FALSE = 0.01;
const PEERS = ["flagger", "argo", "kayenta", "flagger-10s", "argo-10s"] as const;
type Peer = (typeof PEERS)[number];

interface Measured {
  readonly scenario: Scenario;
  readonly outcomes: readonly Outcome[];
}

export const run: RunBench = async ({ log }) => {
  const scale = Number(process.env["SUNNY_BENCH_RUNS"] ?? 1);
  const all = scenarios();
  const measured = await measureAll(all, scale, log);
  const byName = new Map(measured.map((one) => [one.scenario.name, one]));
  const rows: BenchRow[] = [];
  const notTunable: string[] = [];
  const sooner: string[] = [];
  const bad: BenchRow[] = [];
  for (const one of measured) {
    if (one.scenario.trouble === null) rows.push(healthyRow(one));
    else {
      const { row, failed } = badRow(one, byName.get(one.scenario.twin)!);
      rows.push(row);
      bad.push(row);
      for (const peer of failed) notTunable.push(`${row.case}: ${peer}`);
      for (const [peer, ratio] of Object.entries(row.ratio))
        if (ratio < 1) sooner.push(`${row.case}: ${peer} ${row.peers[peer]} s, Sunny ${row.ours} s`);
    }
  }
  const overall = medianRow(bad);
  rows.push(overall);
  const hosts = timeThousandHosts();
  return { bench: "analysis", rows, missing: [], notTunable, sooner, bars: barsOf(rows, overall, hosts) };
};

/** Spreads the runs over two threads. */
async function measureAll(all: readonly Scenario[], scale: number, log: (line: string) => void): Promise<Measured[]> {
  const outcomes: Outcome[][] = all.map(() => []);
  const batches: Batch[] = all.flatMap((one, scenario) => {
    const runs = Math.max(20, Math.round((one.trouble === null ? HEALTHY_RUNS : BAD_RUNS) * scale));
    const size = 100;
    return Array.from({ length: Math.ceil(runs / size) }, (_, i) => ({
      scenario,
      from: i * size,
      runs: Math.min(size, runs - i * size),
    }));
  });
  // The longest first, so that both threads end together.
  batches.sort((a, b) => all[b.scenario]!.seconds - all[a.scenario]!.seconds);
  let next = 0;
  let done = 0;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(path.join(import.meta.dirname, "worker.ts"));
      const give = (): void => {
        const batch = batches[next++];
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
        if (batch !== undefined) return worker.postMessage(batch);
        void worker.terminate();
        resolve();
      };
      worker.on("error", reject);
      worker.on("message", (message: { batch: Batch; outcomes: Outcome[] }) => {
        const own = outcomes[message.batch.scenario]!;
        for (const [i, outcome] of message.outcomes.entries()) own[message.batch.from + i] = outcome;
        if (++done % 100 === 0) log(`analysis: ${done} of ${batches.length} batches`);
        give();
      });
      give();
    });
  await Promise.all(Array.from({ length: Math.min(2, os.availableParallelism()) }, work));
  return all.map((scenario, i) => ({ scenario, outcomes: outcomes[i]! }));
}

/** How many settings a peer has in this scenario: thresholds 1.. for Flagger, limits 0.. for Argo, confidences. */
function settingsOf(peer: Peer, scenario: Scenario): number {
  if (peer === "kayenta") return CONFIDENCES.length;
  return scenario.seconds / (peer.endsWith("10s") ? 10 : 60);
}

/** When the peer rolls back with its i-th setting, Infinity for never. */
function timeOf(peers: PeerTimes, peer: Peer, setting: number): number {
  return peers[peer][setting] ?? Infinity;
}

function falseRate(outcomes: readonly Outcome[], peer: Peer, setting: number): number {
  return outcomes.filter(({ peers }) => timeOf(peers, peer, setting) !== Infinity).length / outcomes.length;
}

/** What a setting is called in the peer's own words. */
function settingName(peer: Peer, setting: number): string {
  if (peer === "kayenta") return `confidence ${CONFIDENCES[setting]}`;
  return peer.startsWith("flagger") ? `threshold ${setting + 1}` : `failureLimit ${setting}`;
}

function healthyRow({ scenario, outcomes }: Measured): BenchRow {
  const runs = outcomes.length;
  const hits = outcomes.filter(({ ours }) => ours !== Infinity).length;
  const bound = upperBound(hits, runs);
  const peers = Object.fromEntries(PEERS.map((peer) => [peer, percent(falseRate(outcomes, peer, 0))]));
  return {
    case: scenario.name,
    ours: percent(hits / runs),
    peers,
    unit: "% of healthy releases rolled back (peers with their defaults)",
    // By upper bounds, which are never zero.
    ratio: Object.fromEntries(
      PEERS.map((peer) => [peer, rounded(upperBound(Math.round(falseRate(outcomes, peer, 0) * runs), runs) / bound)]),
    ),
    runs,
    upperBound: percent(bound),
    held: percent(outcomes.filter(({ held }) => held).length / runs),
    intervalSeconds: medianOf(outcomes.map(({ intervalSeconds }) => intervalSeconds)),
  };
}

function badRow(one: Measured, twin: Measured): { row: BenchRow; failed: Peer[] } {
  const { scenario, outcomes } = one;
  const start = scenario.trouble!.start;
  const since = (time: number): number => Math.max(0, Math.min(time, scenario.seconds) - start);
  const summary = (times: readonly number[]): { median: number; p95: number } => {
    return { median: medianOf(times.map(since)), p95: quantileOf(times.map(since), 0.95) };
  };
  const ours = summary(outcomes.map(({ ours }) => ours));
  const peers: Record<string, number> = {};
  const ratio: Record<string, number> = {};
  const p95: Record<string, number> = {};
  const settings: Record<string, string> = {};
  const defaults: Record<string, unknown> = {};
  const failed: Peer[] = [];
  for (const peer of PEERS) {
    const byDefault = summary(outcomes.map(({ peers }) => timeOf(peers, peer, 0)));
    defaults[peer] = { ...byDefault, falsePercent: rounded(100 * falseRate(twin.outcomes, peer, 0)) };
    const count = settingsOf(peer, scenario);
    const tuned = Array.from({ length: count }, (_, i) => i).find(
      (i) => falseRate(twin.outcomes, peer, i) <= MOST_FALSE,
    );
    if (tuned === undefined) {
      failed.push(peer);
      continue;
    }
    const times = summary(outcomes.map(({ peers }) => timeOf(peers, peer, tuned)));
    peers[peer] = times.median;
    p95[peer] = times.p95;
    settings[peer] = settingName(peer, tuned);
    ratio[peer] = rounded(times.median / Math.max(1, ours.median));
  }
  const row: BenchRow = {
    case: scenario.name,
    ours: ours.median,
    peers,
    unit: "s to roll back, median (peers tuned)",
    ratio,
    runs: outcomes.length,
    p95: ours.p95,
    peersP95: p95,
    settings,
    defaults,
    intervalSeconds: medianOf(outcomes.map(({ intervalSeconds }) => intervalSeconds)),
    caught: rounded(outcomes.filter(({ ours }) => ours !== Infinity).length / outcomes.length),
  };
  return { row, failed };
}

function medianRow(bad: readonly BenchRow[]): BenchRow {
  const ratio: Record<string, number> = {};
  const peers: Record<string, number> = {};
  for (const peer of PEERS) {
    const own = bad.filter((row) => row.ratio[peer] !== undefined);
    ratio[peer] = rounded(medianOf(own.map((row) => row.ratio[peer]!)));
    peers[peer] = rounded(medianOf(own.map((row) => row.peers[peer]!)));
  }
  const unit = "s to roll back, median of the scenarios; ratios are medians of ratios";
  return { case: "median over bad", ours: medianOf(bad.map((row) => row.ours)), peers, unit, ratio };
}

function barsOf(rows: readonly BenchRow[], overall: BenchRow, hosts: number): Bar[] {
  const healthy = rows.filter((row) => row.case.startsWith("healthy"));
  const worst = Math.max(...healthy.map((row) => row.ours));
  const named = (name: string): number => rows.find((row) => row.case === name)!.ours;
  const late = named("60 minutes, 100/s → 5 % after 30 minutes") / named("60 minutes, 100/s → 5 % from the start");
  const unplanned =
    named("60 minutes planned for 10, 100/s → 5 % after 30 minutes") / named("60 minutes, 100/s → 5 % from the start");
  const main = named("100/s, canary 10 %, errors 0.2 % → 5 %");
  return [
    atMost("false rollbacks in the worst healthy scenario, %, at most 1", worst, 1),
    atLeast("median ratio to flagger, at least 5", overall.ratio["flagger"]!, 5),
    atLeast("median ratio to argo, at least 5", overall.ratio["argo"]!, 5),
    atLeast("median ratio to kayenta, at least 5", overall.ratio["kayenta"]!, 5),
    atLeast("median ratio to flagger-10s, at least 3", overall.ratio["flagger-10s"]!, 3),
    atLeast("median ratio to argo-10s, at least 3", overall.ratio["argo-10s"]!, 3),
    atMost("trouble of the 30th minute against trouble at the start, times, at most 3", late, 3),
    atMost("the same in a bake planned for 10 minutes, times, at most 3", unplanned, 3),
    atMost("100/s, canary 10 %, 5 % against 0.2 %, all rules, s, at most 15", main, 15),
    atMost("one interval over 1,000 hosts, ms, at most 5", hosts, 5),
  ];
}

interface Bar {
  readonly bar: string;
  readonly value: number;
  readonly met: boolean;
}

function atMost(bar: string, value: number, most: number): Bar {
  return { bar, value: rounded(value), met: value <= most };
}

function atLeast(bar: string, value: number, least: number): Bar {
  return { bar, value: rounded(value), met: value >= least };
}

function percent(part: number): number {
  return rounded(100 * part);
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
