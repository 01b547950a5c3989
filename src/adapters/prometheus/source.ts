import type { Clock } from "../../clock.ts";
import type { HostReading, MetricSource, PastInterval } from "../../analysis/metrics.ts";
import type { Binding, Series, SeriesByName } from "../../operations/monitor/binding.ts";
import { namesOf, readSample } from "../../operations/monitor/binding.ts";
import type { Get, Samples } from "./api.ts";
import { ask, countAtMost } from "./api.ts";

export interface PrometheusOptions {
  /** Base URL of the server, `http://prometheus:9090`. */
  readonly server: string;
  readonly get: Get;
  readonly clock: Clock;
  /** The value of `hostLabel` for each host, as Prometheus knows it: `{ "web-1": "10.0.0.3:8080" }`. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Default `instance`. */
  readonly hostLabel?: string;
  /** Further label matchers of every query: `job="payments"`. */
  readonly selector?: string;
  /** How often Prometheus scrapes, milliseconds, default 15,000; intervals are no shorter. */
  readonly scrapeIntervalMs?: number;
  /** Edges in seconds at which native histograms are read: those that the rules need. */
  readonly edges?: readonly number[];
}

/** A query URL longer than this is not sent; hosts are then picked from the answer. */
const LONGEST_MATCHER = 4_000;
const PLAIN_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/**
 * Reads hosts through a Prometheus server: the newest raw samples of each, so that counters, restarts and timestamps are
 * treated as if the host had been asked itself. A binding may name a metric or, in its stead, a PromQL expression with
 * one value a host.
 */
export function prometheusSource(binding: Binding, options: PrometheusOptions): MetricSource {
  const stepMs = options.scrapeIntervalMs ?? 15_000;
  return {
    name: `Prometheus at ${options.server}`,
    stepMs,
    async read(hosts, signal) {
      const series = await latestSeries(options, namesOf(binding), hosts, stepMs, signal);
      return hosts.map((host): HostReading => {
        const own = series.get(host);
        if (own !== undefined) return readSample(binding, host, own.at, own.series);
        const known = options.hosts[host];
        if (known === undefined) return { host, failed: `it is not known what Prometheus calls ${host}` };
        return { host, failed: `Prometheus has no recent sample of ${host} (${labelOf(options)}="${known}")` };
      });
    },
    past: (hosts, past) =>
      pastIntervals(binding, options, hosts, past.fromMs, past.toMs, Math.max(past.stepMs, stepMs), past.signal),
  };
}

/**
 * Everything that Prometheus has of one host now, for detecting its binding at plan time.
 * @throws METRIC_SOURCE_DOWN
 */
export async function seriesNow(options: PrometheusOptions, host: string, signal: AbortSignal): Promise<SeriesByName> {
  const all = await latestSeries(options, null, [host], options.scrapeIntervalMs ?? 15_000, signal);
  return all.get(host)?.series ?? new Map();
}

interface HostSeries {
  readonly at: number;
  readonly series: Map<string, Series[]>;
}

async function latestSeries(
  options: PrometheusOptions,
  names: ReadonlySet<string> | null,
  hosts: readonly string[],
  stepMs: number,
  signal: AbortSignal,
): Promise<Map<string, HostSeries>> {
  const lookback = `${Math.ceil((2.5 * stepMs) / 1000)}s`;
  const plain = names === null ? null : [...names].filter((name) => PLAIN_NAME.test(name));
  const time = String(options.clock.now() / 1000);
  const raw = await ask(
    options.server,
    "query",
    { query: `${matcher(options, plain, hosts)}[${lookback}]`, time },
    options.get,
    signal,
  );
  const byHost = new Map<string, Samples[]>();
  const hostOf = new Map(
    hosts.flatMap((host) => (options.hosts[host] === undefined ? [] : [[options.hosts[host], host] as const])),
  );
  for (const one of raw) {
    const host = hostOf.get(one.labels[labelOf(options)] ?? "");
    if (host !== undefined) byHost.set(host, [...(byHost.get(host) ?? []), one]);
  }
  const latest = new Map([...byHost].map(([host, samples]) => [host, newestOf(samples, options.edges ?? [])]));
  const expressions = names === null ? [] : [...names].filter((name) => !PLAIN_NAME.test(name));
  for (const expression of expressions) {
    for (const one of await ask(options.server, "query", { query: expression, time }, options.get, signal)) {
      const own = latest.get(hostOf.get(one.labels[labelOf(options)] ?? "") ?? "");
      const value = one.values.at(-1)?.value;
      if (own !== undefined && value !== undefined)
        own.series.set(expression, [...(own.series.get(expression) ?? []), { labels: one.labels, value }]);
    }
  }
  return latest;
}

