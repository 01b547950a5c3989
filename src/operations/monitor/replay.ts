import type { AnalysisState } from "../../analysis/observe.ts";
import { beginBake, observe, startAnalysis } from "../../analysis/observe.ts";
import type { Observation, Rule, RuleInterval } from "../../analysis/rule.ts";
import type { AnalysisSettings } from "../../analysis/settings.ts";
import type { IntervalRow, WatchRecord } from "./ports.ts";

/** One interval as kept, both arms of every rule together. */
export interface KeptInterval {
  readonly start: number;
  readonly ms: number;
  readonly intervals: readonly RuleInterval[];
}

/** Puts the rows of each interval together, in order of start. A rule without a row is left out (and so is blind). */
export function groupRows(rules: readonly Rule[], rows: readonly IntervalRow[]): KeptInterval[] {
  const byStart = new Map<number, { ms: number; data: Map<string, Observation> }>();
  for (const row of rows) {
    let group = byStart.get(row.start);
    if (group === undefined) byStart.set(row.start, (group = { ms: row.ms, data: new Map() }));
    group.data.set(`${row.arm} ${row.rule}`, row.data);
  }
  return [...byStart.entries()]
    .toSorted(([a], [b]) => a - b)
    .map(([start, { ms, data }]) => ({ start, ms, intervals: rules.flatMap((rule) => pairOf(rule.id, data)) }));
}

function pairOf(rule: string, data: ReadonlyMap<string, Observation>): RuleInterval[] {
  const canary = data.get(`canary ${rule}`);
  const baseline = data.get(`baseline ${rule}`);
  if (canary === undefined || baseline === undefined) return [];
  return [{ rule, canary, baseline }];
}

/**
 * Takes in what was kept, in the order in which it happened, and calls `onRecord` at each record, `onInterval` after each
 * interval, with the state of that moment. The state at the end is the one that a live watcher has: no evidence is lost by a crash.
 */
export function replay(
  settings: AnalysisSettings,
  rows: readonly IntervalRow[],
  records: readonly WatchRecord[],
  onRecord: (record: WatchRecord, state: AnalysisState) => void = () => {},
  onInterval: (state: AnalysisState) => void = () => {},
): AnalysisState {
  const state = startAnalysis(settings);
  const kept = groupRows(settings.rules, rows);
  let next = 0;
  const advance = (until: number): void => {
    for (; next < kept.length && state.intervals < until; next++) {
      const one = kept[next]!;
      if (observe(settings, state, one.start, one.ms, one.intervals)) onInterval(state);
    }
  };
  for (const record of records) {
    advance(record.intervals);
    if (record.kind === "bake") beginBake(state);
    onRecord(record, state);
  }
  advance(Infinity);
  return state;
}

/** Makes the rows of one interval. */
export function rowsOf(start: number, ms: number, intervals: readonly RuleInterval[]): IntervalRow[] {
  return intervals.flatMap(({ rule, canary, baseline }) => [
    { rule, arm: "canary" as const, start, ms, data: canary },
    { rule, arm: "baseline" as const, start, ms, data: baseline },
  ]);
}
