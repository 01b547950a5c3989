import { SunnyError } from "../../errors.ts";
import type { Binding, Limit, SeriesByName } from "./binding.ts";
import { DEFAULT_EXCLUDE } from "./binding.ts";

/**
 * Settings by metric kind where the built-in names do not fit, as they stand in the config: names of metrics; for
 * limits a name or a number.
 */
export type BindingOverrides = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The keys that an override may have, by metric kind. */
export const OVERRIDE_KEYS: Readonly<Record<string, readonly string[]>> = {
  "error-rate": ["requests", "statusLabel", "errors"],
  "response-time": ["histogram", "unit"],
  cpu: ["seconds", "cores", "share"],
  memory: ["bytes", "limitBytes", "share"],
  "db-connections": ["metric", "max"],
  "queue-length": ["metric"],
  host: ["metric", "label"],
};

const STATUS_LABELS = ["status", "code", "status_code", "response_code", "http_response_status_code"];
const HISTOGRAMS = [
  "http_request_duration_seconds",
  "http_server_request_duration_seconds",
  "http_server_requests_seconds",
  "http_request_duration_milliseconds",
  "http_request_duration_ms",
];
const REQUESTS = ["http_requests_total", "istio_requests_total", ...HISTOGRAMS.map((name) => `${name}_count`)];

/** What was found, and what was assumed where a metric was missing, one sentence each. */
export interface Detected {
  readonly binding: Binding;
  readonly notes: readonly string[];
}

/**
 * Finds the metrics of common exporters (prom-client, OpenTelemetry, Micrometer, node_exporter) among what a host
 * reports; `overrides` win. What is not found is left out: whether a rule needs it is checked by `checkRules`.
 * @throws METRIC_NOT_FOUND when an override names an unknown key.
 */
export function detectBinding(series: SeriesByName, overrides: BindingOverrides = {}): Detected {
  for (const [kind, settings] of Object.entries(overrides)) {
    const known = OVERRIDE_KEYS[kind];
    const wrong = known === undefined ? kind : Object.keys(settings).find((key) => !known.includes(key));
    if (wrong !== undefined) {
      const hint = `Known: ${(known ?? Object.keys(OVERRIDE_KEYS)).join(", ")}.`;
      throw new SunnyError("METRIC_NOT_FOUND", `Cannot bind "${kind}": "${wrong}" is no setting of a binding`, {
        hint,
      });
    }
  }
  const notes: string[] = [];
  const parts = [
    requests(series, overrides["error-rate"] ?? {}),
    latency(series, overrides["response-time"] ?? {}),
    cpu(series, overrides["cpu"] ?? {}, notes),
    memory(series, overrides["memory"] ?? {}, notes),
    connections(series, overrides["db-connections"] ?? {}),
    queue(series, overrides["queue-length"] ?? {}),
    identity(series, overrides["host"] ?? {}),
  ];
  return { binding: Object.assign({ exclude: DEFAULT_EXCLUDE }, ...parts) as Binding, notes };
}

type Part = Partial<Binding>;
type Given = Readonly<Record<string, string>>;

function requests(series: SeriesByName, given: Given): Part {
  const metric = given["requests"] ?? REQUESTS.find((name) => statusLabel(series, name) !== undefined);
  if (metric === undefined) return {};
  const label = given["statusLabel"] ?? statusLabel(series, metric);
  const errors = given["errors"];
  return {
    requests: {
      metric,
      ...(label === undefined ? {} : { statusLabel: label }),
      ...(errors === undefined ? {} : { errors }),
    },
  };
}

function statusLabel(series: SeriesByName, metric: string): string | undefined {
  const labels = series.get(metric)?.[0]?.labels ?? {};
  return STATUS_LABELS.find((label) => label in labels);
}

function latency(series: SeriesByName, given: Given): Part {
  const metric = given["histogram"] ?? HISTOGRAMS.find((name) => series.has(`${name}_bucket`));
  if (metric === undefined) return {};
  const unit = given["unit"] ?? (/_(ms|milliseconds)$/.test(metric) ? "ms" : "s");
  return { latency: { metric, perSecond: unit === "ms" ? 1000 : 1 } };
}

function cpu(series: SeriesByName, given: Given, notes: string[]): Part {
  if (given["share"] !== undefined) return { cpu: { kind: "share", metric: given["share"] } };
  const metric = given["seconds"] ?? "process_cpu_seconds_total";
  if (given["seconds"] !== undefined || series.has(metric)) {
    const cores = limit(given["cores"]) ?? named(series, /(^|_)cpu_limit_cores$/);
    if (cores !== undefined) return { cpu: { kind: "seconds", metric, cores } };
    if ([...series.keys()].some((name) => name.startsWith("nodejs_"))) {
      notes.push("no metric says how much CPU the service may use: one core is assumed, since it runs on Node.js");
      return { cpu: { kind: "seconds", metric, cores: { value: 1 } } };
    }
    notes.push("no metric says how much CPU the service may use: set monitoring.bindings.cpu.cores");
  }
  if (!series.has("node_cpu_seconds_total")) return {};
  notes.push("CPU is the whole machine's, since nothing reports the service's own");
  return { cpu: { kind: "machine" } };
}

function memory(series: SeriesByName, given: Given, notes: string[]): Part {
  if (given["share"] !== undefined) return { memory: { kind: "share", metric: given["share"] } };
  const metric = given["bytes"] ?? "process_resident_memory_bytes";
  if (given["bytes"] !== undefined || series.has(metric)) {
    const most = limit(given["limitBytes"]) ?? named(series, /(^|_)memory_limit_bytes$/);
    if (most !== undefined) return { memory: { kind: "bytes", metric, limit: most } };
    notes.push("no metric says how much memory the service may use: set monitoring.bindings.memory.limitBytes");
  }
  if (!series.has("node_memory_MemTotal_bytes")) return {};
  notes.push("memory is the whole machine's, since nothing reports the service's own");
  return { memory: { kind: "machine" } };
}

function connections(series: SeriesByName, given: Given): Part {
  const metric = given["metric"] ?? nameOf(series, /(^|_)db_connections$/);
  if (metric === undefined) return {};
  const max = limit(given["max"]) ?? named(series, /(^|_)db_connections_max$/);
  return { dbConnections: { metric, ...(max === undefined ? {} : { max }) } };
}

function queue(series: SeriesByName, given: Given): Part {
  const metric = given["metric"] ?? nameOf(series, /(^|_)queue_(length|size)$/);
  return metric === undefined ? {} : { queueLength: { metric } };
}

function identity(series: SeriesByName, given: Given): Part {
  if (given["metric"] !== undefined) return { identity: { metric: given["metric"], label: given["label"] ?? "host" } };
  const found = series.get("app_info")?.some((one) => "host" in one.labels) === true;
  return found ? { identity: { metric: "app_info", label: "host" } } : {};
}

function limit(given: string | undefined): Limit | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  return given.trim() !== "" && Number.isFinite(value) ? { value } : { metric: given };
}

function named(series: SeriesByName, pattern: RegExp): Limit | undefined {
  const metric = nameOf(series, pattern);
  return metric === undefined ? undefined : { metric };
}

function nameOf(series: SeriesByName, pattern: RegExp): string | undefined {
  return [...series.keys()].find((name) => pattern.test(name));
}
