import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import { certificateWorld } from "../adapters/local-ca/testing.ts";
import { systemClock } from "../clock.ts";
import { parseRunbook } from "../runbook/parse.ts";
import { systemSchema, type System, type SystemConfig } from "../system/schema.ts";
import { metricSource, watchedNow } from "./metric-source.ts";

const NEEDS = { clock: systemClock };
const TEXT = "# Service\n\n## Alert Thresholds\n\n- p95 response time > 500 ms\n- Error rate > 1%\n";
const { runbook } = parseRunbook(TEXT, "RUNBOOK.md");

function systemOf(port: number, monitoring: SystemConfig["monitoring"]): System {
  return systemSchema.parse({
    service: "payments",
    environment: "production",
    releases: { dir: "/r", trustedKeys: ["k"] },
    hosts: [{ name: "web-1", root: "/srv/web-1", port }],
    loadBalancer: { kind: "embedded", socket: "/s" },
    database: { kind: "sqlite", file: "/d", backupDir: "/b" },
    monitoring,
  });
}

function temporary(t: TestContext): string {
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-source-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function listen(t: TestContext, server: http.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const PAGE = [
  'http_requests_total{status="200"} 100',
  'http_request_duration_seconds_bucket{le="0.1"} 90',
  'http_request_duration_seconds_bucket{le="0.5"} 99',
  'http_request_duration_seconds_bucket{le="+Inf"} 100',
  "http_request_duration_seconds_count 100\n",
].join("\n");

test("hosts are scraped over HTTPS when their certificate is of the given authority and name, and not otherwise", async (t) => {
  const { spec, caFile } = await certificateWorld(temporary(t), ["web.sunnypayments.com"]);
  const certificate = { cert: readFileSync(spec.certFile), key: readFileSync(spec.keyFile) };
  const port = await listen(
    t,
    https.createServer(certificate, (_, response) => response.end(PAGE)),
  );
  const source = { kind: "scrape", scheme: "https", caFile, serverName: "web.sunnypayments.com" } as const;
  const system = systemOf(port, { source });
  const watched = await watchedNow(system, runbook, undefined, NEEDS);
  assert.deepEqual(watched.diagnostics, []);
  const live = await metricSource(system, { ...watched, metrics: watched.metrics! }, NEEDS);
  const read = await live.read(["web-1"], new AbortController().signal);
  assert.equal("requests" in read[0]! && read[0].requests, 100);
  const { caFile: _, ...untrusted } = source;
  const { serverName: __, ...unnamed } = source;
  for (const [wrong, why] of [
    [untrusted, /certificate/],
    [unnamed, /altnames|IP: 127\.0\.0\.1/],
    [{ ...source, caFile: "/nowhere.pem" }, /Cannot read monitoring\.source\.caFile/],
  ] as const) {
    const refused = await watchedNow(systemOf(port, { source: wrong }), runbook, undefined, NEEDS);
    assert.match(refused.diagnostics[0]?.message ?? "", why);
  }
});

interface Query {
  readonly Id: string;
  readonly MetricStat: { readonly Metric: { readonly MetricName: string }; readonly Stat: string };
}

/** What CloudWatch would answer: in each of the last ten minutes 600 requests, all of them within the limits. */
function cloudWatch(): http.Server {
  return http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        StartTime: number;
        EndTime: number;
        MetricDataQueries: Query[];
      };
      const times: number[] = [];
      for (let at = body.StartTime; at < body.EndTime; at += 60) times.push(at);
      const MetricDataResults = body.MetricDataQueries.filter(
        ({ MetricStat }) => MetricStat.Metric.MetricName !== "Errors",
      ).map(({ Id, MetricStat }) => {
        const value = MetricStat.Stat.startsWith("PR(") ? 100 : 600;
        return { Id, Timestamps: times, Values: times.map(() => value), StatusCode: "Complete" };
      });
      response.writeHead(200, { "content-type": "application/x-amz-json-1.0" });
      response.end(JSON.stringify({ MetricDataResults }));
    });
  });
}

const METRIC = (name: string): { namespace: string; name: string } => ({ namespace: "Payments", name });
const METRICS = {
  requests: METRIC("Requests"),
  errors: METRIC("Errors"),
  latency: { ...METRIC("Duration"), perSecond: 1000 },
};

/** Sets what the SDK looks for, and nothing of this machine's own. */
function awsEnvironment(t: TestContext, credentials: Readonly<Record<string, string>>): void {
  const before = process.env;
  const rest = Object.entries(before).filter(([name]) => !name.startsWith("AWS_"));
  const none = path.join(temporary(t), "none");
  process.env = {
    ...Object.fromEntries(rest),
    AWS_CONFIG_FILE: none,
    AWS_SHARED_CREDENTIALS_FILE: none,
    AWS_EC2_METADATA_DISABLED: "true",
    ...credentials,
  };
  t.after(() => (process.env = before));
}

test("a threshold that nothing answers for is told at its own line, not at that of the first one", async (t) => {
  const port = await listen(
    t,
    http.createServer((_request, response) => response.end(PAGE)),
  );
  const text =
    "# Service\n\n## Alert Thresholds\n\n- Error rate > 1%\n- Queue length > 10\n- p95 response time > 300 ms\n";
  const { diagnostics } = await watchedNow(
    systemOf(port, { source: { kind: "scrape", path: "/metrics" } }),
    parseRunbook(text, "RUNBOOK.md").runbook,
    undefined,
    NEEDS,
  );
  assert.deepEqual(
    diagnostics.map(({ line, message }) => [line, /^Cannot check "([^"]*)"/.exec(message)?.[1]]),
    [
      [6, "Queue length > 10"],
      [7, "p95 response time > 300 ms"],
    ],
  );
});

test("a system that is configured with CloudWatch is watched through it", async (t) => {
  awsEnvironment(t, { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "example" });
  const endpoint = `http://127.0.0.1:${await listen(t, cloudWatch())}`;
  const source = { kind: "cloudwatch", region: "eu-central-1", endpoint, metrics: METRICS } as const;
  const system = systemOf(8080, { source });
  const watched = await watchedNow(system, runbook, undefined, NEEDS);
  assert.deepEqual(watched.diagnostics, []);
  assert.ok(watched.rules.some((rule) => rule.kind === "latency"));
  const live = await metricSource(system, { ...watched, metrics: watched.metrics! }, NEEDS);
  assert.equal(live.stepMs, 60_000);
  const [read] = await live.read(["web-1"], new AbortController().signal);
  assert.ok(read !== undefined && "mode" in read && read.mode === "windowed");
  assert.deepEqual([read.requests, read.errors], [600, 0]);
  const partial = { ...source, metrics: { requests: METRICS.requests, errors: METRICS.errors } };
  const { diagnostics } = await watchedNow(systemOf(8080, { source: partial }), runbook, undefined, NEEDS);
  assert.match(diagnostics[0]?.message ?? "", /does not report a latency histogram.*monitoring\.source\.metrics/);
});

test("CloudWatch without credentials is an error of the plan that says which are looked for", async (t) => {
  awsEnvironment(t, {});
  const endpoint = `http://127.0.0.1:${await listen(t, cloudWatch())}`;
  const source = { kind: "cloudwatch", region: "eu-central-1", endpoint, metrics: METRICS } as const;
  const { diagnostics, rules } = await watchedNow(systemOf(8080, { source }), runbook, undefined, NEEDS);
  assert.deepEqual(rules, []);
  assert.match(diagnostics[0]?.message ?? "", /no AWS credentials were found\. Set AWS_PROFILE/);
});
