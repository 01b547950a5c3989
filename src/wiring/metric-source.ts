import { readFileSync } from "node:fs";
import process from "node:process";
import { fetchText } from "../adapters/scrape/fetch.ts";
import { scrape, scrapeSource, type ScrapeTarget } from "../adapters/scrape/source.ts";
import type { PrometheusOptions } from "../adapters/prometheus/source.ts";
import type { LatencyCounts, MetricSource } from "../analysis/metrics.ts";
import { resourceOf } from "../analysis/rule.ts";
import type { Resource, Rule } from "../analysis/rule.ts";
import { withDeadline, type Clock } from "../clock.ts";
import type { Watched } from "../deployment/prepare.ts";
import { isSunnyError, messageOf, SunnyError } from "../errors.ts";
import { DEFAULT_EXCLUDE, type Binding, type SeriesByName } from "../operations/monitor/binding.ts";
import { checkRules } from "../operations/monitor/check.ts";
import { detectBinding } from "../operations/monitor/detect.ts";
import { edgesOf } from "../operations/monitor/edges.ts";
import { unsupportedThresholds } from "../operations/monitor/unsupported.ts";
import { withHostReadings, type UsageReading } from "../operations/monitor/host-readings.ts";
import { buildRules, titleOf } from "../operations/monitor/rules.ts";
import { diagnostic, type Diagnostic } from "../runbook/diagnostic.ts";
import type { Runbook } from "../runbook/model.ts";
import type { System } from "../system/schema.ts";

/** For reading every host once, milliseconds; and for one question to a Prometheus server. */
const READ_MS = 10_000;
const ASK_MS = 5_000;

/** Edges in seconds at which native histograms are read besides those of the thresholds: as close as a comparison needs. */
const NATIVE_EDGES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 2.5, 5, 10] as const;

/** What sources need besides the system. */
export interface SourceNeeds {
  readonly clock: Clock;
  /** The service's own use of a host, for rules on CPU and memory that no metric answers. */
  readonly usageOf?: (host: string, signal: AbortSignal) => Promise<UsageReading | null>;
}

/** What a source is to read: what `metrics` names, as far as `rules` need it. */
export interface WantedFigures {
  readonly rules: readonly Rule[];
  readonly metrics: Binding;
  /** Cuts for comparing response times are still to be chosen, so these are read at many more edges; default false. */
  readonly choosesCuts?: boolean;
}

/** The metric source of the system. Loads its adapter. */
export async function metricSource(
  system: System,
  { rules, metrics, choosesCuts = false }: WantedFigures,
  { clock, usageOf }: SourceNeeds,
): Promise<MetricSource> {
  const { source } = system.monitoring;
  // Host readings are sums since a start, which do not fit the counts of whole periods: its own metrics answer for both.
  if (source.kind === "cloudwatch") {
    const { cloudWatchOf } = await import("./cloudwatch.ts");
    // Each edge is a query that is paid for.
    return cloudWatchOf(system, source, choosesCuts ? manyEdges(rules) : edgesOf(rules), clock);
  }
  const own = await ownSource(system, source, { rules, metrics }, clock);
  const needs = (resource: Resource): boolean =>
    metrics[resource] === undefined && rules.some((rule) => resourceOf(rule) === resource);
  return usageOf !== undefined && (needs("cpu") || needs("memory")) ? withHostReadings(own, usageOf) : own;
}

async function ownSource(
  system: System,
  source: ScrapeConfig | PrometheusConfig,
  { rules, metrics }: WantedFigures,
  clock: Clock,
): Promise<MetricSource> {
  if (source.kind === "scrape") {
    return scrapeSource(metrics, { ...scrapeOf(source), targets: targets(system, source), clock });
  }
  const { prometheusSource } = await import("../adapters/prometheus/source.ts");
  return prometheusSource(metrics, { ...prometheusOf(system, source, clock), edges: manyEdges(rules) });
}

/**
 * Builds the rules of a runbook and finds which metrics answer for them on the first host that answers; then checks that
 * each rule gets data from every host now. What was frozen is checked, not learned anew.
 */
