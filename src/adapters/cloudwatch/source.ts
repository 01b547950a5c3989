import type { Clock } from "../../clock.ts";
import { messageOf, SunnyError } from "../../errors.ts";
import type { HostReading, HostSample, MetricSource } from "../../analysis/metrics.ts";
import type { AskedFigure, CloudWatchBinding, DataQuery } from "./queries.ts";
import { Given, type Values } from "./given.ts";
import { queriesOf } from "./queries.ts";

/** `GetMetricData` as far as it is used here; the client of the AWS SDK fits it. */
export type GetMetricData = (
  input: {
    readonly MetricDataQueries: DataQuery[];
    readonly StartTime: Date;
    readonly EndTime: Date;
    readonly NextToken?: string;
  },
  signal: AbortSignal,
) => Promise<{
  readonly MetricDataResults?: readonly DataResult[];
  readonly NextToken?: string;
}>;

/** The answer to one query: values beside the starts of their periods. */
export interface DataResult {
  readonly Id?: string;
  readonly Timestamps?: readonly Date[];
  readonly Values?: readonly number[];
  /** "Forbidden" and "InternalError" say that this query alone has failed, with `Messages`. */
  readonly StatusCode?: string;
  readonly Messages?: readonly { readonly Value?: string }[];
}

/** What a CloudWatch source needs. */
export interface CloudWatchOptions {
  readonly getMetricData: GetMetricData;
  readonly clock: Clock;
  /** Value of the host dimension for each host. */
  readonly hosts: Readonly<Record<string, string>>;
  /** Edges in seconds that the rules need: `edgesOf(rules)`. */
  readonly edges?: readonly number[];
  /** Length of a period, seconds, default 60; high-resolution metrics have 1, 5, 10 or 30. */
  readonly periodSeconds?: number;
  /** How long after its end a period is taken for complete, milliseconds, default 60,000. */
  readonly lagMs?: number;
}

/** As many queries as one call may hold. */
const MOST_QUERIES = 500;
/** At worst each query is answered by a page of its own. */
const MOST_PAGES = MOST_QUERIES;
/** Periods that a reading reaches back, so that a failed reading loses nothing. */
const PERIODS_BACK = 5;

/**
 * Reads hosts from CloudWatch. It gives counts of whole periods, a minute or two late, so intervals are no shorter than a
 * period. A host without a value for its requests in a period had none reported: that is no data, not zero. Failed
 * requests are reported only when there are some: their absence beside requests is zero.
 */
export function cloudWatchSource(binding: CloudWatchBinding, options: CloudWatchOptions): MetricSource {
  const { periodSeconds = 60, lagMs = 60_000, clock, edges = [] } = options;
  const periodMs = periodSeconds * 1000;
  const given = new Map<string, Given>();
  return {
    name: "CloudWatch",
    stepMs: periodMs,
    async read(hosts, signal) {
      const end = Math.floor((clock.now() - lagMs) / periodMs) * periodMs;
      const start = end - PERIODS_BACK * periodMs;
      const known = Object.fromEntries(
        hosts.flatMap((host) => (options.hosts[host] === undefined ? [] : [[host, options.hosts[host]]])),
      );
      const asked = queriesOf(binding, known, edges, periodSeconds);
      const answers = await fetchAll(options.getMetricData, asked, start, end, signal);
      return hosts.map((host): HostReading => {
        if (known[host] === undefined) return { host, failed: `it is not known what CloudWatch calls ${host}` };
        const own = asked.filter((one) => one.host === host);
        let before = given.get(host);
        if (before === undefined) given.set(host, (before = new Given(end - periodMs)));
        const reading = readHost(host, own, answers, before, periodMs, edges);
        if ("at" in reading) before.done(reading.at, start);
        return reading;
      });
    },
  };
}

/** Values by query, and why a query has none. */
interface Answers {
  readonly values: Map<string, Map<number, number>>;
  readonly refusals: Map<string, string>;
}

