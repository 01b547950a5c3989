import assert from "node:assert/strict";
import { test } from "node:test";
import { isSunnyError } from "../../errors.ts";
import { buildInterval } from "../../analysis/intervals.ts";
import type { HostSample } from "../../analysis/metrics.ts";
import type { Rule } from "../../analysis/rule.ts";
import { edgesOf } from "../../operations/monitor/edges.ts";
import type { FakeClock } from "../../operations/monitor/fake-world.ts";
import { fakeClock } from "../../operations/monitor/fake-world.ts";
import type { CloudWatchBinding, DataQuery } from "./queries.ts";
import { queriesOf } from "./queries.ts";
import type { CloudWatchOptions, GetMetricData } from "./source.ts";
import { cloudWatchSource } from "./source.ts";

const never = new AbortController().signal;
const START = Date.UTC(2026, 0, 4, 1, 0, 30);
const HOSTS = { "web-1": "i-1", "web-2": "i-2" };
const BINDING: CloudWatchBinding = {
  requests: { namespace: "Payments", name: "Requests", dimensions: { Service: "api" } },
  errors: { namespace: "Payments", name: "Errors" },
  latency: { namespace: "Payments", name: "Duration", perSecond: 1000 },
  cpuPercent: { namespace: "AWS/EC2", name: "CPUUtilization" },
};

/** A key of what a value is stored under: metric, statistic, host and start of the period. */
function keyOf(query: DataQuery, time: number): string {
  const { MetricName, Dimensions } = query.MetricStat.Metric;
  return `${MetricName} ${query.MetricStat.Stat} ${Dimensions.find(({ Name }) => Name === "InstanceId")?.Value} ${time}`;
}

interface Fake {
  readonly clock: FakeClock;
  readonly values: Map<string, number>;
  readonly calls: number[];
  readonly source: ReturnType<typeof cloudWatchSource>;
  /** Stores a value for a period that begins so many minutes after one o'clock. */
  put(metric: string, stat: string, instance: string, minute: number, value: number): void;
}

function fake(options: Partial<CloudWatchOptions> = {}): Fake {
  const clock = fakeClock(START);
  const values = new Map<string, number>();
  const calls: number[] = [];
  const getMetricData: GetMetricData = (input) => {
    calls.push(input.MetricDataQueries.length);
    // One result a page, to show that pages are followed.
    const page = Number(input.NextToken ?? 0);
    const query = input.MetricDataQueries[page]!;
    const times: Date[] = [];
    for (let time = input.StartTime.getTime(); time < input.EndTime.getTime(); time += 60_000) {
      if (values.has(keyOf(query, time))) times.unshift(new Date(time));
    }
    const Values = times.map((time) => values.get(keyOf(query, time.getTime()))!);
    const next = page + 1 < input.MetricDataQueries.length ? { NextToken: String(page + 1) } : {};
    return Promise.resolve({ MetricDataResults: [{ Id: query.Id, Timestamps: times, Values }], ...next });
  };
  const source = cloudWatchSource(BINDING, { getMetricData, clock, hosts: HOSTS, edges: [0.5], ...options });
  return {
    clock,
    values,
    calls,
    source,
    put: (metric, stat, instance, minute, value) =>
      void values.set(`${metric} ${stat} ${instance} ${Date.UTC(2026, 0, 4, 1, minute)}`, value),
  };
}

test("a metric is asked for with its own dimensions and the host's", () => {
  const [first, , , rank] = queriesOf(BINDING, { "web-1": "i-1" }, [0.5], 60);
  assert.deepEqual(first, {
    host: "web-1",
    figure: "requests",
    query: {
      Id: "q0",
      MetricStat: {
        Metric: {
          Namespace: "Payments",
          MetricName: "Requests",
          Dimensions: [
            { Name: "Service", Value: "api" },
            { Name: "InstanceId", Value: "i-1" },
          ],
        },
        Period: 60,
        Stat: "Sum",
      },
      ReturnData: true,
    },
  });
  assert.equal(rank!.query.MetricStat.Stat, "PR(:500)");
});

test("the edges that the rules need are asked for once each", () => {
  const cuts = [{ canarySeconds: 0.5, baselineSeconds: 0.25 }];
  const rules: Rule[] = [
    { id: "a", title: "a", kind: "latency", share: 0.5, edgeSeconds: 0.5, percentile: 95, limit: 0.05 },
    { id: "b", title: "b", kind: "latency-versus-baseline", share: 0.5, cuts },
    { id: "c", title: "c", kind: "error-rate", share: 0, limit: 0.01 },
  ];
  assert.deepEqual(edgesOf(rules), [0.25, 0.5]);
});

