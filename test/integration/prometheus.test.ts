/** The Prometheus adapter against the real server (Debian: `apt install prometheus`). */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { generateKey } from "../../src/audit/note.ts";
import { parseRunbook } from "../../src/runbook/parse.ts";
import { loadSystem } from "../../src/system/load.ts";
import { watchedNow } from "../../src/wiring/metric-source.ts";
import { fetchText } from "../../src/adapters/scrape/fetch.ts";
import type { Get } from "../../src/adapters/prometheus/api.ts";
import type { PrometheusOptions } from "../../src/adapters/prometheus/source.ts";
import { prometheusSource, seriesNow } from "../../src/adapters/prometheus/source.ts";
import { sleep, systemClock } from "../../src/clock.ts";
import { detectBinding } from "../../src/operations/monitor/detect.ts";
import { findProgram, unlessCi } from "../support/programs.ts";
import { startPrometheus } from "../support/prometheus.ts";
import {
  CONTRACT_BINDING,
  contractPage,
  metricSourceContract,
} from "../../src/operations/monitor/metric-source.contract.ts";

const installed = findProgram("prometheus") !== undefined;
const SCRAPE_MS = 1_000;
const never = new AbortController().signal;
const get: Get = (url, signal) => fetchText(url, { clock: systemClock, deadlineMs: 5_000, signal });

/** Run after all tests; `after` within a test would run after that one. */
const endings: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const end of endings) await end();
});

interface Server {
  readonly options: PrometheusOptions;
  readonly pages: Map<string, string | null>;
  /** Resolves after a scrape of both hosts that began after the call. */
  seen(): Promise<void>;
}

/** Two hosts behind one port, told apart by their names, and a Prometheus that scrapes them every second. */
async function start(): Promise<Server> {
  const pages = new Map<string, string | null>();
  const scrapes = { "web-1": 0, "web-2": 0 };
  const hosts: Record<string, string> = {};
  for (const host of ["web-1", "web-2"] as const) {
    pages.set(host, contractPage(host, 10));
    const server = createServer((request, response) => {
      scrapes[host]++;
      const page = pages.get(host);
      if (page === null || page === undefined) request.socket.destroy();
      else response.setHeader("content-type", "text/plain; version=0.0.4").end(page);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    endings.push(() => {
      server.closeAllConnections();
      server.close();
    });
    hosts[host] = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const prometheus = await startPrometheus({ targets: Object.values(hosts) });
  endings.push(() => prometheus.stop());
  const options: PrometheusOptions = {
    server: prometheus.url,
    get,
    clock: systemClock,
    hosts,
    scrapeIntervalMs: SCRAPE_MS,
    selector: 'job="payments"',
  };
  const seen = async (): Promise<void> => {
    // The second scrape from now began after the first had ended, so its samples are stored soon after.
    const wanted = { "web-1": scrapes["web-1"] + 2, "web-2": scrapes["web-2"] + 2 };
    const deadline = systemClock.monotonic() + 20_000;
    while (scrapes["web-1"] < wanted["web-1"] || scrapes["web-2"] < wanted["web-2"]) {
      assert.ok(systemClock.monotonic() < deadline, "Prometheus does not scrape");
      await sleep(systemClock, 20);
    }
    await sleep(systemClock, 100);
  };
  return { options, pages, seen };
}

let running: Promise<Server> | undefined;

/** One server for all tests, since it takes seconds to start; the pages begin anew. */
async function server(): Promise<Server> {
  running ??= start();
  const shared = await running;
  for (const host of ["web-1", "web-2"]) shared.pages.set(host, contractPage(host, 10));
  await shared.seen();
  return shared;
}

if (!installed) {
  const reason = "the program `prometheus` is not installed";
  test("Prometheus as a metric source", { skip: unlessCi(reason) }, () => assert.fail(reason));
} else {
  metricSourceContract("Prometheus", async () => {
    const { options, pages, seen } = await server();
    return {
      source: prometheusSource(CONTRACT_BINDING, options),
      now: () => systemClock.now(),
      serve: (host, page) => void pages.set(host, page),
      seen,
    };
  });

  test("Prometheus: the binding of a host is found in what it has, and its past can be read", async () => {
    const { options, pages, seen } = await server();
    const { binding } = detectBinding(await seriesNow(options, "web-1", never));
    assert.deepEqual(binding.requests, { metric: "http_requests_total", statusLabel: "code" });
    assert.deepEqual(binding.identity, CONTRACT_BINDING.identity);
    const fromMs = systemClock.now();
    for (const requests of [100, 200, 300]) {
      for (const host of ["web-1", "web-2"]) pages.set(host, contractPage(host, requests));
      await seen();
    }
    // The last of the steps is not before now: what was scraped last is in it.
    const toMs = fromMs + Math.ceil((systemClock.now() - fromMs) / 1_000) * 1_000;
    const past = await prometheusSource(binding, options).past!(["web-1", "web-2"], {
      fromMs,
      toMs,
      stepMs: 1000,
      signal: never,
    });
    const sum = past.reduce((all, one) => ({ requests: all.requests + one.requests, errors: all.errors + one.errors }));
    assert.ok(Math.abs(sum.errors - 2 * 29) < 1e-6, `${sum.errors} errors`);
  });

  test("Prometheus: a system that is configured with it is watched through it", async (t) => {
    const { options } = await server();
    const dir = mkdtempSync(path.join(tmpdir(), "sunny-watched-"));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    const hosts = Object.entries(options.hosts).map(([name, address]) => ({
      name,
      root: name,
      port: Number(address.split(":")[1]),
    }));
    const config = {
      service: "payments",
      environment: "production",
      releases: { dir: "releases", trustedKeys: [generateKey("releases").verifier] },
      hosts,
      loadBalancer: { kind: "embedded", socket: "proxy.sock" },
      database: { kind: "sqlite", file: "payments.db", backupDir: "backups" },
      monitoring: { source: { kind: "prometheus", url: options.server } },
    };
    writeFileSync(path.join(dir, "sunny.config.json"), JSON.stringify(config));
    const { system } = await loadSystem(path.join(dir, "sunny.config.json"), dir);
    const text = "# Service\n\n## Alert Thresholds\n\n- p95 response time > 500 ms\n- Error rate > 1%\n";
    const watched = await watchedNow(system, parseRunbook(text, "RUNBOOK.md").runbook, undefined, {
      clock: systemClock,
    });
    assert.deepEqual(watched.diagnostics, []);
    assert.deepEqual(watched.metrics?.latency, CONTRACT_BINDING.latency);
    assert.ok(
      watched.rules.some((rule) => rule.kind === "latency") && watched.rules.some((rule) => rule.kind === "error-rate"),
    );
    const strict = parseRunbook(text.replace("500 ms", "400 ms"), "RUNBOOK.md").runbook;
    const { diagnostics } = await watchedNow(system, strict, undefined, { clock: systemClock });
    assert.match(diagnostics[0]!.message, /no bucket edge at 400 ms, only at 500 ms/);
  });

  test("Prometheus: a query that it refuses is told in its own words", async () => {
    const { options } = await server();
    const source = prometheusSource(CONTRACT_BINDING, { ...options, selector: "job=" });
    await assert.rejects(source.read(["web-1"], never), /status 400 \(.*parse error/);
  });
}
