import assert from "node:assert/strict";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { systemClock } from "../../clock.ts";
import { isSunnyError } from "../../errors.ts";
import type { HostReading } from "../../analysis/metrics.ts";
import { checkRules } from "../../operations/monitor/check.ts";
import { detectBinding } from "../../operations/monitor/detect.ts";
import { buildRules } from "../../operations/monitor/rules.ts";
import { scrape, scrapeSource } from "./source.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(t: TestContext, answer: Answer): Promise<string> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

const page = (host: string): string => `
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{method="POST",route="/payments",status="201",le="0.1"} 60
http_request_duration_seconds_bucket{method="POST",route="/payments",status="201",le="0.5"} 90
http_request_duration_seconds_bucket{method="POST",route="/payments",status="201",le="+Inf"} 95
http_request_duration_seconds_count{method="POST",route="/payments",status="201"} 95
http_request_duration_seconds_bucket{method="POST",route="/payments",status="503",le="0.1"} 5
http_request_duration_seconds_bucket{method="POST",route="/payments",status="503",le="0.5"} 5
http_request_duration_seconds_bucket{method="POST",route="/payments",status="503",le="+Inf"} 5
http_request_duration_seconds_count{method="POST",route="/payments",status="503"} 5
http_request_duration_seconds_bucket{method="GET",route="/health",status="200",le="0.1"} 1000
http_request_duration_seconds_bucket{method="GET",route="/health",status="200",le="0.5"} 1000
http_request_duration_seconds_bucket{method="GET",route="/health",status="200",le="+Inf"} 1000
http_request_duration_seconds_count{method="GET",route="/health",status="200"} 1000
process_cpu_seconds_total 12.5
process_resident_memory_bytes 100000000
process_start_time_seconds 1700000000
payments_memory_limit_bytes 400000000
payments_cpu_limit_cores 0.5
payments_db_connections 4
payments_db_connections_max 10
payments_queue_length 3
app_info{version="2.1.0",host="${host}"} 1
`;

const options = { clock: systemClock, deadlineMs: 10_000 };
const signal = new AbortController().signal;

test("the sample system's page is understood without any configuration", async (t) => {
  const url = await serve(t, (_, response) => response.end(page("web-1")));
  const { binding, notes } = detectBinding(await scrape({ host: "web-1", url }, options));
  assert.deepEqual(notes, []);
  const source = scrapeSource(binding, { ...options, targets: [{ host: "web-1", url }] });
  const [reading] = await source.read(["web-1"], signal);
  const { at, ...figures } = reading as Extract<HostReading, { at: number }>;
  assert.ok(Math.abs(at - systemClock.now()) < 1000);
  assert.deepEqual(figures, {
    host: "web-1",
    mode: "cumulative",
    requests: 100,
    errors: 5,
    latency: { edges: [0.1, 0.5], counts: [65, 95], total: 100 },
    cpuSeconds: 12.5,
    cpuLimitCores: 0.5,
    memoryShare: 0.25,
    dbConnections: 4,
    dbConnectionsMax: 10,
    queueLength: 3,
    startedAtSeconds: 1_700_000_000,
  });
});

test("a plan's rules are checked against what the hosts report now", async (t) => {
  const url = await serve(t, (_, response) => response.end(page("web-1")));
  const { binding } = detectBinding(await scrape({ host: "web-1", url }, options));
  const readings = await scrapeSource(binding, { ...options, targets: [{ host: "web-1", url }] }).read(
    ["web-1"],
    signal,
  );
  const threshold = { metric: "response-time", comparison: ">", unit: "ms" } as const;
  const rulesFor = (value: number) => buildRules([{ ...threshold, value }], null).rules;
  assert.deepEqual(checkRules(rulesFor(500), readings, systemClock.now()), []);
  const [problem] = checkRules(rulesFor(300), readings, systemClock.now());
  assert.equal(problem?.code, "METRIC_BUCKET_MISSING");
  assert.match(problem.message, /no bucket edge at 300 ms, only at 100 ms, 500 ms$/);
  assert.match(problem.hint!, /le="0.3"/);
});