export async function watchedNow(
  system: System,
  runbook: Runbook,
  frozen: Watched | undefined,
  needs: SourceNeeds,
): Promise<Watched & { readonly diagnostics: readonly Diagnostic[] }> {
  if (runbook.thresholds.length === 0) return { rules: [], metrics: null, diagnostics: [] };
  const at = runbook.thresholds[0] ?? { line: 1, column: 1 };
  const unsupported = frozen === undefined ? unsupportedThresholds(runbook) : [];
  if (unsupported.length > 0) return { rules: [], metrics: null, diagnostics: unsupported };
  try {
    const known = frozen?.rules ?? buildRules(runbook.thresholds, null, system.monitoring.compare).rules;
    const metrics = frozen?.metrics ?? (await detect(system, known, needs));
    const hosts = system.hosts.map((host) => host.name);
    const choosesCuts = frozen === undefined && system.monitoring.compare.latency;
    const source = await metricSource(system, { rules: known, metrics, choosesCuts }, needs);
    const late = (): SunnyError =>
      new SunnyError("METRIC_SOURCE_DOWN", `The metric source has not answered in ${READ_MS} ms`);
    const readings = await withDeadline(needs.clock, READ_MS, undefined, (signal) => source.read(hosts, signal), late);
    const latency = readings.flatMap((one): LatencyCounts[] =>
      "latency" in one && one.latency !== undefined ? [one.latency] : [],
    );
    const { rules } = frozen ?? buildRules(runbook.thresholds, latency[0] ?? null, system.monitoring.compare);
    const problems = checkRules(rules, readings, needs.clock.now());
    return {
      rules,
      metrics,
      diagnostics: problems.map((one) => {
        const title = rules.find(({ id }) => id === one.details["rule"])?.title;
        const stated = runbook.thresholds.find((threshold) => titleOf(threshold) === title);
        return diagnostic("PL203", runbook.file, stated ?? at, {
          message: `${one.message}. ${hintOf(one, system)}`.trim(),
        });
      }),
    };
  } catch (error) {
    if (!isSunnyError(error)) throw error;
    return { rules: [], metrics: null, diagnostics: [problemOf(error, runbook, at)] };
  }
}

/** CloudWatch's metrics are named beside it, not among the bindings. */
function hintOf({ code, hint = "" }: SunnyError, { monitoring }: System): string {
  if (code !== "METRIC_NOT_FOUND" || monitoring.source.kind !== "cloudwatch") return hint;
  return "Name the metric under monitoring.source.metrics in sunny.config.ts, and check that CloudWatch has values of it.";
}

/** Before the first release there is nothing that could answer; what is wrong with the limits themselves is told all the same. */
export function notWatchedYet(runbook: Runbook): Watched & { readonly diagnostics: readonly Diagnostic[] } {
  const [first] = runbook.thresholds;
  const unsupported = unsupportedThresholds(runbook);
  const diagnostics =
    first === undefined || unsupported.length > 0
      ? unsupported
      : [
          diagnostic("PL213", runbook.file, first, {
            message: "No release is active, so this deployment is not watched.",
          }),
        ];
  return { rules: [], metrics: null, diagnostics };
}

function problemOf(
  error: SunnyError,
  runbook: Runbook,
  at: { readonly line: number; readonly column: number },
): Diagnostic {
  const { line, column = 1 } = error.place ?? {};
  const message = `${error.message}. ${error.hint ?? ""}`.trim();
  return diagnostic("PL203", runbook.file, line === undefined ? at : { line, column }, { message });
}

