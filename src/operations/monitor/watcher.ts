import type { Clock } from "../../clock.ts";
import { sleep, withDeadline } from "../../clock.ts";
import type { InterruptReason } from "../../engine/context.ts";
import { messageOf, SunnyError } from "../../errors.ts";
import type { Json } from "../../json.ts";
import { digestOf } from "../../json.ts";
import type { Arms, Samples } from "../../analysis/intervals.ts";
import { buildInterval } from "../../analysis/intervals.ts";
import { judge } from "../../analysis/judge.ts";
import type { HostReading, MetricSource } from "../../analysis/metrics.ts";
import type { AnalysisState } from "../../analysis/observe.ts";
import { beginBake, observe } from "../../analysis/observe.ts";
import type { AnalysisSettings } from "../../analysis/settings.ts";
import type { Judgement } from "../../analysis/verdict.ts";
import type { BakeResult } from "./bake.ts";
import { bakeResult } from "./bake.ts";
import type { IntervalStore, WatchRecord } from "./ports.ts";
import { groupRows, replay, rowsOf } from "./replay.ts";
import type { Histories, MonitorSnapshot } from "./snapshot.ts";
import { HISTORY, remember, snapshotOf } from "./snapshot.ts";
import { bakesOf, keyOf, lastVerdict, pendingIn, raisedBy, reasonOf } from "./watch-records.ts";

export interface WatcherOptions {
  readonly settings: AnalysisSettings;
  readonly source: MetricSource;
  /** Who is canary and who is baseline now; asked before every interval. */
  readonly arms: () => Arms;
  readonly store: IntervalStore;
  readonly clock: Clock;
  /** Called after every interval; may throw without harm. */
  readonly onVerdict?: (judgement: Judgement) => void;
  /**
   * Raises the durable interrupt when the verdict is `degraded`: `breach` to roll back, `hold` when the baseline is in
   * trouble as well. Called again after each interval, also after a crash, until it resolves; then not again for the
   * same kind while the trouble lasts. May come twice when the crash hits in between.
   */
  readonly interrupt?: (reason: InterruptReason) => Promise<void>;
  /** What was refused or missing, once per change. */
  readonly onNote?: (note: string) => void;
}

/** Looks at the service until it is stopped. It lives outside of the workflow, and continues from the store after a crash. */
export interface Watcher {
  /** Settles when the watcher was stopped; rejects when intervals cannot be kept, since nothing may be judged then. */
  readonly done: Promise<void>;
  /** Ends after the interval at hand; safe to call twice. */
  stop(): Promise<void>;
  judgement(): Judgement;
  snapshot(): MonitorSnapshot;
  /** Begins the bake of that name, once: called again, also after a crash, it goes on. */
  beginBake(name: string, plannedMs: number): void;
  /** How that bake stands now; extends it by itself the first time that it ends undecided. @throws INTERNAL for an unknown bake */
  bake(name: string): BakeResult;
}

/** The longest that one reading of all hosts may take: sources have shorter deadlines of their own. */
const READ_DEADLINE_MS = 10_000;

/**
 * Starts watching. The first reading is only a base to subtract from, unless the store has one.
 * @throws ANALYSIS_SETTINGS when the store holds an observation that was begun with other settings.
 */
