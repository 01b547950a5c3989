import { readFileSync } from "node:fs";
import type { Rule } from "../analysis/rule.ts";
import { analysisSettings, withShares } from "../analysis/settings.ts";
import type { Judgement } from "../analysis/verdict.ts";
import { SunnyError } from "../errors.ts";
import type { Monitored } from "../operations/checks/ports.ts";
import type { IntervalStore } from "../operations/monitor/ports.ts";
import type { Watcher } from "../operations/monitor/watcher.ts";
import { startWatcher } from "../operations/monitor/watcher.ts";
import type { Notifier } from "../notify/notice.ts";
import { parseRunbook } from "../runbook/parse.ts";
import type { System } from "../system/schema.ts";
import type { SourceNeeds } from "./metric-source.ts";
import { monitoringOf } from "./monitoring.ts";
import { alertsOf } from "./notices.ts";
import type { WatchHost } from "./watch-host.ts";
import { intervalOf } from "./watch-interval.ts";

/** A watch of the whole fleet that belongs to no deployment and is not kept. */
export interface LiveWatch {
  readonly rules: readonly Rule[];
  readonly intervalMs: number;
  /** Why intervals have that length. */
  readonly reason: string;
  /** Why a host or a rule cannot be watched now, one sentence each; the others are. */
  readonly problems: readonly string[];
  readonly watcher: Watcher;
  /** Ends when nothing is on its way to the channels any more; bounded by the notifier's deadline. */
  told(): Promise<void>;
}

/** How to watch, and what to tell meanwhile. */
export interface WatchNowOptions {
  readonly signal: AbortSignal;
  /** For how long it is planned, milliseconds; it may last longer. */
  readonly plannedMs: number;
  readonly onVerdict: (judgement: Judgement) => void;
  readonly onNote: (note: string) => void;
  /** Instead of the configured runbook. */
  readonly runbook?: string;
  /** Tell the configured channels of changed verdicts; default false. */
  readonly alert?: boolean;
}

/** Nothing depends on what a person looked at, and it may go on for days: it is not kept. */
const KEEPS_NOTHING: IntervalStore = {
  append: () => {},
  load: () => [],
  loadSamples: () => null,
  record: () => {},
  records: () => [],
};

/**
 * Starts watching every host against the runbook's thresholds; stop the watcher to end it.
 * @throws CHECK_FAILED when nothing can be watched now, NOTHING_WATCHED when the runbook has no thresholds.
 */
export async function watchNow(
  options: WatchNowOptions,
  system: System,
  watch: WatchHost,
  { notifier, ...needs }: SourceNeeds & { readonly notifier: Notifier },
): Promise<LiveWatch> {
  const { signal, plannedMs, onVerdict, onNote, runbook = system.runbook } = options;
  const monitored = await monitoringOf({ ...system, runbook }, () => Promise.resolve(watch), needs).monitored(signal);
  const { source, rules: all, problems } = usable(monitored);
  // The whole fleet is one arm: there is nothing to compare it with.
  const rules = withShares(all.filter(({ kind }) => !kind.endsWith("-versus-baseline")));
  const hosts = system.hosts.map(({ name }) => name);
  const { clock } = needs;
  const { intervalMs, reason } = await intervalOf(system, {
    source,
    baseline: hosts,
    part: 1,
    earlier: watch.earlier(),
    clock,
  });
  const settings = analysisSettings({
    rules,
    intervalMs,
    plannedIntervals: Math.ceil(plannedMs / intervalMs),
    alpha: system.monitoring.alpha,
    minRequests: system.rollout.minRequests,
  });
  const telling = options.alert === true ? alerting(notifier, system, runbook) : null;
  const watcher = startWatcher({
    settings,
    source,
    arms: () => ({ canary: hosts, baseline: [] }),
    store: KEEPS_NOTHING,
    clock,
    onVerdict(judgement) {
      telling?.alert(judgement);
      onVerdict(judgement);
    },
    onNote,
  });
  return { rules, intervalMs, reason, problems, watcher, told: () => telling?.told() ?? Promise.resolve() };
}

/** Alerts to the contacts of a runbook, and what of them is still on its way. */
function alerting(
  notifier: Notifier,
  { service, environment }: System,
  file: string,
): { alert(judgement: Judgement): void; told(): Promise<void> } {
  const { contacts, escalation } = parseRunbook(readFileSync(file, "utf8"), file).runbook;
  const underWay = new Set<Promise<unknown>>();
  const tracked: Notifier = {
    notify(notice, signal) {
      const sending = notifier.notify(notice, signal).finally(() => underWay.delete(sending));
      underWay.add(sending);
      return sending;
    },
  };
  return {
    alert: alertsOf(tracked, { plan: { service, environment, contacts, escalation }, runId: null }),
    async told() {
      await Promise.allSettled(underWay);
    },
  };
}

/** When one of many hosts is down is when people want to look at the others. */
function usable(monitored: Monitored): Monitored {
  const { problems, rules } = monitored;
  if (rules.length > 0) return monitored;
  if (problems.length > 0) throw new SunnyError("CHECK_FAILED", `Cannot watch: ${problems.join("; ")}`);
  throw new SunnyError("NOTHING_WATCHED", "Cannot watch: the runbook states no thresholds", {
    hint: 'Add a section "Alert Thresholds" to it, such as "Error rate > 1 %".',
  });
}