async function fetchAll(
  getMetricData: GetMetricData,
  asked: readonly AskedFigure[],
  start: number,
  end: number,
  signal: AbortSignal,
): Promise<Answers> {
  const answers: Answers = { values: new Map(), refusals: new Map() };
  for (let from = 0; from < asked.length; from += MOST_QUERIES) {
    const MetricDataQueries = asked.slice(from, from + MOST_QUERIES).map(({ query }) => query);
    const input = { MetricDataQueries, StartTime: new Date(start), EndTime: new Date(end) };
    let token: string | undefined;
    for (let page = 0; page === 0 || token !== undefined; page++) {
      if (page >= MOST_PAGES) throw down("its answer does not end");
      try {
        const answer = await getMetricData(token === undefined ? input : { ...input, NextToken: token }, signal);
        for (const result of answer.MetricDataResults ?? []) collect(answers, result, end);
        token = answer.NextToken;
      } catch (error) {
        throw error instanceof Error && error.name === "CredentialsProviderError"
          ? unknown(error)
          : down(wordsOf(error), error);
      }
    }
  }
  return answers;
}

function collect(
  { values, refusals }: Answers,
  { Id = "", Timestamps = [], Values = [], StatusCode, Messages = [] }: DataResult,
  end: number,
): void {
  let own = values.get(Id);
  if (own === undefined) values.set(Id, (own = new Map()));
  // A period that is not over yet was not asked for.
  for (const [i, time] of Timestamps.entries()) {
    if (time.getTime() < end) own.set(time.getTime(), Values[i] ?? Number.NaN);
  }
  if (StatusCode !== "Forbidden" && StatusCode !== "InternalError") return;
  refusals.set(Id, [StatusCode, ...Messages.map(({ Value }) => Value ?? "")].join(" "));
}

function readHost(
  host: string,
  own: readonly AskedFigure[],
  { values, refusals }: Answers,
  given: Given,
  periodMs: number,
  edges: readonly number[],
): HostReading {
  const valuesOf = (match: (figure: AskedFigure["figure"]) => boolean): Values | undefined => {
    const one = own.find(({ figure }) => match(figure));
    return one === undefined ? undefined : (values.get(one.query.Id) ?? new Map());
  };
  const periods = given.periodsOf(own.flatMap(({ query }) => [...(values.get(query.Id)?.keys() ?? [])]));
  const last = periods.fresh.at(-1);
  if (last === undefined) {
    const refused = own.map(({ query }) => refusals.get(query.Id)).find((one) => one !== undefined);
    return { host, failed: `CloudWatch has no new value of ${host}${refused === undefined ? "" : `: ${refused}`}` };
  }
  const latest = (figure: string, scale: number): number | undefined => {
    const levels = valuesOf((one) => one === figure);
    const time = periods.fresh.findLast((one) => levels?.has(one));
    return time === undefined ? undefined : levels!.get(time)! * scale;
  };
  const requests = given.count(
    "requests",
    valuesOf((figure) => figure === "requests"),
    periods,
  );
  // Errors of requests that are not known are left for when they are.
  const errorValues =
    requests === undefined || Number.isNaN(requests) ? undefined : valuesOf((one) => one === "errors");
  const ranks = edges.map((edge) => valuesOf((one) => typeof one === "object" && one.withinSeconds === edge));
  const figures = {
    requests,
    errors: errorValues === undefined ? undefined : given.sparse("errors", errorValues, periods),
    latency: given.latency(
      valuesOf((figure) => figure === "durations"),
      edges,
      ranks,
      periods,
    ),
    cpuShare: latest("cpuPercent", 0.01),
    memoryShare: latest("memoryPercent", 0.01),
    dbConnections: latest("dbConnections", 1),
    queueLength: latest("queueLength", 1),
  };
  const present = Object.fromEntries(
    Object.entries(figures).filter(([, value]) => value !== undefined),
  ) as Partial<HostSample>;
  return { host, at: last + periodMs, mode: "windowed", ...present };
}

/** What a server answers that is not in CloudWatch's own words says least in the words of whoever could not read it. */
function wordsOf(error: unknown): string {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  return error instanceof SyntaxError && status !== undefined ? `it answers with status ${status}` : messageOf(error);
}

/** The SDK says at length where it looked; people need what to do. */
function unknown(cause: Error): SunnyError {
  return new SunnyError("METRIC_SOURCE_DOWN", "Cannot read metrics from CloudWatch: no AWS credentials were found", {
    hint: "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where an instance role is attached; it needs cloudwatch:GetMetricData.",
    cause,
  });
}

function down(why: string, cause?: unknown): SunnyError {
  return new SunnyError("METRIC_SOURCE_DOWN", `Cannot read metrics from CloudWatch: ${why}`, {
    hint: "Check region and credentials; the role needs cloudwatch:GetMetricData.",
    cause,
  });
}
