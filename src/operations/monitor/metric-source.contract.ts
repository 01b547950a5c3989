/** What every source of cumulative figures must do, run over scraping, a fake Prometheus and a real one. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { buildInterval } from "../../analysis/intervals.ts";
import type { HostReading, HostSample, MetricSource } from "../../analysis/metrics.ts";
import type { Rule } from "../../analysis/rule.ts";
import type { Binding } from "./binding.ts";
import { DEFAULT_EXCLUDE } from "./binding.ts";

/** Two hosts, "web-1" and "web-2", and a source that reads them. */
export interface SourceWorld {
  readonly source: MetricSource;
  now(): number;
  /** What a host's page says from now on; `null` when it does not answer. */
  serve(host: string, page: string | null): void;
  /** Resolves when the source has seen what is served now. */
  seen(): Promise<void>;
}

/** The metrics that the pages have. */
export const CONTRACT_BINDING: Binding = {
  requests: { metric: "http_requests_total", statusLabel: "code" },
  latency: { metric: "http_request_duration_seconds", perSecond: 1 },
  cpu: { kind: "seconds", metric: "process_cpu_seconds_total", cores: { value: 2 } },
  memory: { kind: "bytes", metric: "process_resident_memory_bytes", limit: { value: 1000 } },
  identity: { metric: "app_info", label: "host" },
  exclude: DEFAULT_EXCLUDE,
};

const RULES: Rule[] = [
  { id: "errors", title: "Errors", kind: "error-rate", share: 0.5, limit: 0.01 },
  { id: "slow", title: "p95", kind: "latency", share: 0.5, edgeSeconds: 0.5, percentile: 95, limit: 0.05 },
];

/** A page of `requests` requests so far, 1 in 10 failed and 1 in 5 slower than 500 ms. */
export function contractPage(host: string, requests: number, startedAt = 1_700_000_000): string {
  return `
# TYPE http_requests_total counter
http_requests_total{code="200",route="/pay"} ${requests * 0.9}
http_requests_total{code="500",route="/pay"} ${requests * 0.1}
http_requests_total{code="200",route="/health"} 5000
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{route="/pay",le="0.5"} ${requests * 0.8}
http_request_duration_seconds_bucket{route="/pay",le="+Inf"} ${requests}
http_request_duration_seconds_sum{route="/pay"} ${requests * 0.3}
http_request_duration_seconds_count{route="/pay"} ${requests}
process_cpu_seconds_total ${requests / 100}
process_resident_memory_bytes 250
process_start_time_seconds ${startedAt}
app_info{host="${host}",version="1"} 1
`;
}

const never = new AbortController().signal;

/** Defines the tests. `make` gives a world with both hosts served and seen. */
export function metricSourceContract(name: string, make: (t: TestContext) => Promise<SourceWorld>): void {
  const read = async (world: SourceWorld, hosts = ["web-1", "web-2"]): Promise<readonly HostReading[]> => {
    await world.seen();
    return world.source.read(hosts, never);
  };

  test(`${name}: each host's counters, levels and start are read`, async (t) => {
    const world = await make(t);
    world.serve("web-1", contractPage("web-1", 1000));
    const [first, second] = await read(world);
    const { at, ...figures } = first as HostSample;
    assert.ok(Math.abs(at - world.now()) < 20_000, `read at ${at}, now ${world.now()}`);
    assert.deepEqual(figures, {
      host: "web-1",
      mode: "cumulative",
      requests: 1000,
      errors: 100,
      latency: { edges: [0.5], counts: [800], total: 1000 },
      cpuSeconds: 10,
      cpuLimitCores: 2,
      memoryShare: 0.25,
      startedAtSeconds: 1_700_000_000,
    });
    assert.equal(second!.host, "web-2");
  });

  test(`${name}: two readings make an interval, a restart included`, async (t) => {
    const world = await make(t);
    const arms = { canary: ["web-1"], baseline: ["web-2"] };
    world.serve("web-1", contractPage("web-1", 1000));
    world.serve("web-2", contractPage("web-2", 5000));
    const before = buildInterval(RULES, arms, {}, await read(world), world.now()).samples;
    world.serve("web-1", contractPage("web-1", 1500));
    world.serve("web-2", contractPage("web-2", 40, 1_700_000_100));
    const { intervals } = buildInterval(RULES, arms, before, await read(world), world.now());
    const counts = intervals
      .flatMap(({ canary, baseline }) => [canary, baseline])
      .map((one) => one.kind === "counts" && [one.requests, ...one.bad]);
    assert.deepEqual(counts, [
      [500, 50],
      [40, 4],
      [500, 100],
      [40, 8],
    ]);
  });

  test(`${name}: a host that answers as another is refused, an unknown one fails, the rest is read`, async (t) => {
    const world = await make(t);
    world.serve("web-1", contractPage("web-2", 1000));
    const [first, second, third] = await read(world, ["web-1", "web-2", "web-3"]);
    assert.deepEqual(first, { host: "web-1", failed: 'web-1 answers as "web-2"' });
    assert.ok("at" in second!);
    assert.match((third as { failed: string }).failed, /web-3/);
  });

  test(`${name}: figures that are NaN arrive as NaN, a missing metric is missing`, async (t) => {
    const world = await make(t);
    const page = contractPage("web-1", 1000).replace(/process_cpu_seconds_total .*/, "process_cpu_seconds_total NaN");
    world.serve("web-1", page.replace(/.*process_resident.*/, ""));
    const [first] = await read(world);
    const sample = first as HostSample;
    assert.ok(Number.isNaN(sample.cpuSeconds));
    assert.equal(sample.memoryShare, undefined);
    assert.equal(sample.requests, 1000);
  });

  test(`${name}: a host that is down gives no new figures`, async (t) => {
    const world = await make(t);
    const arms = { canary: ["web-1"], baseline: ["web-2"] };
    const first = buildInterval(RULES, arms, {}, await read(world), world.now()).samples;
    world.serve("web-1", null);
    // What the source saw of it between the reading and its end may still be new.
    const before = buildInterval(RULES, arms, first, await read(world), world.now()).samples;
    const { intervals } = buildInterval(RULES, arms, before, await read(world), world.now());
    assert.equal(intervals[0]!.canary.kind, "blind");
    assert.equal(intervals[0]!.baseline.kind, "counts");
  });
}
