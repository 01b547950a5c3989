import { rfc3339 } from "../../clock.ts";
import { digestOf } from "../../json.ts";
import { judge } from "../../analysis/judge.ts";
import type { AnalysisState } from "../../analysis/observe.ts";
import type { Rule } from "../../analysis/rule.ts";
import type { AnalysisSettings } from "../../analysis/settings.ts";
import type { Judgement, Verdict } from "../../analysis/verdict.ts";
import type { IntervalStore, WatchRecord } from "./ports.ts";
import type { KeptInterval } from "./replay.ts";
import { groupRows, replay } from "./replay.ts";
import { keyOf } from "./watch-records.ts";

/** A verdict on record beside what its own data say. */
export interface ExplainedVerdict {
  readonly at: number;
  readonly recorded: Verdict;
  readonly recomputed: Verdict;
  readonly agrees: boolean;
  /** What differs, one sentence each. */
  readonly differences: readonly string[];
  /** Recomputed, with every rule. */
  readonly judgement: Judgement;
}

export interface Explanation {
  readonly settings: AnalysisSettings;
  /** Why the intervals have this length; null when it was not recorded. */
  readonly intervalReason: string | null;
  readonly verdicts: readonly ExplainedVerdict[];
  /** What is wrong with the record as a whole, one sentence each: settings that were altered, verdicts that are missing. */
  readonly problems: readonly string[];
  readonly agrees: boolean;
  readonly intervals: readonly KeptInterval[];
  /** The judgement after the last interval. */
  readonly last: Judgement;
}

/** Relative; covers the last digits that differ between machines, nothing else. */
const TOLERANCE = 1e-6;

interface RecordedVerdict {
  readonly verdict: Verdict;
  readonly action: string;
  readonly by: string | null;
  readonly eValue: number;
  readonly judgedAt: number;
}

/**
 * Recomputes every recorded verdict from the stored intervals alone, and says where record and data disagree, also where
 * the data say what nobody recorded. `planned` are the rules of the plan, which those on record must be. `null` when
 * nothing was watched. Pure apart from reading the store.
 */
export function explain(store: Pick<IntervalStore, "load" | "records">, planned?: readonly Rule[]): Explanation | null {
  const records = store.records();
  const begun = records.find((record) => record.kind === "settings");
  if (begun === undefined) return null;
  const { settings, digest } = begun.data as unknown as { settings: AnalysisSettings; digest: string };
  const problems: string[] = [];
  if (digestOf(settings) !== digest) problems.push("the settings on record were altered after they were written");
  if (planned !== undefined && digestOf(planned) !== digestOf(settings.rules)) {
    problems.push("the rules on record are not those of the plan");
  }
  const rows = store.load();
  const verdicts: ExplainedVerdict[] = [];
  const missing = new MissingVerdicts(settings);
  const onRecord = (record: WatchRecord, now: AnalysisState): void => {
    if (record.kind !== "verdict") return;
    missing.recorded(record, now);
    const recorded = record.data as unknown as RecordedVerdict;
    const judgement = judge(settings, now, recorded.judgedAt);
    const differences = compare(recorded, judgement);
    if (now.intervals !== record.intervals) {
      differences.unshift(`${record.intervals} intervals were judged, ${now.intervals} are kept`);
    }
    verdicts.push({
      at: record.at,
      recorded: recorded.verdict,
      recomputed: judgement.verdict,
      agrees: differences.length === 0,
      differences,
      judgement,
    });
  };
  const state = replay(settings, rows, records, onRecord, (now) => missing.taken(now));
  problems.push(...missing.found);
  return {
    settings,
    intervalReason: reasonOf(records),
    verdicts,
    problems,
    agrees: problems.length === 0 && verdicts.every((one) => one.agrees),
    intervals: groupRows(settings.rules, rows),
    last: judge(settings, state, state.at),
  };
}

/** Finds changes of the verdict that the data show and the record does not; the newest interval may still be written. */
class MissingVerdicts {
  readonly found: string[] = [];
  readonly #settings: AnalysisSettings;
  #last = "";
  #due: Judgement | null = null;

  constructor(settings: AnalysisSettings) {
    this.#settings = settings;
  }

  taken(state: AnalysisState): void {
    if (this.#due !== null && keyOf(this.#due) !== this.#last) {
      const { at, verdict, by } = this.#due;
      const rule = by === null ? "" : ` by ${by}`;
      this.found.push(`at ${rfc3339(at)} the data say ${verdict}${rule}, and no verdict was recorded`);
      this.#last = keyOf(this.#due);
    }
    this.#due = judge(this.#settings, state, state.at);
  }

  recorded({ intervals, data }: WatchRecord, state: AnalysisState): void {
    if (intervals === state.intervals) this.#due = null;
    this.#last = keyOf(data as unknown as Judgement);
  }
}

function reasonOf(records: ReturnType<IntervalStore["records"]>): string | null {
  const chosen = records.findLast((record) => record.kind === "interval");
  return chosen === undefined ? null : (chosen.data as { reason: string }).reason;
}

function compare(recorded: RecordedVerdict, judgement: Judgement): string[] {
  const differences: string[] = [];
  for (const key of ["verdict", "action", "by"] as const) {
    if (recorded[key] !== judgement[key]) {
      differences.push(`${key} on record is ${recorded[key] ?? "none"}, the data say ${judgement[key] ?? "none"}`);
    }
  }
  const off = Math.abs(recorded.eValue - judgement.eValue);
  if (off > TOLERANCE * Math.max(1, Math.abs(judgement.eValue))) {
    differences.push(`e-value on record is ${recorded.eValue}, the data say ${judgement.eValue}`);
  }
  return differences;
}
