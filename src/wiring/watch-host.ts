import type { MetricSource } from "../analysis/metrics.ts";
import type { Rule } from "../analysis/rule.ts";
import { analysisSettings, type AnalysisSettings } from "../analysis/settings.ts";
import type { Judgement } from "../analysis/verdict.ts";
import type { InterruptReason } from "../engine/context.ts";
import { messageOf } from "../errors.ts";
import { explain, type Explanation } from "../operations/monitor/explain.ts";
import type { IntervalStore } from "../operations/monitor/ports.ts";
import type { MonitorSnapshot } from "../operations/monitor/snapshot.ts";
import { storedSnapshot } from "../operations/monitor/stored-snapshot.ts";
import { startWatcher, type Watcher } from "../operations/monitor/watcher.ts";
import type { Arms, BakeVerdict, Watch } from "../operations/rollout/ports.ts";
import type { Plan } from "../plan/model.ts";
import { metricSource, type SourceNeeds } from "./metric-source.ts";
import { intervalOf } from "./watch-interval.ts";
import { WatchStore, type KeptArms } from "./watch-store.ts";

/** How many notes are kept for those who look. */
const NOTES = 50;

/** Earlier watches that are looked through for a past of the baseline. */
const EARLIER = 5;

/** What the watcher had to say, for people; `at` is milliseconds since the epoch. */
export interface WatchNote {
  readonly at: number;
  readonly text: string;
}

/** What the watcher of a run is for. */
export interface Watched {
  readonly runId: string;
  readonly plan: Plan;
  /** Raises the durable interrupt of the run. */
  readonly interrupt: (reason: InterruptReason) => void;
  /** Called after every interval. */
  readonly onVerdict?: (judgement: Judgement) => void;
}

/**
 * Owns the watcher of the run that this process carries out. Arms and intervals are kept in a file of their own, so that a
 * resumed run goes on with the evidence it had.
 */
export class WatchHost implements Watch {
  readonly #store: WatchStore;
  readonly #needs: SourceNeeds;
  #watched: Watched | null = null;
  #watcher: Watcher | null = null;
  #starting: Promise<void> | null = null;
  #notes: WatchNote[] = [];
  #weightIsOff = false;

  constructor(file: string, needs: SourceNeeds) {
    this.#store = new WatchStore(file);
    this.#needs = needs;
  }

