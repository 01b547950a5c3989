import type { HostReading, HostSample, LatencyCounts } from "../../analysis/metrics.ts";

/** One sample of a Prometheus metric: labels without the name. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Series by metric name; a metric that is declared but has counted nothing yet is an empty list. */
export type SeriesByName = ReadonlyMap<string, readonly Series[]>;

/** Which metrics answer for which figure; plain JSON, so that it is frozen with the plan. Missing: not measured. */
export interface Binding {
  /** A counter of requests; its errors are those whose `statusLabel` begins with 5, or a counter of their own. */
  readonly requests?: { readonly metric: string; readonly statusLabel?: string; readonly errors?: string };
  /** A classic histogram, without `_bucket`; `perSecond` is how many of its units make a second (1000 for ms). */
  readonly latency?: { readonly metric: string; readonly perSecond: number };
  readonly cpu?:
    | { readonly kind: "seconds"; readonly metric: string; readonly cores: Limit }
    | { readonly kind: "share"; readonly metric: string }
    | { readonly kind: "machine" };
  readonly memory?:
    | { readonly kind: "bytes"; readonly metric: string; readonly limit: Limit }
    | { readonly kind: "share"; readonly metric: string }
    | { readonly kind: "machine" };
  readonly dbConnections?: { readonly metric: string; readonly max?: Limit };
  readonly queueLength?: { readonly metric: string };
  /** Which label of which metric names the host that answers. */
  readonly identity?: { readonly metric: string; readonly label: string };
  /** Requests whose `labels` have one of `values` are no customers' requests and are not counted. */
  readonly exclude: { readonly labels: readonly string[]; readonly values: readonly string[] };
}

/** A limit is a metric's value or a number that is known. */
export type Limit = { readonly metric: string } | { readonly value: number };

/** Health checks and scrapes go to every host alike and would dilute what customers see. */
export const DEFAULT_EXCLUDE: Binding["exclude"] = {
  labels: ["route", "path", "handler", "uri", "http_route"],
  values: ["/metrics", "/health", "/healthz", "/ready", "/readyz", "/live", "/livez", "/status"],
};

/** All metric names that a binding reads, for a parser or a query that skips the rest. */
export function namesOf(binding: Binding): Set<string> {
  const names = new Set(["process_start_time_seconds"]);
  const limit = (one: Limit | undefined): void => {
    if (one !== undefined && "metric" in one) names.add(one.metric);
  };
  if (binding.requests !== undefined) names.add(binding.requests.metric);
  if (binding.requests?.errors !== undefined) names.add(binding.requests.errors);
  if (binding.latency !== undefined) for (const end of ["_bucket", "_count"]) names.add(binding.latency.metric + end);
  if (binding.cpu?.kind === "machine") names.add("node_cpu_seconds_total");
  else if (binding.cpu !== undefined) names.add(binding.cpu.metric);
  if (binding.cpu?.kind === "seconds") limit(binding.cpu.cores);
  if (binding.memory?.kind === "machine") for (const name of MACHINE_MEMORY) names.add(name);
  else if (binding.memory !== undefined) names.add(binding.memory.metric);
  if (binding.memory?.kind === "bytes") limit(binding.memory.limit);
  if (binding.dbConnections !== undefined) names.add(binding.dbConnections.metric);
  limit(binding.dbConnections?.max);
  if (binding.queueLength !== undefined) names.add(binding.queueLength.metric);
  if (binding.identity !== undefined) names.add(binding.identity.metric);
  return names;
}

const MACHINE_MEMORY = ["node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes"] as const;

/**
 * Reads one host's figures out of its series. `at` is when they held, milliseconds. A host whose identity metric names
 * another host is refused: its figures would count for the wrong arm.
 */
export function readSample(binding: Binding, host: string, at: number, series: SeriesByName): HostReading {
  const stranger = otherHost(binding, host, series);
  if (stranger !== null) return { host, failed: `${host} answers as "${stranger}"` };
  const sample: { -readonly [K in keyof HostSample]: HostSample[K] } = { host, at, mode: "cumulative" };
  const set = <K extends keyof HostSample>(key: K, value: HostSample[K] | undefined): void => {
    if (value !== undefined) sample[key] = value;
  };
  readRequests(binding, series, set);
  set("latency", binding.latency === undefined ? undefined : readHistogram(binding, binding.latency, series));
  readUsage(binding, series, set);
  set("dbConnections", sumOf(binding.dbConnections?.metric, series));
  set("dbConnectionsMax", limitOf(binding.dbConnections?.max, series));
  set("queueLength", sumOf(binding.queueLength?.metric, series));
  set("startedAtSeconds", series.get("process_start_time_seconds")?.[0]?.value);
  return sample;
}