/** Finds the metrics on the first host that reports any. */
async function detect(system: System, rules: readonly Rule[], { clock }: SourceNeeds): Promise<Binding> {
  const { source } = system.monitoring;
  // Its metrics are named by the configuration, which is frozen with the plan: there is nothing to find.
  if (source.kind === "cloudwatch") return { exclude: DEFAULT_EXCLUDE };
  const failures: string[] = [];
  for (const { name } of system.hosts) {
    try {
      const series = await seriesOf(system, source, name, rules, clock);
      if (series.size > 0) return detectBinding(series, system.monitoring.bindings).binding;
      failures.push(`${name}: Prometheus has no recent sample of it`);
    } catch (error) {
      if (isSunnyError(error, "METRIC_NOT_FOUND")) throw error;
      failures.push(`${name}: ${messageOf(error)}`);
    }
  }
  const hint =
    source.kind === "scrape"
      ? "Check that the hosts run and serve monitoring.source.path with the given scheme."
      : "Check monitoring.source.url, and that hostLabel and instances name the hosts as Prometheus does.";
  throw new SunnyError("METRIC_SOURCE_DOWN", `No host reports metrics: ${failures.join("; ")}`, { hint });
}

async function seriesOf(
  system: System,
  source: ScrapeConfig | PrometheusConfig,
  host: string,
  rules: readonly Rule[],
  clock: Clock,
): Promise<SeriesByName> {
  if (source.kind === "prometheus") {
    const options = { ...prometheusOf(system, source, clock), edges: manyEdges(rules) };
    const { seriesNow } = await import("../adapters/prometheus/source.ts");
    return seriesNow(options, host, new AbortController().signal);
  }
  const target = targets(system, source).find((one) => one.host === host);
  if (target === undefined) throw new Error(`there is no host ${host}`);
  return scrape(target, { ...scrapeOf(source), clock });
}

type ScrapeConfig = Extract<System["monitoring"]["source"], { kind: "scrape" }>;

function scrapeOf({ caFile }: ScrapeConfig): { readonly ca?: string } {
  return caFile === undefined ? {} : { ca: readCa(caFile) };
}

/** Where each host serves its metrics. */
function targets(system: System, { scheme, path, serverName }: ScrapeConfig): ScrapeTarget[] {
  return system.hosts.map((host) => ({
    host: host.name,
    url: `${scheme}://${bracketed(host.address)}:${host.port}${path}`,
    ...(serverName === undefined ? {} : { serverName }),
  }));
}

function bracketed(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

type PrometheusConfig = Extract<System["monitoring"]["source"], { kind: "prometheus" }>;

function prometheusOf(system: System, source: PrometheusConfig, clock: Clock): PrometheusOptions {
  const { hostLabel, instances, selector, scrapeIntervalMs } = source;
  const headers = authorization(source);
  const ca = source.caFile === undefined ? undefined : readCa(source.caFile);
  return {
    server: source.url,
    get: (url, signal) => fetchText(url, { clock, deadlineMs: ASK_MS, ca, headers, signal }),
    clock,
    hosts: Object.fromEntries(
      system.hosts.map(({ name, address, port }) => [name, instances[name] ?? `${bracketed(address)}:${port}`]),
    ),
    hostLabel,
    scrapeIntervalMs,
    ...(selector === undefined ? {} : { selector }),
  };
}

/** The token is read when it is used and is never part of the configuration. @throws METRIC_SOURCE_DOWN */
function authorization({ token }: PrometheusConfig): Record<string, string> {
  if (token === undefined) return {};
  const value = process.env[token.env];
  if (value !== undefined && value !== "") return { authorization: `Bearer ${value}` };
  throw new SunnyError("METRIC_SOURCE_DOWN", `Cannot ask Prometheus: ${token.env} is not set`, {
    hint: `Set ${token.env}, or remove monitoring.source.token from the configuration.`,
  });
}

function readCa(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new SunnyError("METRIC_SOURCE_DOWN", `Cannot read monitoring.source.caFile: ${messageOf(error)}`, {
      place: { file },
      cause: error,
    });
  }
}

/** Where histograms without edges of their own are cut: at the limits and cuts of the rules, and in between for choosing cuts. */
function manyEdges(rules: readonly Rule[]): number[] {
  return [...new Set([...edgesOf(rules), ...NATIVE_EDGES])].toSorted((a, b) => a - b);
}
