import type { ChosenInterval } from "../analysis/interval-length.ts";
import { WANTED_CANARY_REQUESTS } from "../analysis/interval-length.ts";
import type { HostReading, MetricSource } from "../analysis/metrics.ts";
import { withDeadline, type Clock } from "../clock.ts";
import { learnInterval } from "../operations/monitor/learn.ts";
import type { IntervalRow } from "../operations/monitor/ports.ts";
import type { System } from "../system/schema.ts";

/** For asking the source about the past, milliseconds; beyond it the careful default counts. */
const LEARN_MS = 15_000;

export interface IntervalQuestion {
  readonly source: MetricSource;
  /** Hosts that serve the old release. */
  readonly baseline: readonly string[];
  /** Part of all requests that is judged, 0 to 1: the canary's; undefined where it is not known. */
  readonly part: number | undefined;
  /** Rows of earlier watches, newest first. */
  readonly earlier: readonly (readonly IntervalRow[])[];
  readonly clock: Clock;
}

/**
 * The length of the intervals of a new watch: as configured, else learned from the service's past (the source's, then
 * what earlier watches kept), else 10 s. Never throws: what cannot be learned is said in the reason.
 */
export async function intervalOf(system: System, question: IntervalQuestion): Promise<ChosenInterval> {
  const { intervalMs } = system.monitoring;
  if (intervalMs !== undefined) return { intervalMs, reason: "set by monitoring.intervalMs" };
  const { source, baseline, part, earlier, clock } = question;
  const late = (): Error => new Error("the metric source is too slow");
  const learn = async (signal: AbortSignal): Promise<ChosenInterval> => {
    const rate = part === undefined ? undefined : await rateOf(source, baseline, signal);
    const known = rate === undefined || part === undefined ? {} : { canaryRate: rate * system.hosts.length * part };
    return learnInterval({ source, hosts: baseline, clock, signal, earlier, ...known });
  };
  try {
    return await withDeadline(clock, LEARN_MS, undefined, learn, late);
  } catch {
    return learnInterval({ source: withoutPast(source), hosts: baseline, clock, signal: AbortSignal.abort(), earlier });
  }
}

function withoutPast(source: MetricSource): MetricSource {
  const { name, stepMs } = source;
  return { name, ...(stepMs === undefined ? {} : { stepMs }), read: () => Promise.resolve([]) };
}

/** Requests per second of a host since its service started, on average; undefined when none of them tells. */
async function rateOf(
  source: MetricSource,
  hosts: readonly string[],
  signal: AbortSignal,
): Promise<number | undefined> {
  const rates = (await source.read(hosts, signal)).map(rateOfHost);
  const known = rates.filter((rate) => rate !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, rate) => sum + rate, 0) / known.length;
}

/** Since the start of the process; one that has only begun says nothing about its traffic. */
function rateOfHost(reading: HostReading): number | undefined {
  if ("failed" in reading || reading.mode !== "cumulative") return undefined;
  const { at, requests, startedAtSeconds } = reading;
  if (requests === undefined || startedAtSeconds === undefined || requests < WANTED_CANARY_REQUESTS) return undefined;
  const seconds = at / 1000 - startedAtSeconds;
  return seconds < 1 ? undefined : requests / seconds;
}
