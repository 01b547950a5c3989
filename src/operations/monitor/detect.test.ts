import assert from "node:assert/strict";
import { test } from "node:test";
import type { Binding, Series, SeriesByName } from "./binding.ts";
import { namesOf, readSample } from "./binding.ts";
import { detectBinding } from "./detect.ts";

function page(...lines: [string, Record<string, string>, number][]): SeriesByName {
  const series = new Map<string, Series[]>();
  for (const [name, labels, value] of lines) series.set(name, [...(series.get(name) ?? []), { labels, value }]);
  return series;
}

const exporters: readonly [string, SeriesByName, Partial<Binding>][] = [
  [
    "prom-client",
    page(
      ["http_requests_total", { method: "GET", code: "200" }, 5],
      ["http_request_duration_seconds_bucket", { le: "+Inf", code: "200" }, 5],
      ["process_cpu_seconds_total", {}, 1],
      ["nodejs_version_info", { version: "v24" }, 1],
    ),
    {
      requests: { metric: "http_requests_total", statusLabel: "code" },
      latency: { metric: "http_request_duration_seconds", perSecond: 1 },
      cpu: { kind: "seconds", metric: "process_cpu_seconds_total", cores: { value: 1 } },
    },
  ],
  [
    "OpenTelemetry",
    page(
      ["http_server_request_duration_seconds_bucket", { le: "+Inf", http_response_status_code: "200" }, 5],
      ["http_server_request_duration_seconds_count", { http_response_status_code: "200" }, 5],
    ),
    {
      requests: { metric: "http_server_request_duration_seconds_count", statusLabel: "http_response_status_code" },
      latency: { metric: "http_server_request_duration_seconds", perSecond: 1 },
    },
  ],
  [
    "a histogram in milliseconds",
    page(
      ["http_request_duration_ms_bucket", { le: "500", status: "200" }, 5],
      ["http_request_duration_ms_count", { status: "200" }, 5],
    ),
    { latency: { metric: "http_request_duration_ms", perSecond: 1000 } },
  ],
  [
    "node_exporter",
    page(["node_cpu_seconds_total", { cpu: "0", mode: "user" }, 5], ["node_memory_MemTotal_bytes", {}, 100]),
    { cpu: { kind: "machine" }, memory: { kind: "machine" } },
  ],
];
for (const [exporter, series, expected] of exporters) {
  test(`the metrics of ${exporter} are found`, () => {
    const { binding } = detectBinding(series);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(binding[key as keyof Binding], value);
  });
}

test("the machine's figures serve when the service reports none of its own, and it is said", () => {
  const series = page(
    ["node_cpu_seconds_total", { cpu: "0", mode: "user" }, 30],
    ["node_cpu_seconds_total", { cpu: "0", mode: "idle" }, 70],
    ["node_cpu_seconds_total", { cpu: "1", mode: "system" }, 10],
    ["node_cpu_seconds_total", { cpu: "1", mode: "iowait" }, 90],
    ["node_memory_MemTotal_bytes", {}, 1000],
    ["node_memory_MemAvailable_bytes", {}, 250],
  );
  const { binding, notes } = detectBinding(series);
  assert.equal(notes.filter((note) => note.includes("whole machine")).length, 2);
  const sample = readSample(binding, "a", 5, series);
  assert.deepEqual(sample, {
    host: "a",
    at: 5,
    mode: "cumulative",
    cpuSeconds: 40,
    cpuLimitCores: 2,
    memoryShare: 0.75,
  });
});

test("a counter of errors of its own, shares and fixed limits can be bound", () => {
  const overrides = {
    "error-rate": { requests: "asked_total", errors: "failed_total" },
    cpu: { seconds: "used_seconds", cores: "4" },
    memory: { share: "memory_share" },
  };
  const series = page(
    ["asked_total", {}, 50],
    ["failed_total", {}, 2],
    ["used_seconds", {}, 8],
    ["memory_share", {}, 0.4],
  );
  const { binding } = detectBinding(series, overrides);
  assert.deepEqual(readSample(binding, "a", 5, series), {
    host: "a",
    at: 5,
    mode: "cumulative",
    requests: 50,
    errors: 2,
    cpuSeconds: 8,
    cpuLimitCores: 4,
    memoryShare: 0.4,
  });
  assert.ok(namesOf(binding).has("failed_total") && namesOf(binding).has("memory_share"));
});

test("a service that has not failed yet has zero errors, one that reports nothing has none known", () => {
  const binding: Binding = {
    requests: { metric: "r", statusLabel: "code" },
    latency: { metric: "h", perSecond: 1000 },
    exclude: { labels: ["route"], values: ["/health"] },
  };
  const quiet = readSample(
    binding,
    "a",
    5,
    new Map([
      ["r", []],
      ["h_bucket", []],
    ]),
  );
  assert.deepEqual(quiet, {
    host: "a",
    at: 5,
    mode: "cumulative",
    requests: 0,
    errors: 0,
    latency: { edges: [], counts: [], total: 0 },
  });
  assert.deepEqual(readSample(binding, "a", 5, new Map()), { host: "a", at: 5, mode: "cumulative" });
});

test("health checks are not counted as customers' requests, but their buckets show the edges", () => {
  const series = page(
    ["h_bucket", { route: "/health", le: "500" }, 70],
    ["h_bucket", { route: "/health", le: "+Inf" }, 70],
    ["r", { route: "/health", code: "503" }, 70],
  );
  const binding: Binding = {
    requests: { metric: "r", statusLabel: "code" },
    latency: { metric: "h", perSecond: 1000 },
    exclude: { labels: ["route"], values: ["/health"] },
  };
  const sample = readSample(binding, "a", 5, series);
  assert.deepEqual(sample, {
    host: "a",
    at: 5,
    mode: "cumulative",
    requests: 0,
    errors: 0,
    latency: { edges: [0.5], counts: [0], total: 0 },
  });
});

test("a histogram without a last bucket is broken, not empty", () => {
  const binding: Binding = { latency: { metric: "h", perSecond: 1 }, exclude: { labels: [], values: [] } };
  const sample = readSample(binding, "a", 5, page(["h_bucket", { le: "0.5" }, 70]));
  assert.ok("latency" in sample && Number.isNaN(sample.latency?.total));
});
