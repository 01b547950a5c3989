import assert from "node:assert/strict";
import { test } from "node:test";
import { isSunnyError, SunnyError } from "../../errors.ts";
import type { HostSample } from "../../analysis/metrics.ts";
import type { Binding } from "../../operations/monitor/binding.ts";
import type { FakeClock } from "../../operations/monitor/fake-world.ts";
import { fakeClock } from "../../operations/monitor/fake-world.ts";
import {
  CONTRACT_BINDING,
  contractPage,
  metricSourceContract,
} from "../../operations/monitor/metric-source.contract.ts";
import { parseMetrics } from "../scrape/parse.ts";
import type { Get } from "./api.ts";
import { ask, countAtMost } from "./api.ts";
import type { PrometheusOptions } from "./source.ts";
import { prometheusSource, seriesNow } from "./source.ts";

const INSTANCES = { "web-1": "10.0.0.1:8080", "web-2": "10.0.0.2:8080" };
const never = new AbortController().signal;

interface Stored {
  readonly metric: Record<string, string>;
  readonly values: [number, string][];
}

/** Answers the raw range queries of the source from what was scraped, as the server does. */
class FakePrometheus {
  readonly clock: FakeClock = fakeClock();
  readonly pages = new Map<string, string | null>();
  readonly #stored = new Map<string, Stored>();
  readonly queries: string[] = [];

