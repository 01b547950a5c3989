import type { Json } from "../../json.ts";
import type { Arm, Observation } from "../../analysis/rule.ts";

/** One interval of one rule on one arm, as it is kept. The key is (rule, arm, start); the data never changes once written. */
export interface IntervalRow {
  readonly rule: string;
  readonly arm: Arm;
  /** Start of the interval, milliseconds since the epoch, and its length. */
  readonly start: number;
  readonly ms: number;
  readonly data: Observation;
}

/** A marked moment of an observation: the length of the intervals with its reason, what was asked, a bake that begins or is extended, a verdict, an interrupt that was raised. */
export interface WatchRecord {
  readonly at: number;
  /** How many intervals had been taken in; places the record among them, whatever the clock did. */
  readonly intervals: number;
  readonly kind: "interval" | "settings" | "bake" | "extension" | "verdict" | "interrupt";
  readonly data: Json;
}

/** Keeps what was observed for one deployment. Appends are durable when they return, and idempotent by key. */
export interface IntervalStore {
  /** All rows of one interval in one transaction. `samples` replaces what `loadSamples` gives: the readings to continue from. */
  append(rows: readonly IntervalRow[], samples: Json): void;
  /** In order of start. */
  load(): readonly IntervalRow[];
  loadSamples(): Json;
  /** Durable when it returns. */
  record(record: WatchRecord): void;
  /** In the order in which they were written. */
  records(): readonly WatchRecord[];
}