test("the newest complete period is read, with counts, ranks and shares", async () => {
  const { clock, source, put } = fake();
  await clock.advance(5 * 60_000);
  // It is 1:05:30; with a minute for values to arrive the last complete period began at 1:03.
  put("Requests", "Sum", "i-1", 3, 600);
  put("Errors", "Sum", "i-1", 3, 6);
  put("Duration", "SampleCount", "i-1", 3, 600);
  put("Duration", "PR(:500)", "i-1", 3, 95);
  put("CPUUtilization", "Average", "i-1", 3, 40);
  put("Requests", "Sum", "i-1", 4, 77);
  const [reading, silent, unknown] = await source.read(["web-1", "web-2", "web-3"], never);
  assert.deepEqual(reading, {
    host: "web-1",
    at: Date.UTC(2026, 0, 4, 1, 4),
    mode: "windowed",
    requests: 600,
    errors: 6,
    latency: { edges: [0.5], counts: [570], total: 600 },
    cpuShare: 0.4,
  });
  assert.deepEqual(silent, { host: "web-2", failed: "CloudWatch has no new value of web-2" });
  assert.match((unknown as { failed: string }).failed, /not known what CloudWatch calls web-3/);
});

test("each period is counted once, and those missed meanwhile are made up for", async () => {
  const { clock, source, put } = fake();
  await clock.advance(5 * 60_000);
  put("Requests", "Sum", "i-1", 3, 10);
  assert.equal(((await source.read(["web-1"], never))[0] as HostSample).requests, 10);
  assert.ok("failed" in (await source.read(["web-1"], never))[0]!);
  await clock.advance(3 * 60_000);
  for (const [minute, requests] of [
    [4, 20],
    [5, 30],
    [6, 40],
  ] as const)
    put("Requests", "Sum", "i-1", minute, requests);
  const [later] = await source.read(["web-1"], never);
  assert.equal((later as HostSample).requests, 90);
  assert.equal((later as HostSample).errors, 0);
  assert.equal((later as HostSample).at, Date.UTC(2026, 0, 4, 1, 7));
});

test("a period without requests reported is no data, whatever else there is", async () => {
  const { clock, source, put } = fake();
  await clock.advance(5 * 60_000);
  put("CPUUtilization", "Average", "i-1", 3, 40);
  const [reading] = await source.read(["web-1"], never);
  assert.deepEqual(Object.keys(reading!).toSorted(), ["at", "cpuShare", "host", "mode"]);
  const rules: Rule[] = [{ id: "e", title: "e", kind: "error-rate", share: 1, limit: 0.01 }];
  const built = buildInterval(rules, { canary: ["web-1"], baseline: [] }, {}, [reading!], clock.now());
  assert.deepEqual(built.intervals[0]!.canary, { kind: "blind", reason: "web-1 reports no requests" });
});

test("a rank that is missing makes latency blind, not fast", async () => {
  const { clock, source, put } = fake();
  await clock.advance(5 * 60_000);
  put("Duration", "SampleCount", "i-1", 3, 600);
  const [reading] = await source.read(["web-1"], never);
  assert.ok(Number.isNaN((reading as HostSample).latency!.counts[0]));
});

test("many hosts are asked for in calls of at most 500 queries", async () => {
  const hosts = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`h${i}`, `i-${i}`]));
  const sizes: number[] = [];
  const getMetricData: GetMetricData = ({ MetricDataQueries }) => {
    sizes.push(MetricDataQueries.length);
    return Promise.resolve({});
  };
  await fake({ hosts, getMetricData }).source.read(Object.keys(hosts), never);
  assert.deepEqual(sizes, [500, 100]);
});

test("a refusal, and an answer without end, are a source that is down", async () => {
  const refusing = fake({ getMetricData: () => Promise.reject(new Error("AccessDenied")) });
  await assert.rejects(
    refusing.source.read(["web-1"], never),
    (error) => isSunnyError(error, "METRIC_SOURCE_DOWN") && /AccessDenied/.test(error.message),
  );
  const endless = fake({ getMetricData: () => Promise.resolve({ NextToken: "more" }) });
  await assert.rejects(endless.source.read(["web-1"], never), /does not end/);
});