  scrape(): void {
    for (const [host, page] of this.pages) {
      for (const [name, series] of parseMetrics(page ?? "").series) {
        for (const { labels, value } of series) {
          const metric = { __name__: name, ...labels, instance: INSTANCES[host as keyof typeof INSTANCES] };
          const key = JSON.stringify(metric);
          if (!this.#stored.has(key)) this.#stored.set(key, { metric, values: [] });
          this.#stored.get(key)!.values.push([this.clock.now() / 1000, Number.isNaN(value) ? "NaN" : String(value)]);
        }
      }
    }
  }

  readonly get: Get = (url) => {
    const { searchParams } = new URL(url);
    const query = searchParams.get("query")!;
    this.queries.push(query);
    const parts = /^\{__name__=~"([^"]*)",instance=~"([^"]*)"\}\[(\d+)s\]$/.exec(query);
    if (parts === null)
      return Promise.reject(new SunnyError("METRIC_SOURCE_DOWN", `not a query of the source: ${query}`));
    const [names, instances] = [parts[1]!, parts[2]!.replaceAll("\\\\", "\\")].map(
      (text) => new RegExp(`^(?:${text})$`),
    );
    const since = Number(searchParams.get("time")) - Number(parts[3]);
    const result = [...this.#stored.values()]
      .filter(({ metric }) => names!.test(metric["__name__"]!) && instances!.test(metric["instance"]!))
      .map(({ metric, values }) => ({ metric, values: values.filter(([at]) => at > since) }))
      .filter(({ values }) => values.length > 0);
    return Promise.resolve(JSON.stringify({ status: "success", data: { resultType: "matrix", result } }));
  };
}

metricSourceContract("fake Prometheus", async () => {
  const server = new FakePrometheus();
  for (const host of Object.keys(INSTANCES)) server.pages.set(host, contractPage(host, 10));
  server.scrape();
  return {
    source: prometheusSource(CONTRACT_BINDING, {
      server: "http://prometheus:9090",
      get: server.get,
      clock: server.clock,
      hosts: INSTANCES,
    }),
    now: () => server.clock.now(),
    serve: (host, page) => void server.pages.set(host, page),
    async seen() {
      await server.clock.advance(15_000);
      server.scrape();
    },
  };
});

/** A source over one canned answer. */
function canned(answer: unknown, options: Partial<PrometheusOptions> = {}): PrometheusOptions {
  const get: Get = () => Promise.resolve(typeof answer === "string" ? answer : JSON.stringify(answer));
  return { server: "http://prometheus:9090/", get, clock: fakeClock(), hosts: INSTANCES, ...options };
}

test("a native histogram is read at the edges that the rules need", async () => {
  const at = 1_700_000_000;
  const histogram = {
    count: "100",
    sum: "20",
    buckets: [
      [0, "0.25", "0.5", "60"],
      [0, "0.5", "1", "30"],
      [0, "1", "2", "10"],
    ],
  };
  const result = [
    {
      metric: { __name__: "http_request_duration_seconds", instance: INSTANCES["web-1"] },
      histograms: [[at, histogram]],
    },
  ];
  const options = canned({ status: "success", data: { resultType: "matrix", result } }, { edges: [0.5, 1.5] });
  const binding: Binding = {
    ...CONTRACT_BINDING,
    requests: { metric: "http_request_duration_seconds_count", statusLabel: "code" },
  };
  const [reading] = await prometheusSource(binding, options).read(["web-1"], never);
  const sample = reading as HostSample;
  assert.equal(sample.requests, 100);
  assert.deepEqual(sample.latency, { edges: [0.5, 1.5], counts: [60, 95], total: 100 });
});

test("a bucket around an edge counts in proportion", () => {
  const histogram = {
    count: 10,
    buckets: [
      { from: 0, to: 1, count: 4 },
      { from: 1, to: 3, count: 6 },
    ],
  };
  assert.deepEqual(
    [0, 0.5, 1, 2, 3, 9].map((edge) => countAtMost(histogram, edge)),
    [0, 2, 4, 7, 10, 10],
  );
});

test("a series that has gone is not counted on", async () => {
  const server = new FakePrometheus();
  server.pages.set("web-1", 'http_requests_total{code="200"} 100\nhttp_requests_total{code="500"} 7\n');
  server.scrape();
  await server.clock.advance(15_000);
  server.pages.set("web-1", 'http_requests_total{code="200"} 3\n');
  server.scrape();
  const options = { server: "http://prometheus:9090", get: server.get, clock: server.clock, hosts: INSTANCES };
  const binding: Binding = { requests: CONTRACT_BINDING.requests!, exclude: CONTRACT_BINDING.exclude };
  const [reading] = await prometheusSource(binding, options).read(["web-1"], never);
  assert.equal((reading as HostSample).requests, 3);
  assert.equal((reading as HostSample).errors, 0);
});

test("a PromQL expression may stand for a metric", async () => {
  const asked: string[] = [];
  const answer = (resultType: string, result: unknown): string =>
    JSON.stringify({ status: "success", data: { resultType, result } });
  const instance = INSTANCES["web-1"];
  const get: Get = (url) => {
    const query = new URL(url).searchParams.get("query")!;
    asked.push(query);
    if (query.startsWith("sum by"))
      return Promise.resolve(answer("vector", [{ metric: { instance }, value: [5, "42"] }]));
    return Promise.resolve(
      answer("matrix", [{ metric: { __name__: "process_start_time_seconds", instance }, values: [[5, "1"]] }]),
    );
  };
  const binding: Binding = {
    dbConnections: { metric: 'sum by (instance) (mongodb_connections{state="current"})' },
    exclude: CONTRACT_BINDING.exclude,
  };
  const [reading] = await prometheusSource(binding, canned("", { get })).read(["web-1"], never);
  assert.equal((reading as HostSample).dbConnections, 42);
  assert.equal(asked.length, 2);
});

test("an address in a query is text, not a pattern", async () => {
  const server = new FakePrometheus();
  const options = {
    server: "http://prometheus:9090",
    get: server.get,
    clock: server.clock,
    hosts: { a: '10.0.0.1:80"} or up{x="' },
  };
  await prometheusSource(CONTRACT_BINDING, options)
    .read(["a"], never)
    .catch(() => {});
  assert.match(server.queries[0]!, /instance=~"10\\\\\.0\\\\\.0\\\\\.1:80\\"\\\\\} or up\\\\\{x=\\""/);
});

test("the past is read as what was added in each step, without restarts", async () => {
  const series = (values: [number, string][]) => ({
    status: "success",
    data: { resultType: "matrix", result: [{ metric: {}, values }] },
  });
  const get: Get = (url) => {
    const { searchParams, pathname } = new URL(url);
    assert.equal(pathname, "/api/v1/query_range");
    assert.equal(searchParams.get("step"), "15");
    const failed = searchParams.get("query")!.includes('code=~"5.."');
    return Promise.resolve(
      JSON.stringify(
        series(
          failed
            ? [
                [15, "1"],
                [30, "3"],
                [45, "0"],
                [60, "0"],
              ]
            : [
                [0, "0"],
                [15, "100"],
                [30, "200"],
                [45, "10"],
                [60, "110"],
              ],
        ),
      ),
    );
  };
  const past = await prometheusSource(CONTRACT_BINDING, canned("", { get })).past!(["web-1"], {
    fromMs: 0,
    toMs: 60_000,
    stepMs: 1000,
    signal: never,
  });
  assert.deepEqual(past, [
    { requests: 100, errors: 1 },
    { requests: 100, errors: 2 },
    { requests: 100, errors: 0 },
  ]);
});

const wrong: readonly [string, unknown][] = [
  ["a page that is no JSON", "<html>"],
  ["an error", { status: "error", errorType: "bad_data", error: "parse error" }],
  ["another kind of result", { status: "success", data: { resultType: "string", result: [1, "x"] } }],
  ["nothing", {}],
];
for (const [what, answer] of wrong) {
  test(`${what} instead of a query result is a source that is down`, async () => {
    const source = prometheusSource(CONTRACT_BINDING, canned(answer));
    await assert.rejects(source.read(["web-1"], never), (error) => isSunnyError(error, "METRIC_SOURCE_DOWN"));
  });
}

test("an empty result is a host without data, not a healthy one", async () => {
  const options = canned({ status: "success", data: { resultType: "matrix", result: [] } });
  const [reading] = await prometheusSource(CONTRACT_BINDING, options).read(["web-1"], never);
  assert.match((reading as { failed: string }).failed, /no recent sample of web-1 \(instance="10.0.0.1:8080"\)/);
  assert.equal((await seriesNow(options, "web-1", never)).size, 0);
});

test("scalars are read as well", async () => {
  const { get } = canned({ status: "success", data: { resultType: "scalar", result: [5, "+Inf"] } });
  const [one] = await ask("http://prometheus:9090", "query", { query: "1" }, get, never);
  assert.deepEqual(one!.values, [{ at: 5000, value: Infinity }]);
});
