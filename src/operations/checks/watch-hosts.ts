import type { MetricSource } from "../../analysis/metrics.ts";
import { analysisSettings, withShares } from "../../analysis/settings.ts";
import type { Rule } from "../../analysis/rule.ts";
import type { Judgement } from "../../analysis/verdict.ts";
import { sleep, type Clock } from "../../clock.ts";
import type { Json } from "../../json.ts";
import type { IntervalRow, IntervalStore, WatchRecord } from "../monitor/ports.ts";
import { startWatcher } from "../monitor/watcher.ts";

export interface HostWatch {
  readonly source: MetricSource;
  readonly rules: readonly Rule[];
  readonly hosts: readonly string[];
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly watchMs: number;
  /** Chance of blaming any healthy host, over all of them. */
  readonly alpha: number;
}

/**
 * Watches each host by itself for a while, with the rules that need no baseline, and judges at the end. Nothing is kept: a
 * watch that was interrupted begins anew.
 */
export async function watchHosts(watch: HostWatch, signal: AbortSignal): Promise<Map<string, Judgement>> {
  const { clock, hosts, intervalMs, watchMs, source } = watch;
  const rules = withShares(
    watch.rules.filter(({ kind }) => kind !== "errors-versus-baseline" && kind !== "latency-versus-baseline"),
  );
  const settings = analysisSettings({
    rules,
    intervalMs,
    plannedIntervals: watchMs / intervalMs,
    // Each host is judged by itself, so each gets its part of the errors that are accepted.
    alpha: watch.alpha / hosts.length,
    minRequests: 0,
    blindAfterMs: 3 * intervalMs,
  });
  const watchers = hosts.map((host) => ({
    host,
    watcher: startWatcher({
      settings,
      source,
      clock,
      store: passingStore(),
      arms: () => ({ canary: [host], baseline: [] }),
    }),
  }));
  try {
    await Promise.race([sleep(clock, watchMs, signal), ...watchers.map(({ watcher }) => failing(watcher.done))]);
    return new Map(watchers.map(({ host, watcher }) => [host, watcher.judgement()]));
  } finally {
    await Promise.allSettled(watchers.map(({ watcher }) => watcher.stop()));
  }
}

/** Only a failure of the watcher ends the wait early. */
async function failing(done: Promise<void>): Promise<never> {
  await done;
  return new Promise(() => {});
}

function passingStore(): IntervalStore {
  const rows: IntervalRow[] = [];
  const records: WatchRecord[] = [];
  let samples: Json = null;
  return {
    append(added, latest) {
      rows.push(...added);
      samples = latest;
    },
    load: () => rows,
    loadSamples: () => samples,
    record: (record) => void records.push(record),
    records: () => records,
  };
}
