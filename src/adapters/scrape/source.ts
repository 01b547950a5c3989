import type { Clock } from "../../clock.ts";
import { messageOf, SunnyError } from "../../errors.ts";
import { CLOCK_TOLERANCE_MS } from "../../analysis/delta.ts";
import type { HostReading, MetricSource } from "../../analysis/metrics.ts";
import type { Binding, SeriesByName } from "../../operations/monitor/binding.ts";
import { namesOf, readSample } from "../../operations/monitor/binding.ts";
import { fetchText } from "./fetch.ts";
import { parseMetrics } from "./parse.ts";

export interface ScrapeTarget {
  readonly host: string;
  /** Where the host serves its metrics: `http://10.0.0.3:8080/metrics`. */
  readonly url: string;
  /** Name in the host's certificate where the URL has an address. */
  readonly serverName?: string;
}

export interface ScrapeOptions {
  readonly targets: readonly ScrapeTarget[];
  readonly clock: Clock;
  /** For one host, default 2,000. */
  readonly deadlineMs?: number;
  /** Hosts asked at once, default 32. */
  readonly concurrency?: number;
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Reads `/metrics` of each host directly; a host that fails is a `HostFailure`, the others are not kept waiting for it. */
export function scrapeSource(binding: Binding, options: ScrapeOptions): MetricSource {
  const targets = new Map(options.targets.map((target) => [target.host, target]));
  const wanted = namesOf(binding);
  const time = steadyTime(options.clock);
  return {
    name: `scrape of ${targets.size} hosts`,
    read: (hosts, signal) =>
      mapLimited(hosts, options.concurrency ?? 32, async (host): Promise<HostReading> => {
        const target = targets.get(host);
        if (target === undefined) return { host, failed: `no address is known to scrape ${host}` };
        try {
          const series = await scrape(target, options, wanted, signal);
          return readSample(binding, host, time(), series);
        } catch (error) {
          return { host, failed: messageOf(error) };
        }
      }),
  };
}

/**
 * Everything that one host reports, for detecting its binding at plan time.
 * @throws METRIC_SOURCE_DOWN when it does not answer, or answers with something that holds no metric.
 */
export async function scrape(
  target: ScrapeTarget,
  options: Omit<ScrapeOptions, "targets">,
  wanted?: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<SeriesByName> {
  const { clock, ca, headers, deadlineMs = 2_000 } = options;
  const text = await fetchText(target.url, { clock, deadlineMs, ca, headers, signal, serverName: target.serverName });
  const { series, malformed } = parseMetrics(text, wanted);
  if (series.size > 0) return series;
  const why =
    malformed > 0 ? "its answer is not in the Prometheus text format" : "it reports none of the metrics asked for";
  throw new SunnyError("METRIC_SOURCE_DOWN", `Cannot read metrics from ${target.url}: ${why}`, {});
}

/** Wall time that does not go back when the clock is set by a little; a reading that goes back in time is refused. */
function steadyTime(clock: Clock): () => number {
  let offset = clock.now() - clock.monotonic();
  return () => {
    const steady = clock.monotonic() + offset;
    if (Math.abs(steady - clock.now()) < CLOCK_TOLERANCE_MS) return steady;
    offset = clock.now() - clock.monotonic();
    return clock.now();
  };
}

async function mapLimited<T, R>(items: readonly T[], most: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = Array.from({ length: items.length });
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]!);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  return results;
}
