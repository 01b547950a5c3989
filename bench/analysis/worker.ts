/** Runs scenarios in a thread of its own; one message in is one batch of runs, one message out its outcomes. */
import { parentPort } from "node:worker_threads";
import type { PastInterval } from "../../src/analysis/metrics.ts";
import { ourRun } from "./ours.ts";
import type { PeerTimes } from "./peers.ts";
import { Peers } from "./peers.ts";
import { random } from "./random.ts";
import { scenarios } from "./scenario.ts";
import { pastHour, simulator } from "./simulate.ts";

export interface Batch {
  readonly scenario: number;
  readonly from: number;
  readonly runs: number;
}

export interface Outcome {
  /** Seconds from the beginning, Infinity for never. */
  readonly ours: number;
  readonly held: boolean;
  readonly intervalSeconds: number;
  readonly peers: PeerTimes;
}

const all = scenarios();
/** So many deployments look back on the same hour. */
const SAME_PAST = 10;
let past: { readonly key: string; readonly hour: readonly PastInterval[] } | null = null;

function pastOf(scenario: number, run: number): readonly PastInterval[] {
  const key = `${scenario} ${Math.floor(run / SAME_PAST)}`;
  if (past?.key !== key) {
    const source = random(17 + scenario * 999_983 + Math.floor(run / SAME_PAST) * 104_729);
    past = { key, hour: pastHour(all[scenario]!.traffic, source) };
  }
  return past.hour;
}

/** One deployment watched by Sunny and by all peers, on the same data. */
export function simulate(scenario: number, run: number): Outcome {
  const given = all[scenario]!;
  const source = random(1 + scenario * 1_000_003 + run * 7919);
  const ours = ourRun(given, pastOf(scenario, run));
  const peers = new Peers(given.seconds);
  const traffic = simulator(given, source);
  let decided = Infinity;
  for (let second = 1; second <= given.seconds; second++) {
    const shown = traffic.next(second - 1);
    if (decided === Infinity && ours.take(second, shown)) decided = second;
    peers.take(second, shown);
  }
  return { ours: decided, held: ours.held(), intervalSeconds: ours.intervalSeconds, peers: peers.times() };
}

parentPort?.on("message", (batch: Batch) => {
  const outcomes = Array.from({ length: batch.runs }, (_, i) => simulate(batch.scenario, batch.from + i));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
  parentPort?.postMessage({ batch, outcomes });
});