export function startWatcher(options: WatcherOptions): Watcher {
  const { settings, store, clock } = options;
  const state = restore(settings, store, clock.now());
  const bakes = bakesOf(store.records());
  const histories: Histories = new Map();
  for (const one of groupRows(settings.rules, store.load()).slice(-HISTORY)) remember(histories, one.intervals);
  const stopping = new AbortController();
  const loop = new Loop(options, state, histories);
  const done = loop.run(stopping.signal);
  // Callers may look at `done` late; an early failure must not end the process as unhandled.
  done.catch(() => {});
  const write = (kind: WatchRecord["kind"], data: Json): void =>
    store.record({ at: clock.now(), intervals: state.intervals, kind, data });
  return {
    done,
    async stop() {
      stopping.abort(new Error("stopped"));
      await done;
    },
    judgement: () => judge(settings, state, clock.now()),
    snapshot: () => snapshotOf(settings, state, judge(settings, state, clock.now()), histories, options.arms().weight),
    beginBake(name, plannedMs) {
      if (bakes.has(name)) return;
      const startedAt = clock.now();
      write("bake", { name, plannedMs, startedAt });
      bakes.set(name, { name, startedAt, plannedMs, extendedAt: null });
      beginBake(state);
    },
    bake(name) {
      const bake = bakes.get(name);
      if (bake === undefined) throw new SunnyError("INTERNAL", `No bake is called "${name}"`);
      const now = clock.now();
      const result = bakeResult(settings, state, bake, now);
      if (result.outcome !== "extend") return result;
      write("extension", { name, extendedAt: now });
      bakes.set(name, { ...bake, extendedAt: now });
      return { ...result, outcome: "running", endsAt: now + bake.plannedMs };
    },
  };
}

function restore(settings: AnalysisSettings, store: IntervalStore, now: number): AnalysisState {
  const records = store.records();
  const digest = digestOf(settings);
  const begun = records.find((record) => record.kind === "settings");
  if (begun === undefined) {
    store.record({ at: now, intervals: 0, kind: "settings", data: { digest, settings: settings as unknown as Json } });
  } else if ((begun.data as { digest: string }).digest !== digest) {
    throw new SunnyError("ANALYSIS_SETTINGS", "Cannot continue watching: it was begun with other rules or settings", {
      hint: "A deployment is watched with the rules of its frozen plan; make a new plan to change them.",
    });
  }
  return replay(settings, store.load(), records);
}

/** Owns what changes from interval to interval. */
class Loop {
  readonly #options: WatcherOptions;
  readonly #state: AnalysisState;
  readonly #histories: Histories;
  #samples: Samples;
  #lastKey: string;
  /** Intervals that the last recorded verdict is about. */
  #recorded: number;
  #notes = "";
  readonly #raised: Set<InterruptReason["kind"]>;
  #pending: InterruptReason | null;

  constructor(options: WatcherOptions, state: AnalysisState, histories: Histories) {
    this.#options = options;
    this.#state = state;
    this.#histories = histories;
    const records = options.store.records();
    this.#lastKey = lastVerdict(records);
    this.#recorded = records.findLast(({ kind }) => kind === "verdict")?.intervals ?? 0;
    this.#raised = new Set(raisedBy(records));
    this.#pending = pendingIn(records);
    this.#samples = (options.store.loadSamples() ?? {}) as unknown as Samples;
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#look(signal);
    } finally {
      // The last verdict vouches for all intervals up to the end.
      if (signal.aborted && this.#state.intervals > this.#recorded) this.#recordVerdict(this.#now());
    }
  }

