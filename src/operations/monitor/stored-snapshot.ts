import { judge } from "../../analysis/judge.ts";
import type { AnalysisSettings } from "../../analysis/settings.ts";
import type { IntervalStore } from "./ports.ts";
import { groupRows, replay } from "./replay.ts";
import { HISTORY, remember, snapshotOf, type Histories, type MonitorSnapshot } from "./snapshot.ts";

/**
 * The live view of a watch that another process keeps, or that has ended; null when nothing was watched. `weight` is the
 * part of the traffic that the canary should get.
 */
export function storedSnapshot(
  store: Pick<IntervalStore, "load" | "records">,
  weight?: number,
): MonitorSnapshot | null {
  const records = store.records();
  const begun = records.find((record) => record.kind === "settings");
  if (begun === undefined) return null;
  const { settings } = begun.data as unknown as { settings: AnalysisSettings };
  const rows = store.load();
  const state = replay(settings, rows, records);
  const histories: Histories = new Map();
  for (const one of groupRows(settings.rules, rows).slice(-HISTORY)) remember(histories, one.intervals);
  return snapshotOf(settings, state, judge(settings, state, state.at), histories, weight);
}
