/** Watching through CloudWatch, against moto (PyPI) and a proxy for what moto cannot do. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { after, afterEach, before, describe, test } from "node:test";
import type { HostSample } from "../../src/analysis/metrics.ts";
import { isSunnyError } from "../../src/errors.ts";
import type { InterruptReason } from "../../src/engine/context.ts";
import { fakeClock, type FakeClock } from "../../src/operations/monitor/fake-world.ts";
import type { Plan } from "../../src/plan/model.ts";
import { parseRunbook } from "../../src/runbook/parse.ts";
import { systemSchema, type System } from "../../src/system/schema.ts";
import { metricSource, watchedNow } from "../../src/wiring/metric-source.ts";
import { WatchHost } from "../../src/wiring/watch-host.ts";
import { findMoto, startMoto, type Moto, type WireQuery, type WireResult } from "../support/moto.ts";
import { unlessCi } from "../support/programs.ts";

const START = Date.UTC(2026, 0, 4, 1, 0, 30);
const MINUTE = 60_000;
const never = new AbortController().signal;
const runbook = parseRunbook(
  "# S\n\n## Alert Thresholds\n\n- p95 response time > 500 ms\n- Error rate > 1%\n",
  "RUNBOOK.md",
).runbook;
const METRICS = {
  requests: { namespace: "Payments", name: "Requests" },
  errors: { namespace: "Payments", name: "Errors" },
  latency: { namespace: "Payments", name: "Duration", perSecond: 1000 },
};

function systemAt(endpoint: string, metrics: object = METRICS): System {
  return systemSchema.parse({
    service: "payments",
    environment: "production",
    releases: { dir: "/r", trustedKeys: ["k"] },
    hosts: ["web-1", "web-2"].map((name, i) => ({ name, root: `/srv/${name}`, port: 4001 + i })),
    loadBalancer: { kind: "embedded", socket: "/s" },
    database: { kind: "sqlite", file: "/d", backupDir: "/b" },
    monitoring: {
      source: { kind: "cloudwatch", region: "eu-central-1", endpoint, metrics, dimensionValues: { "web-1": "i-1" } },
      compare: { latency: false },
    },
  });
}

const missing = findMoto() === undefined && unlessCi("needs moto_server, not installed here");

describe("CloudWatch as a metric source", { skip: missing }, () => {
  let moto: Moto;
  let put: (name: string, host: string, at: number, value: number, samples?: number) => Promise<void>;
  /** Part of the requests within 500 ms, in percent, of every host and period. */
  let within = 99;
  const environment = process.env;

  before(async () => {
    moto = await startMoto();
    process.env = {
      ...Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("AWS_"))),
      AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "example",
      AWS_EC2_METADATA_DISABLED: "true",
    };
    const { CloudWatchClient, PutMetricDataCommand } = await import("@aws-sdk/client-cloudwatch");
    const client = new CloudWatchClient({ region: "eu-central-1", endpoint: moto.endpoint });
    put = async (MetricName, host, at, value, samples) => {
      const Dimensions = [{ Name: "InstanceId", Value: host === "web-1" ? "i-1" : host }];
      const statistics = { SampleCount: samples ?? 1, Sum: value, Minimum: 0, Maximum: value };
      const given = samples === undefined ? { Value: value } : { StatisticValues: statistics };
      const MetricData = [{ MetricName, Dimensions, Timestamp: new Date(at), ...given }];
      await client.send(new PutMetricDataCommand({ Namespace: "Payments", MetricData }));
    };
  });
  afterEach(() => moto.reset());
  after(async () => {
    process.env = environment;
    await moto.stop();
  });

  /** What moto has no answer to: the rank of 500 ms, wherever durations were counted. */
  function ranks(times: () => readonly number[]): (query: WireQuery, result: WireResult) => WireResult {
    return ({ MetricStat }, result) =>
      MetricStat.Stat.startsWith("PR(")
        ? { ...result, Timestamps: times().map((at) => at / 1000), Values: times().map(() => within) }
        : result;
  }

  /** The minutes from START's own on in which both hosts served 600 requests, some of them failed. */
  async function minutes(from: number, to: number, failed: Partial<Record<string, number>> = {}): Promise<void> {
    for (let minute = from; minute < to; minute++) {
      const at = Date.UTC(2026, 0, 4, 1, minute);
      for (const host of ["web-1", "web-2"]) {
        await put("Requests", host, at, 600);
        await put("Duration", host, at, 60_000, 600);
        if (failed[host] !== undefined) await put("Errors", host, at, failed[host]);
      }
    }
    moto.change(ranks(() => Array.from({ length: to }, (_, minute) => Date.UTC(2026, 0, 4, 1, minute))));
  }

  async function planned(clock: FakeClock, system = systemAt(moto.endpoint)) {
    return { system, ...(await watchedNow(system, runbook, undefined, { clock })) };
  }

  const CANARY = { canary: ["web-1"], baseline: ["web-2"] };

  /** Watches as a deployment does, a minute at a time; `interrupts` are what the deployment would get. */
  async function watching(t: { after(fn: () => unknown): void }, clock: FakeClock) {
    const { system, rules, metrics, diagnostics } = await planned(clock);
    assert.deepEqual(diagnostics, []);
    const dir = mkdtempSync(path.join(tmpdir(), "sunny-cloudwatch-"));
    // Time passes only while the watcher sleeps, never while an answer is on its way.
    let asleep: () => void = () => {};
    let sleeping = new Promise<void>((resolve) => (asleep = resolve));
    const watched: FakeClock = {
      ...clock,
      timer(ms, fn) {
        if (ms > MINUTE / 2) asleep();
        return clock.timer(ms, fn);
      },
    };
    const host = new WatchHost(path.join(dir, "watch.db"), { clock: watched });
    const interrupts: InterruptReason[] = [];
    let judged: () => void = () => {};
    t.after(async () => {
      await host.end();
      host.close();
      rmSync(dir, { recursive: true, force: true });
    });
    const plan = { system, rules, metrics } as unknown as Plan;
    await host.begin({
      runId: "d-1",
      plan,
      interrupt: (reason) => interrupts.push(reason),
      onVerdict: () => judged(),
    });
    await host.setArms(CANARY);
    const pass = async (): Promise<void> => {
      await sleeping;
      sleeping = new Promise<void>((resolve) => (asleep = resolve));
      const next = new Promise<void>((resolve) => (judged = resolve));
      await clock.advance(MINUTE);
      await next;
    };
    return { host, interrupts, pass };
  }

  test("a canary that fails is found through it", async (t) => {
    await minutes(0, 12, { "web-1": 30 });
    const clock = fakeClock(START + 4 * MINUTE);
    const { host, interrupts, pass } = await watching(t, clock);
    for (let i = 0; i < 6 && interrupts.length === 0; i++) await pass();
    assert.deepEqual(
      interrupts.map(({ kind }) => kind),
      ["breach"],
    );
    assert.equal((await host.verdict()).state, "degraded");
    const snapshot = host.snapshot("d-1")!;
    assert.equal(snapshot.rules.find(({ rule }) => rule === "error-rate")!.canary.observed, 0.05);
    assert.equal(snapshot.intervalMs, MINUTE);
    assert.equal(host.explain("d-1")!.agrees, true);
  });

  test("a healthy canary is healthy, answers in pages of one result included", async (t) => {
    await minutes(0, 12);
    moto.paged(true);
    const { host, interrupts, pass } = await watching(t, fakeClock(START + 4 * MINUTE));
    for (let i = 0; i < 3; i++) await pass();
    assert.deepEqual(await host.verdict(), { state: "healthy", reasons: [] });
    assert.equal(host.snapshot("d-1")!.verdict, "healthy");
    assert.equal(host.snapshot("d-1")!.requests.canary, 3 * 600);
    assert.deepEqual(interrupts, []);
  });

  test("a metric that is not there is an error of the plan that names it", async () => {
    await minutes(0, 6);
    const clock = fakeClock(START + 4 * MINUTE);
    const misnamed = { ...METRICS, requests: { namespace: "Payments", name: "Request" } };
    const { diagnostics } = await planned(clock, systemAt(moto.endpoint, misnamed));
    assert.match(
      diagnostics[0]!.message,
      /web-1 does not report a counter of requests\. Name the metric under monitoring\.source\.metrics/,
    );
    await moto.reset();
    const empty = await planned(clock);
    assert.match(empty.diagnostics[0]!.message, /CloudWatch has no new value of web-1/);
  });

  test("throttling is ridden out, and what was counted meanwhile is not lost", async () => {
    await minutes(0, 8, { "web-1": 6 });
    const clock = fakeClock(START + 4 * MINUTE);
    const { system, rules, metrics } = await planned(clock);
    const source = await metricSource(system, { rules, metrics: metrics! }, { clock });
    const requests = async (): Promise<number | undefined> =>
      ((await source.read(["web-1"], never))[0] as HostSample).requests;
    const asked = moto.asked();
    moto.fail(400, "ThrottlingException", "Rate exceeded");
    assert.equal(await requests(), 600);
    assert.equal(moto.asked(), asked + 2, "asked again at once");
    await clock.advance(MINUTE);
    moto.fail(400, "ThrottlingException", "Rate exceeded", 2);
    await assert.rejects(source.read(["web-1"], never), /Rate exceeded/);
    await clock.advance(MINUTE);
    assert.equal(await requests(), 1200);
  });

  test("credentials that have run out blind the watch, which says so and raises nothing", async (t) => {
    await minutes(0, 12);
    const clock = fakeClock(START + 4 * MINUTE);
    const { host, interrupts, pass } = await watching(t, clock);
    await pass();
    moto.fail(400, "ExpiredTokenException", "The security token included in the request is expired", Infinity);
    for (let i = 0; i < 4; i++) await pass();
    const { state, reasons } = await host.verdict();
    assert.equal(state, "blind");
    assert.match(
      reasons.join("\n"),
      /no data of the canary for \d+ s: Cannot read metrics from CloudWatch: The security token included in the request is expired/,
    );
    assert.deepEqual(interrupts, []);
    const refused = await planned(clock);
    assert.match(refused.diagnostics[0]!.message, /expired\. Check region and credentials/);
  });

  test("an answer that is not CloudWatch's is told by its status", async () => {
    const { endpoint } = moto;
    const system = systemAt(`${endpoint}/nowhere`);
    moto.fail(503, "", "", Infinity);
    const source = await metricSource(
      system,
      { rules: [], metrics: { exclude: { labels: [], values: [] } } },
      { clock: fakeClock(START) },
    );
    await assert.rejects(source.read(["web-1"], never), (error) => isSunnyError(error, "METRIC_SOURCE_DOWN"));
  });

  test("values that arrive late are counted once, in the interval that sees them", async () => {
    await minutes(0, 4);
    const clock = fakeClock(START + 4 * MINUTE);
    const { system, rules, metrics } = await planned(clock);
    assert.ok(rules.some(({ kind }) => kind === "latency"));
    const source = await metricSource(system, { rules, metrics: metrics! }, { clock });
    const read = async (): Promise<HostSample> => (await source.read(["web-1"], never))[0] as HostSample;
    const first = await read();
    assert.deepEqual(
      [first.requests, first.errors, first.latency],
      [600, 0, { edges: [0.5], counts: [594], total: 600 }],
    );
    // The errors of 1:03, and 100 more of its requests, are there a minute after it was read.
    await put("Errors", "web-1", Date.UTC(2026, 0, 4, 1, 3), 60);
    await put("Requests", "web-1", Date.UTC(2026, 0, 4, 1, 3), 100);
    await minutes(4, 5);
    await clock.advance(MINUTE);
    const second = await read();
    assert.deepEqual([second.requests, second.errors, second.latency?.total], [700, 60, 600]);
    await minutes(5, 6);
    await clock.advance(MINUTE);
    const third = await read();
    assert.deepEqual([third.requests, third.errors], [600, 0]);
  });

  test("figures that are NaN, and queries that are refused by themselves, are no data", async () => {
    await minutes(0, 6);
    const whole = ranks(() => [Date.UTC(2026, 0, 4, 1, 3)]);
    moto.change((query, result) => {
      const { MetricName } = query.MetricStat.Metric;
      if (MetricName === "Requests") return { ...result, Values: result.Values.map(() => "NaN" as const) };
      return whole(query, result);
    });
    const clock = fakeClock(START + 4 * MINUTE);
    const broken = await planned(clock);
    assert.match(broken.diagnostics[0]!.message, /web-1 reports NaN for a counter of requests/);
    const denied = { StatusCode: "Forbidden", Messages: [{ Code: "Forbidden", Value: "no access to this metric" }] };
    moto.change((_, { Id }) => ({ Id, Timestamps: [], Values: [], ...denied }));
    const refused = await planned(clock);
    assert.match(refused.diagnostics[0]!.message, /no new value of web-1: Forbidden no access to this metric/);
  });
});
