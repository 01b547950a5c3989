import { chooseCuts } from "../../src/analysis/cuts.ts";
import { chooseInterval } from "../../src/analysis/interval-length.ts";
import { judge } from "../../src/analysis/judge.ts";
import type { PastInterval } from "../../src/analysis/metrics.ts";
import { observe, startAnalysis } from "../../src/analysis/observe.ts";
import type { Observation, Rule, RuleInterval } from "../../src/analysis/rule.ts";
import { analysisSettings, withShares } from "../../src/analysis/settings.ts";
import { memoryFloor } from "../../src/analysis/stakes.ts";
import type { Scenario } from "./scenario.ts";
import { EDGES, LIMITS } from "./scenario.ts";
import type { ArmSecond, Second } from "./simulate.ts";

/** Sunny's own code, fed second by second. */
export interface OurRun {
  /** `second` counts from 1 at the end of the first second. True when the verdict is to roll back. */
  take(second: number, shown: Second): boolean;
  readonly intervalSeconds: number;
  /** True when it held at any time, since the baseline was in trouble as well. */
  held(): boolean;
}

interface Sums {
  requests: number;
  errors: number;
  slower: number[];
  cpu: number;
  memory: number;
}

/** All of the runbook's rules with the default shares, and the interval learned from the past hour. */
export function ourRun(scenario: Scenario, past: readonly PastInterval[] | null): OurRun {
  const { traffic } = scenario;
  const { intervalMs } = chooseInterval(past, { canaryRate: traffic.rate * traffic.part });
  const rules = runbookRules(traffic.slower);
  const planned = ((scenario.plannedSeconds ?? scenario.seconds) * 1000) / intervalMs;
  const settings = analysisSettings({ rules, intervalMs, plannedIntervals: planned });
  const state = startAnalysis(settings);
  const length = intervalMs / 1000;
  const needed = Math.log(1 / settings.alpha);
  let canary = emptySums();
  let baseline = emptySums();
  let held = false;
  return {
    intervalSeconds: length,
    held: () => held,
    take(second, shown) {
      add(canary, shown.canary);
      add(baseline, shown.baseline);
      if (second % length !== 0) return false;
      observe(settings, state, (second - length) * 1000, intervalMs, toIntervals(rules, canary, baseline, length));
      canary = emptySums();
      baseline = emptySums();
      if (state.logTotal < needed) return false;
      const { action } = judge(settings, state, state.at);
      if (action === "hold") held = true;
      return action === "roll-back";
    },
  };
}

/** The rules of the seed's thresholds, with the comparisons. */
export function runbookRules(slower: readonly number[]): Rule[] {
  const counts = slower.map((part) => Math.round(1e6 * (1 - part)));
  const cuts = chooseCuts({ edges: EDGES, counts, total: 1e6 });
  return withShares<Rule>([
    {
      id: "latency",
      title: "Response time",
      kind: "latency",
      share: 0,
      edgeSeconds: 0.5,
      percentile: 95,
      limit: LIMITS.slow,
    },
    { id: "errors", title: "Error rate", kind: "error-rate", share: 0, limit: LIMITS.errors },
    { id: "cpu", title: "CPU", kind: "usage", resource: "cpu", share: 0, limit: LIMITS.cpu },
    {
      id: "memory",
      title: "Memory",
      kind: "usage",
      resource: "memory",
      share: 0,
      limit: LIMITS.memory,
      floor: memoryFloor(LIMITS.memory),
    },
    { id: "errors-compared", title: "Errors compared", kind: "errors-versus-baseline", share: 0, tolerate: 1 },
    { id: "latency-compared", title: "Response times compared", kind: "latency-versus-baseline", share: 0, cuts },
  ]);
}

function emptySums(): Sums {
  return { requests: 0, errors: 0, slower: EDGES.map(() => 0), cpu: 0, memory: 0 };
}

function add(sums: Sums, second: ArmSecond): void {
  sums.requests += second.requests;
  sums.errors += second.errors;
  for (let i = 0; i < sums.slower.length; i++) sums.slower[i]! += second.slower[i]!;
  sums.cpu += second.cpu;
  sums.memory += second.memory;
}

function toIntervals(rules: readonly Rule[], canary: Sums, baseline: Sums, seconds: number): RuleInterval[] {
  return rules.map((rule) => ({
    rule: rule.id,
    canary: toObservation(rule, canary, seconds, true),
    baseline: toObservation(rule, baseline, seconds, false),
  }));
}

function toObservation(rule: Rule, sums: Sums, seconds: number, canary: boolean): Observation {
  switch (rule.kind) {
    case "error-rate":
    case "errors-versus-baseline":
      return { kind: "counts", requests: sums.requests, bad: [sums.errors] };
    case "latency":
      return { kind: "counts", requests: sums.requests, bad: [sums.slower[LIMITS.slowEdge]!] };
    case "latency-versus-baseline": {
      const edges = rule.cuts.map((cut) => (canary ? cut.canarySeconds : cut.baselineSeconds));
      const bad = edges.map((edge) => sums.slower[EDGES.indexOf(edge as (typeof EDGES)[number])]!);
      return { kind: "counts", requests: sums.requests, bad };
    }
    case "usage":
      return { kind: "level", value: (rule.resource === "cpu" ? sums.cpu : sums.memory) / seconds };
    case "gauge":
      return { kind: "blind", reason: "not simulated" };
  }
}
