import process from "node:process";
import { buildInterval } from "../../src/analysis/intervals.ts";
import { judge } from "../../src/analysis/judge.ts";
import type { HostSample } from "../../src/analysis/metrics.ts";
import { observe, startAnalysis } from "../../src/analysis/observe.ts";
import { analysisSettings } from "../../src/analysis/settings.ts";
import { medianOf } from "./statistics.ts";
import { runbookRules } from "./ours.ts";
import { EDGES, MEDIAN, SIGMA, slowerParts } from "./scenario.ts";

/**
 * Milliseconds (median) from the readings of 1,000 hosts to a judgement, with all rules; of the processor's time, which
 * does not grow with what else the machine does.
 */
export function timeThousandHosts(): number {
  const hosts = Array.from({ length: 1000 }, (_, i) => `host-${i}`);
  const arms = { canary: hosts.slice(0, 100), baseline: hosts.slice(100) };
  const rules = runbookRules(slowerParts(MEDIAN, SIGMA));
  const settings = analysisSettings({ rules, intervalMs: 1000, plannedIntervals: 600 });
  const state = startAnalysis(settings);
  let samples = buildInterval(
    rules,
    arms,
    {},
    hosts.map((host) => reading(host, 1)),
    1000,
  ).samples;
  const took: number[] = [];
  for (let n = 2; n < 102; n++) {
    const readings = hosts.map((host) => reading(host, n));
    const from = process.cpuUsage();
    const built = buildInterval(rules, arms, samples, readings, n * 1000);
    samples = built.samples;
    observe(settings, state, (n - 1) * 1000, 1000, built.intervals);
    judge(settings, state, n * 1000);
    const { user, system } = process.cpuUsage(from);
    took.push((user + system) / 1000);
  }
  return medianOf(took);
}

function reading(host: string, n: number): HostSample {
  return {
    host,
    at: n * 1000,
    mode: "cumulative",
    requests: 20 * n,
    errors: Math.floor(n / 50),
    latency: { edges: EDGES, counts: EDGES.map((_, i) => n * i), total: 20 * n },
    cpuSeconds: n / 2,
    cpuLimitCores: 1,
    memoryShare: 0.5,
  };
}