/**
 * All samples of one scrape carry its time, so those of the newest scrape are what the host reports now; an older one is
 * a series that has gone.
 */
function newestOf(samples: readonly Samples[], edges: readonly number[]): HostSeries {
  const timesOf = (one: Samples): number => Math.max(one.values.at(-1)?.at ?? 0, one.histograms.at(-1)?.at ?? 0);
  const at = Math.max(...samples.map(timesOf));
  const series = new Map<string, Series[]>();
  const add = (name: string, labels: Series["labels"], value: number): void => {
    const known = series.get(name);
    if (known === undefined) series.set(name, [{ labels, value }]);
    else known.push({ labels, value });
  };
  for (const one of samples) {
    if (timesOf(one) !== at) continue;
    const { __name__: name = "", ...labels } = one.labels;
    const value = one.values.at(-1);
    if (value?.at === at) add(name, labels, value.value);
    const native = one.histograms.at(-1);
    if (native?.at !== at) continue;
    // A native histogram is shown as the classic one that it stands for.
    for (const edge of edges) add(`${name}_bucket`, { ...labels, le: String(edge) }, countAtMost(native.value, edge));
    add(`${name}_bucket`, { ...labels, le: "+Inf" }, native.value.count);
    add(`${name}_count`, labels, native.value.count);
  }
  return { at, series };
}

function matcher(
  options: PrometheusOptions,
  names: readonly string[] | null,
  hosts: readonly string[],
  more = "",
): string {
  // A native histogram has the name without the ending.
  const all = names?.flatMap((name) => (name.endsWith("_bucket") ? [name, name.slice(0, -"_bucket".length)] : [name]));
  const parts = [all === undefined ? '__name__!=""' : `__name__=~"${all.join("|")}"`];
  const known = hosts.flatMap((host) => (options.hosts[host] === undefined ? [] : [regexOf(options.hosts[host])]));
  const label = `${labelOf(options)}=~"${known.join("|")}"`;
  if (label.length <= LONGEST_MATCHER) parts.push(label);
  return `{${[...parts, options.selector ?? "", more].filter((part) => part !== "").join(",")}}`;
}

/** Escaped as a regular expression, and that as a string of PromQL. */
function regexOf(text: string): string {
  return text
    .replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll("\\", "\\\\")
    .replaceAll('"', String.raw`\"`);
}

function labelOf(options: PrometheusOptions): string {
  return options.hostLabel ?? "instance";
}

async function pastIntervals(
  binding: Binding,
  options: PrometheusOptions,
  hosts: readonly string[],
  fromMs: number,
  toMs: number,
  stepMs: number,
  signal: AbortSignal,
): Promise<PastInterval[]> {
  const { requests } = binding;
  if (requests === undefined || !PLAIN_NAME.test(requests.metric)) return [];
  const range = { start: String(fromMs / 1000), end: String(toMs / 1000), step: String(stepMs / 1000) };
  const sum = async (metric: string, status: string): Promise<Map<number, number>> => {
    const query = `sum(${matcher(options, [metric], hosts, status)})`;
    const [series] = await ask(options.server, "query_range", { query, ...range }, options.get, signal);
    return new Map(series?.values.map(({ at, value }) => [at, value]));
  };
  const failed = requests.statusLabel === undefined ? "" : `${requests.statusLabel}=~"5.."`;
  const all = await sum(requests.metric, "");
  const errors = await sum(requests.errors ?? requests.metric, requests.errors === undefined ? failed : "");
  const times = [...all.keys()].toSorted((a, b) => a - b);
  return times.slice(1).flatMap((at, i) => {
    const before = times[i]!;
    const asked = all.get(at)! - all.get(before)!;
    const wrong = (errors.get(at) ?? 0) - (errors.get(before) ?? 0);
    // A restart makes the sums go back: that step says nothing.
    return asked < 0 || wrong < 0 || !Number.isFinite(asked + wrong) ? [] : [{ requests: asked, errors: wrong }];
  });
}