  /** Takes charge of a run; watching goes on at once where it had begun before a crash. */
  async begin(watched: Watched): Promise<void> {
    this.#watched = watched;
    if (this.#arms() !== null) await this.#start();
  }

  async end(): Promise<void> {
    await this.#starting?.catch(() => {});
    const watcher = this.#watcher;
    this.#watcher = null;
    this.#watched = null;
    await watcher?.stop().catch(() => {});
  }

  async setArms(arms: Arms): Promise<void> {
    const { generation } = this.#store.setArms(this.#required().runId, arms);
    await this.#start();
    // What was observed since the arms were set decides a verdict; capitals persist over all of them.
    this.#watcher?.beginBake(`arms-${generation}`, 1);
  }

  async verdict(): Promise<BakeVerdict> {
    // A runbook without limits was warned about when it was planned; time and the hosts' own health are all there is then.
    if (this.#required().plan.rules.length === 0) {
      return {
        state: "healthy",
        reasons: ["the runbook states no limit, so only the health of the hosts was looked at"],
      };
    }
    const watcher = this.#watcher;
    const generation = this.#arms()?.generation;
    if (watcher === null || generation === undefined) return { state: "blind", reasons: ["nothing is being watched"] };
    const result = watcher.bake(`arms-${generation}`);
    const { weightNote } = watcher.snapshot();
    const reasons = weightNote === null ? result.reasons : [...result.reasons, weightNote];
    switch (result.outcome) {
      case "passed":
        return { state: "healthy", reasons };
      case "roll-back":
        return { state: "degraded", reasons: result.reasons };
      case "running":
      case "extend":
      case "ask":
      case "hold":
        return { state: result.judgement.verdict === "blind" ? "blind" : "undecided", reasons };
    }
  }

  /** What the watcher of this process sees; for another run, or after it ended, what is kept. */
  snapshot(runId: string): MonitorSnapshot | null {
    if (this.#watched?.runId === runId && this.#watcher !== null) return this.#watcher.snapshot();
    return storedSnapshot(this.#store.intervals(runId), this.#store.arms(runId)?.arms.weight);
  }

  /** Recomputes the verdicts of a watch from its intervals and the plan's rules; null when nothing of that run was kept. */
  explain(runId: string, rules?: readonly Rule[]): Explanation | null {
    return explain(this.#store.intervals(runId), rules);
  }

  /** Runs whose intervals are kept, newest first. */
  watches(limit: number): readonly string[] {
    return this.#store.watches(limit);
  }

  /** The intervals of earlier watches, newest first: a past to learn from. */
  earlier(except?: string): ReturnType<IntervalStore["load"]>[] {
    const others = this.#store.watches(EARLIER + 1).filter((watch) => watch !== except);
    return others.slice(0, EARLIER).map((watch) => this.#store.intervals(watch).load());
  }

  /** What the watcher of this process has noted lately, oldest first: readings that it refused, a source that failed. */
  get notes(): readonly WatchNote[] {
    return this.#notes;
  }

  /** Adds a note for those who look. */
  note(text: string): void {
    this.#notes = [...this.#notes.slice(1 - NOTES), { at: this.#needs.clock.now(), text }];
  }

  /** Whether the run at hand is being watched; null when there is none, or its rollout has not begun. */
  get watching(): boolean | null {
    if (this.#watched === null || this.#watched.plan.rules.length === 0 || this.#arms() === null) return null;
    return this.#watcher !== null;
  }

  /** The plan of the run at hand; null when there is none. */
  get plan(): Plan | null {
    return this.#watched?.plan ?? null;
  }

  close(): void {
    this.#store.close();
  }

  #required(): Watched {
    if (this.#watched === null) throw new Error("no run is being watched");
    return this.#watched;
  }

  #arms(): KeptArms | null {
    return this.#store.arms(this.#required().runId);
  }

  #start(): Promise<void> {
    if (this.#watcher !== null) return Promise.resolve();
    this.#starting ??= this.#startWatcher().finally(() => (this.#starting = null));
    return this.#starting;
  }

  async #startWatcher(): Promise<void> {
    const watched = this.#required();
    const { plan, runId, interrupt, onVerdict } = watched;
    if (plan.metrics === null || plan.rules.length === 0) return;
    const source = await metricSource(plan.system, { rules: plan.rules, metrics: plan.metrics }, this.#needs);
    const store = this.#store.intervals(runId);
    const intervalMs = keptLength(store) ?? (await this.#chooseLength(watched, source, store));
    const watcher = startWatcher({
      settings: settingsOf(plan, intervalMs),
      source,
      arms: () => this.#store.arms(runId)?.arms ?? { canary: [], baseline: [] },
      store,
      clock: this.#needs.clock,
      interrupt: async (reason) => interrupt(reason),
      onNote: (text) => this.note(text),
      onVerdict: (judgement) => {
        this.#tellWeight();
        onVerdict?.(judgement);
      },
    });
    this.#watcher = watcher;
    // Without evidence nothing may be judged: the run is held by an interrupt rather than left unwatched.
    watcher.done.catch((error: unknown) => {
      try {
        interrupt({ kind: "hold", by: "watcher", detail: `watching has stopped: ${messageOf(error)}` });
      } catch (unwritten) {
        // The journal cannot be written either, which ends the run at its next commit.
        this.note(`watching has stopped, and no interrupt could be raised: ${messageOf(unwritten)}`);
      }
    });
  }

  /** Once each time that the load balancer begins to give the canary another part than was set. */
  #tellWeight(): void {
    const isOff = this.#watcher?.snapshot().weightNote ?? null;
    if (isOff !== null && !this.#weightIsOff) this.note(isOff);
    this.#weightIsOff = isOff !== null;
  }

  /** Chooses the length once for a watch and records it with its reason: a resumed one goes on with the same. */
  async #chooseLength({ plan, runId }: Watched, source: MetricSource, store: IntervalStore): Promise<number> {
    const { clock } = this.#needs;
    const { canaryPercent } = plan.system.rollout;
    const chosen = await intervalOf(plan.system, {
      source,
      part: canaryPercent === null ? undefined : canaryPercent / 100,
      baseline: this.#store.arms(runId)?.arms.baseline ?? [],
      earlier: plan.system.monitoring.intervalMs === undefined ? this.earlier(runId) : [],
      clock,
    });
    store.record({ at: clock.now(), intervals: 0, kind: "interval", data: { ...chosen } });
    this.note(`intervals of ${chosen.intervalMs / 1000} s: ${chosen.reason}`);
    return chosen.intervalMs;
  }
}

/** The length that a watch was begun with; undefined for a new one. */
function keptLength(store: IntervalStore): number | undefined {
  const records = store.records();
  const begun = records.find((record) => record.kind === "settings");
  if (begun !== undefined) return (begun.data as unknown as { settings: AnalysisSettings }).settings.intervalMs;
  const chosen = records.findLast((record) => record.kind === "interval");
  return chosen === undefined ? undefined : (chosen.data as { intervalMs: number }).intervalMs;
}

function settingsOf(plan: Plan, intervalMs: number): AnalysisSettings {
  const { monitoring, rollout, hosts } = plan.system;
  const plannedMs = rollout.canaryBakeMs + rollout.finalBakeMs + hosts.length * rollout.drainTimeoutMs;
  return analysisSettings({
    rules: plan.rules,
    intervalMs,
    plannedIntervals: Math.ceil(plannedMs / intervalMs),
    alpha: monitoring.alpha,
    minRequests: rollout.minRequests,
    proof: monitoring.proof,
  });
}
