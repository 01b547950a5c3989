import { SunnyError } from "../../errors.ts";

/** Gets the text of a URL, with deadline, trust and headers as the composition root sets them. @throws METRIC_SOURCE_DOWN */
export type Get = (url: string, signal: AbortSignal) => Promise<string>;

/** One native histogram, as the HTTP API shows it: buckets do not overlap and count what lies between their bounds. */
export interface NativeHistogram {
  readonly count: number;
  readonly buckets: readonly { readonly from: number; readonly to: number; readonly count: number }[];
}

/** A series with its samples, oldest first; `at` in milliseconds. */
export interface Samples {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly { readonly at: number; readonly value: number }[];
  readonly histograms: readonly { readonly at: number; readonly value: NativeHistogram }[];
}

/**
 * Asks the HTTP API of a Prometheus server (instant and range queries alike) and reads vectors, matrices and scalars.
 * Source: https://prometheus.io/docs/prometheus/latest/querying/api/
 * @throws METRIC_SOURCE_DOWN when it does not answer, refuses the query, or answers with something else.
 */
export async function ask(
  server: string,
  call: "query" | "query_range",
  parameters: Readonly<Record<string, string>>,
  get: Get,
  signal: AbortSignal,
): Promise<Samples[]> {
  const url = new URL(`${server.replace(/\/+$/, "")}/api/v1/${call}`);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const text = await get(url.href, signal);
  try {
    return readAnswer(JSON.parse(text) as Answer);
  } catch (cause) {
    throw new SunnyError(
      "METRIC_SOURCE_DOWN",
      `Cannot read the answer of Prometheus at ${server}: it is no query result`,
      { cause },
    );
  }
}

interface Answer {
  readonly status: string;
  readonly data: { readonly resultType: string; readonly result: unknown };
}

type Point = readonly [number, string];
type HistogramPoint = readonly [
  number,
  { readonly count: string; readonly buckets?: readonly (readonly [number, string, string, string])[] },
];

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: Point;
  readonly values?: readonly Point[];
  readonly histogram?: HistogramPoint;
  readonly histograms?: readonly HistogramPoint[];
}

function readAnswer(answer: Answer): Samples[] {
  if (answer.status !== "success") throw new TypeError(`status ${answer.status}`);
  const { resultType, result } = answer.data;
  if (resultType === "scalar") return [{ labels: {}, values: [readPoint(result as Point)], histograms: [] }];
  if (resultType !== "vector" && resultType !== "matrix") throw new TypeError(`a ${resultType}`);
  return (result as readonly Series[]).map((series) => ({
    labels: series.metric,
    values: (series.values ?? (series.value === undefined ? [] : [series.value])).map(readPoint),
    histograms: (series.histograms ?? (series.histogram === undefined ? [] : [series.histogram])).map(readHistogram),
  }));
}

function readPoint([seconds, text]: Point): { at: number; value: number } {
  return { at: Math.round(seconds * 1000), value: readNumber(text) };
}

function readHistogram([seconds, { count, buckets = [] }]: HistogramPoint): { at: number; value: NativeHistogram } {
  const read = buckets.map(([, from, to, inside]) => ({
    from: readNumber(from),
    to: readNumber(to),
    count: readNumber(inside),
  }));
  return { at: Math.round(seconds * 1000), value: { count: readNumber(count), buckets: read } };
}

/** As Go prints floating-point numbers. */
function readNumber(text: string): number {
  if (text === "+Inf" || text === "Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return text === "NaN" ? Number.NaN : Number(text);
}

/**
 * How many observations took at most `edge`: whole buckets below it, and of the bucket around it the part that a uniform
 * spread puts below. With the usual eight buckets to a factor of two this is within a few per cent of that bucket.
 */
export function countAtMost(histogram: NativeHistogram, edge: number): number {
  let sum = 0;
  for (const { from, to, count } of histogram.buckets) {
    if (to <= edge) sum += count;
    else if (from < edge) sum += (count * (edge - from)) / (to - from);
  }
  return sum;
}