  #now(): Judgement {
    return judge(this.#options.settings, this.#state, this.#state.at);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options;
    // A crash may have come between an interval and its verdict.
    if (this.#state.intervals > 0 && keyOf(this.#now()) !== this.#lastKey) this.#recordVerdict(this.#now());
    if (Object.keys(this.#samples).length === 0) await this.#takeBase(signal);
    let due = clock.monotonic() + settings.intervalMs;
    while (!signal.aborted) {
      try {
        await sleep(clock, due - clock.monotonic(), signal);
      } catch {
        return;
      }
      await this.#interval(signal);
      // A slow reading makes one longer interval, not a burst of short ones.
      due = Math.max(due + settings.intervalMs, clock.monotonic());
    }
  }

  async #takeBase(signal: AbortSignal): Promise<void> {
    const arms = this.#options.arms();
    const readings = await this.#read(arms, signal);
    const built = buildInterval(this.#options.settings.rules, arms, {}, readings, this.#options.clock.now());
    this.#samples = built.samples;
    this.#tellNotes(built.notes);
  }

  async #interval(signal: AbortSignal): Promise<void> {
    const { settings, store, clock, arms: armsOf } = this.#options;
    const arms = armsOf();
    const readings = await this.#read(arms, signal);
    if (signal.aborted) return;
    const now = clock.now();
    const built = buildInterval(settings.rules, arms, this.#samples, readings, now);
    // Intervals follow each other even when the wall clock is set back.
    const start = Math.round(this.#state.intervals === 0 ? now - settings.intervalMs : this.#state.at);
    const ms = Math.max(1, Math.round(now - start));
    store.append(rowsOf(start, ms, built.intervals), toJson(built.samples));
    this.#samples = built.samples;
    observe(settings, this.#state, start, ms, built.intervals);
    remember(this.#histories, built.intervals);
    this.#tellNotes(built.notes);
    // As of the end of the interval, so that the data alone give the same verdict later.
    await this.#conclude(this.#now());
  }

  /** Records the verdict: what it became, and what it was in the end. */
  #recordVerdict({ verdict, action, by, eValue, reasons, at }: Judgement): void {
    const { store, clock } = this.#options;
    const data = { verdict, action, by, eValue, reasons: [...reasons], judgedAt: at };
    store.record({ at: clock.now(), intervals: this.#state.intervals, kind: "verdict", data });
    this.#lastKey = keyOf({ verdict, action, by });
    this.#recorded = this.#state.intervals;
  }

  async #conclude(judgement: Judgement): Promise<void> {
    const { onVerdict } = this.#options;
    if (keyOf(judgement) !== this.#lastKey) this.#recordVerdict(judgement);
    try {
      onVerdict?.(judgement);
    } catch (error) {
      this.#options.onNote?.(`a listener of the watcher failed: ${messageOf(error)}`);
    }
    if (judgement.verdict === "degraded") {
      const kind = judgement.action === "hold" ? "hold" : "breach";
      if (!this.#raised.has(kind)) this.#pending = reasonOf(kind, judgement);
    } else this.#raised.clear();
    await this.#raise();
  }

  /** Evidence may fall again; what it has once sufficed for is raised all the same. */
  async #raise(): Promise<void> {
    const { interrupt, store, clock, onNote } = this.#options;
    const reason = this.#pending;
    if (reason === null || interrupt === undefined) return;
    try {
      await interrupt(reason);
      store.record({
        at: clock.now(),
        intervals: this.#state.intervals,
        kind: "interrupt",
        data: { kind: reason.kind },
      });
      this.#raised.add(reason.kind);
      this.#pending = null;
    } catch (error) {
      onNote?.(`the interrupt could not be raised and is tried again: ${messageOf(error)}`);
    }
  }

  /** A source that fails as a whole is every host failing: blind, and tried again in the next interval. */
  async #read(arms: Arms, signal: AbortSignal): Promise<readonly HostReading[]> {
    const { source, clock } = this.#options;
    const hosts = [...new Set([...arms.canary, ...arms.baseline])];
    const late = (): Error =>
      new SunnyError("METRIC_SOURCE_DOWN", `${source.name} gave no answer within ${READ_DEADLINE_MS / 1000} s`);
    try {
      return await withDeadline(clock, READ_DEADLINE_MS, signal, (own) => source.read(hosts, own), late);
    } catch (error) {
      return hosts.map((host) => ({ host, failed: messageOf(error) }));
    }
  }

  #tellNotes(notes: readonly string[]): void {
    const text = notes.join("\n");
    if (text !== this.#notes) for (const note of notes) this.#options.onNote?.(note);
    this.#notes = text;
  }
}

/** JSON has no NaN; a broken figure is kept as -1, which is refused just the same. */
function toJson(samples: Samples): Json {
  const text = JSON.stringify(samples, (_, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? -1 : value,
  );
  return JSON.parse(text) as Json;
}