type Setter = <K extends keyof HostSample>(key: K, value: HostSample[K] | undefined) => void;

function otherHost(binding: Binding, host: string, series: SeriesByName): string | null {
  if (binding.identity === undefined) return null;
  const { metric, label } = binding.identity;
  const names = (series.get(metric) ?? []).map((one) => one.labels[label]).filter((name) => name !== undefined);
  return names.find((name) => name !== host) ?? null;
}

function readRequests(binding: Binding, series: SeriesByName, set: Setter): void {
  if (binding.requests === undefined) return;
  const { metric, statusLabel, errors } = binding.requests;
  const all = series.get(metric);
  if (all === undefined) return;
  const customers = all.filter((one) => isCustomers(binding, one));
  set("requests", total(customers));
  if (errors !== undefined) set("errors", sumOf(errors, series) ?? 0);
  else if (statusLabel !== undefined) {
    // A service that has not failed yet has no series of failures; that is zero errors, not an unknown number.
    set("errors", total(customers.filter((one) => one.labels[statusLabel]?.startsWith("5") === true)));
  }
}

function isCustomers(binding: Binding, one: Series): boolean {
  const { labels, values } = binding.exclude;
  return !labels.some((label) => values.includes(one.labels[label] ?? ""));
}

function readHistogram(
  binding: Binding,
  latency: { readonly metric: string; readonly perSecond: number },
  series: SeriesByName,
): LatencyCounts | undefined {
  const buckets = series.get(`${latency.metric}_bucket`);
  if (buckets === undefined) return undefined;
  const byEdge = new Map<number, number>();
  for (const one of buckets) {
    const le = one.labels["le"];
    const edge = le === undefined ? Number.NaN : le === "+Inf" ? Infinity : Number(le) / latency.perSecond;
    // Excluded requests still show which edges there are.
    const count = isCustomers(binding, one) ? one.value : 0;
    if (!Number.isNaN(edge)) byEdge.set(edge, (byEdge.get(edge) ?? 0) + count);
  }
  const edges = [...byEdge.keys()].filter((edge) => edge !== Infinity).toSorted((a, b) => a - b);
  const total = byEdge.get(Infinity) ?? (edges.length === 0 ? 0 : Number.NaN);
  return { edges, counts: edges.map((edge) => byEdge.get(edge)!), total };
}

function readUsage(binding: Binding, series: SeriesByName, set: Setter): void {
  const { cpu, memory } = binding;
  if (cpu?.kind === "share") set("cpuShare", sumOf(cpu.metric, series));
  if (cpu?.kind === "seconds") {
    set("cpuSeconds", sumOf(cpu.metric, series));
    set("cpuLimitCores", limitOf(cpu.cores, series));
  }
  if (cpu?.kind === "machine") {
    const all = series.get("node_cpu_seconds_total") ?? [];
    const busy = all.filter((one) => one.labels["mode"] !== "idle" && one.labels["mode"] !== "iowait");
    if (all.length > 0) set("cpuSeconds", total(busy));
    set("cpuLimitCores", new Set(all.map((one) => one.labels["cpu"])).size);
  }
  if (memory?.kind === "share") set("memoryShare", sumOf(memory.metric, series));
  if (memory?.kind === "bytes") set("memoryShare", divide(sumOf(memory.metric, series), limitOf(memory.limit, series)));
  if (memory?.kind === "machine") {
    const free = divide(sumOf(MACHINE_MEMORY[0], series), sumOf(MACHINE_MEMORY[1], series));
    set("memoryShare", free === undefined ? undefined : 1 - free);
  }
}

function limitOf(limit: Limit | undefined, series: SeriesByName): number | undefined {
  if (limit === undefined) return undefined;
  return "value" in limit ? limit.value : sumOf(limit.metric, series);
}

function sumOf(metric: string | undefined, series: SeriesByName): number | undefined {
  const all = metric === undefined ? undefined : series.get(metric);
  return all === undefined || all.length === 0 ? undefined : total(all);
}

function total(series: readonly Series[]): number {
  let sum = 0;
  for (const one of series) sum += one.value;
  return sum;
}

function divide(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined || !(b > 0) ? undefined : a / b;
}