test("a misnamed metric is an error of the plan that names the key to set", async (t) => {
  const url = await serve(t, (_, response) => response.end(page("web-1")));
  const overrides = { "error-rate": { requests: "http_request_total" } };
  const { binding } = detectBinding(await scrape({ host: "web-1", url }, options), overrides);
  const readings = await scrapeSource(binding, { ...options, targets: [{ host: "web-1", url }] }).read(
    ["web-1"],
    signal,
  );
  const { rules } = buildRules([{ metric: "error-rate", comparison: ">", value: 1, unit: "%" }], null);
  const problems = checkRules(rules, readings, systemClock.now());
  assert.equal(problems[0]?.code, "METRIC_NOT_FOUND");
  assert.match(problems[0].message, /web-1 does not report a counter of requests/);
  assert.match(problems[0].hint!, /monitoring\.bindings\.error-rate\.requests/);
});

test("an unknown setting of a binding is refused", () => {
  const series = new Map();
  assert.throws(
    () => detectBinding(series, { "error-rate": { request: "x" } }),
    (error) => isSunnyError(error, "METRIC_NOT_FOUND") && /requests, statusLabel/.test(error.hint!),
  );
  assert.throws(
    () => detectBinding(series, { errors: {} }),
    (error) => isSunnyError(error, "METRIC_NOT_FOUND"),
  );
});

test("a host that reports another's label is refused", async (t) => {
  const url = await serve(t, (_, response) => response.end(page("web-2")));
  const { binding } = detectBinding(await scrape({ host: "web-1", url }, options));
  const [reading] = await scrapeSource(binding, { ...options, targets: [{ host: "web-1", url }] }).read(
    ["web-1"],
    signal,
  );
  assert.deepEqual(reading, { host: "web-1", failed: 'web-1 answers as "web-2"' });
});

const failing: readonly [string, Answer, RegExp][] = [
  ["an error status", (_, response) => void response.writeHead(503).end("busy"), /status 503/],
  [
    "no metrics at all",
    (_, response) => void response.end("<html>hello there</html>"),
    /not in the Prometheus text format/,
  ],
  ["other metrics", (_, response) => void response.end("other 1\n"), /none of the metrics asked for/],
  ["no end", (_, response) => void response.write("a 1\n"), /no answer within 1000 ms/],
  ["a broken connection", (request) => void request.socket.destroy(), /socket hang up|ECONNRESET/],
  [
    "half an answer",
    (_, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("a 1\n", () => response.destroy());
    },
    /aborted|broke off/,
  ],
];
for (const [what, answer, expected] of failing) {
  test(`a host that answers with ${what} fails by itself, in time`, async (t) => {
    const good = await serve(t, (_, response) => response.end(page("web-1")));
    const bad = await serve(t, answer);
    const { binding } = detectBinding(await scrape({ host: "web-1", url: good }, options));
    const targets = [
      { host: "web-1", url: good },
      { host: "web-2", url: bad },
    ];
    const readings = await scrapeSource(binding, { ...options, deadlineMs: 1_000, targets }).read(
      ["web-1", "web-2"],
      signal,
    );
    assert.ok("at" in readings[0]!);
    assert.match((readings[1] as { failed: string }).failed, expected);
  });
}

test("hosts are asked together, but not all at once", async (t) => {
  let waiting: ServerResponse[] = [];
  const sizes: number[] = [];
  let direct = true;
  const url = await serve(t, (_, response) => {
    waiting.push(response);
    // Nobody is answered before four have asked.
    if (waiting.length < 4 && !direct) return;
    sizes.push(waiting.length);
    for (const one of waiting) one.end('http_requests_total{status="200"} 1\n');
    waiting = [];
  });
  const { binding } = detectBinding(await scrape({ host: "h0", url }, options));
  direct = false;
  const hosts = Array.from({ length: 48 }, (_, i) => `h${i}`);
  const targets = hosts.map((host) => ({ host, url }));
  const source = scrapeSource(binding, { ...options, deadlineMs: 60_000, concurrency: 4, targets });
  const readings = await source.read(hosts, signal);
  assert.deepEqual(
    readings.map(({ host }) => host),
    hosts,
  );
  assert.deepEqual(
    sizes.slice(1),
    Array.from({ length: 12 }, () => 4),
  );
});

test("a host without an address fails by itself", async () => {
  const source = scrapeSource({ exclude: { labels: [], values: [] } }, { ...options, targets: [] });
  assert.deepEqual(await source.read(["web-9"], signal), [
    { host: "web-9", failed: "no address is known to scrape web-9" },
  ]);
});
