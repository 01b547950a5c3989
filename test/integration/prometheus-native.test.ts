/** What only a real Prometheus shows: native histograms, which it scrapes as protobuf, and an hour that it has recorded. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { HostSample } from "../../src/analysis/metrics.ts";
import { sleep, systemClock } from "../../src/clock.ts";
import type { InterruptReason } from "../../src/engine/context.ts";
import type { Plan } from "../../src/plan/model.ts";
import { parseRunbook } from "../../src/runbook/parse.ts";
import { systemSchema, type System, type SystemConfig } from "../../src/system/schema.ts";
import { metricSource, watchedNow } from "../../src/wiring/metric-source.ts";
import { WatchHost } from "../../src/wiring/watch-host.ts";
import { intervalOf } from "../../src/wiring/watch-interval.ts";
import { exposition } from "../support/exposition.ts";
import { without } from "../support/programs.ts";
import { startPrometheus } from "../support/prometheus.ts";

const clock = systemClock;
const never = new AbortController().signal;
const LIMITS = "# S\n\n## Alert Thresholds\n\n- p95 response time > 500 ms\n- Error rate > 1%\n";
const runbook = parseRunbook(LIMITS, "RUNBOOK.md").runbook;

function systemOf(url: string, ports: readonly number[], source: object = {}): System {
  const monitoring = { source: { kind: "prometheus", url, scrapeIntervalMs: 1_000, ...source } };
  return systemSchema.parse({
    service: "payments",
    environment: "production",
    releases: { dir: "/r", trustedKeys: ["k"] },
    hosts: ports.map((port, i) => ({ name: `web-${i + 1}`, root: `/srv/web-${i + 1}`, port })),
    loadBalancer: { kind: "embedded", socket: "/s" },
    database: { kind: "sqlite", file: "/d", backupDir: "/b" },
    monitoring: monitoring as SystemConfig["monitoring"],
  });
}

/** Hosts whose pages have native histograms and nothing else for response times. */
async function nativeHosts(t: TestContext): Promise<{ ports: number[]; slow: number[] }> {
  const slow = [0, 0];
  const ports: number[] = [];
  for (const i of [0, 1]) {
    const counts = { fast: 0, slow: 0 };
    const server = createServer((_, response) => {
      counts.fast += 100 - slow[i]!;
      counts.slow += slow[i]!;
      const total = counts.fast + counts.slow;
      const page = exposition([
        { name: "http_requests_total", kind: "counter", labels: { status: "200" }, value: total },
        { name: "http_request_duration_seconds", kind: "native", at: { 0.1: counts.fast, 0.8: counts.slow } },
      ]);
      const type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
      response.setHeader("content-type", type).end(page);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    ports.push((server.address() as AddressInfo).port);
  }
  return { ports, slow };
}

describe("Prometheus itself", { skip: without("prometheus", "promtool") }, () => {
  test("native histograms are planned with, read, and watched: a slow canary is found by them", async (t) => {
    const { ports, slow } = await nativeHosts(t);
    const targets = ports.map((port) => `127.0.0.1:${port}`);
    const prometheus = await startPrometheus({ targets, features: ["native-histograms"] });
    t.after(() => prometheus.stop());
    const system = systemOf(prometheus.url, ports);
    let planned = await watchedNow(system, runbook, undefined, { clock });
    for (let i = 0; i < 600 && planned.diagnostics.length > 0; i++) {
      await sleep(clock, 100);
      planned = await watchedNow(system, runbook, undefined, { clock });
    }
    assert.deepEqual(planned.diagnostics, []);
    const { rules, metrics } = planned;
    assert.deepEqual(metrics?.latency, { metric: "http_request_duration_seconds", perSecond: 1 });
    assert.ok(rules.some(({ kind }) => kind === "latency-versus-baseline"));
    const source = await metricSource(system, { rules, metrics }, { clock });
    const [read] = (await source.read(["web-1"], never)) as [HostSample];
    const half = read.latency!.edges.indexOf(0.5);
    assert.equal(read.latency!.counts[half], read.latency!.total, "all of them are below half a second");

    const dir = mkdtempSync(path.join(tmpdir(), "sunny-native-"));
    const watch = new WatchHost(path.join(dir, "watch.db"), { clock });
    t.after(async () => {
      await watch.end();
      watch.close();
      rmSync(dir, { recursive: true, force: true });
    });
    const plan = { system: { ...system, monitoring: { ...system.monitoring, intervalMs: 1_000 } }, rules, metrics };
    slow[0] = 60;
    const raised = new Promise<InterruptReason>((resolve) => {
      void watch
        .begin({ runId: "d-1", plan: plan as unknown as Plan, interrupt: resolve })
        .then(() => watch.setArms({ canary: ["web-1"], baseline: ["web-2"] }));
    });
    const { kind, by } = await raised;
    assert.equal(kind, "breach");
    assert.match(by, /^latency-/);
    const seen = watch.snapshot("d-1")!.rules.find(({ rule }) => rule === "latency-p95")!;
    assert.equal(seen.canary.observed, 0.6);
    assert.equal(seen.baseline.observed, 0);
  });

  const pasts: readonly [string, (step: number) => number, number, RegExp][] = [
    [
      "by themselves are looked at as often as the server scrapes",
      (step) => (step % 3 === 0 ? 1 : 0),
      15_000,
      /uncorrelated/,
    ],
    [
      "in clusters of a minute are looked at once a minute",
      (step) => (step % 24 < 4 ? 5 : 0),
      60_000,
      /uncorrelated|longer than 30 s/,
    ],
  ];
  for (const [what, errorsAt, intervalMs, reason] of pasts) {
    test(`errors that came ${what}, in the hour that it has recorded`, async (t) => {
      const now = Math.floor(clock.now() / 1000);
      const samples = { 200: [] as string[], 500: [] as string[] };
      let requests = 0;
      let errors = 0;
      for (let step = 0, at = now - 3_600; at <= now; step++, at += 15) {
        requests += 1_500;
        errors += errorsAt(step);
        for (const [status, value] of [
          [200, requests - errors],
          [500, errors],
        ] as const)
          samples[status].push(
            `http_requests_total{instance="127.0.0.1:9",job="payments",status="${status}"} ${value} ${at}`,
          );
      }
      const series = [...samples[200], ...samples[500]].join("\n");
      const past = `# TYPE http_requests counter\n${series}\n# EOF\n`;
      const prometheus = await startPrometheus({ targets: [], past });
      t.after(() => prometheus.stop());
      const system = systemOf(prometheus.url, [9], { scrapeIntervalMs: 15_000 });
      const metrics = {
        requests: { metric: "http_requests_total", statusLabel: "status" },
        exclude: { labels: [], values: [] },
      };
      const source = await metricSource(system, { rules: [], metrics }, { clock });
      const chosen = await intervalOf(system, { source, baseline: ["web-1"], part: undefined, earlier: [], clock });
      assert.equal(chosen.intervalMs, intervalMs, chosen.reason);
      assert.match(chosen.reason, reason);
    });
  }
});
