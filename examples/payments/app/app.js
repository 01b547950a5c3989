import { createEvents } from "./events.js";
import { createHealth } from "./health.js";
import { RequestHistogram, processMetrics, single } from "./metrics.js";
import { ApiError } from "./errors.js";
import { createPayments } from "./payments.js";
import { createServer } from "./server.js";
import { queueState } from "./settlement.js";

/** Longest report that may be asked for, seconds. */
const REPORT_LIMIT_SECONDS = 120;

/** Puts the parts together: routes, measurements, server. Nothing listens yet. */
export function createApp({ config, release, pool, processor, extensions, log, startedAt }) {
  const identity = { version: release.version, host: config.hostName };
  const state = { stopping: false, requests: 0 };
  for (const extension of extensions) extension.prepare?.({ pool });
  const api = new RequestHistogram("http_request_duration_seconds", "API requests, probes apart.", [
    { method: "POST", route: "/payments", status: 201 },
    { method: "GET", route: "/payments/:id", status: 200 },
    { method: "POST", route: "/payments/:id/refunds", status: 201 },
  ]);
  const probes = new RequestHistogram("http_probe_duration_seconds", "Requests of health checks and scrapers.");
  const payments = createPayments({ pool, processor, extensions });
  const events = createEvents(identity);
  const health = createHealth({ pool, extensions, config, release, startedAt, isStopping: () => state.stopping });

  /** The queue cannot be counted while the database is away; then its sample is missing, which is not the same as zero. */
  async function metrics() {
    const queue = await pool.use(queueState).catch(() => null);
    const connections = pool.stats();
    const lines = [
      ...single("app_info", "What runs where.", "gauge", 1, identity),
      ...api.render(),
      ...probes.render(),
      ...processMetrics(config, startedAt),
      ...single("payments_db_connections", "Database connections that are open.", "gauge", connections.open),
      ...single(
        "payments_db_connections_in_use",
        "Database connections that are lent out.",
        "gauge",
        connections.inUse,
      ),
      ...single("payments_db_connections_max", "Database connections that may be open.", "gauge", connections.max),
      ...single("payments_websockets", "Open websockets.", "gauge", events.count()),
      ...(queue === null
        ? []
        : single("payments_queue_length", "Items that wait for settlement.", "gauge", queue.length)),
    ];
    return {
      status: 200,
      body: `${lines.join("\n")}\n`,
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    };
  }

  const routes = [
    {
      method: "POST",
      pattern: "/payments",
      handle: ({ headers, body }) => payments.create(headers["idempotency-key"], body),
    },
    { method: "GET", pattern: "/payments/:id", handle: ({ params }) => payments.read(params.id) },
    {
      method: "POST",
      pattern: "/payments/:id/refunds",
      handle: ({ params, headers, body }) => payments.refund(headers["idempotency-key"], params.id, body),
    },
    { method: "GET", pattern: "/reports/slow", handle: ({ query }) => slowReport(query, identity) },
    { method: "GET", pattern: "/health", probe: true, handle: () => health.health() },
    { method: "GET", pattern: "/status", probe: true, handle: () => health.status() },
    { method: "GET", pattern: "/metrics", probe: true, handle: metrics },
  ];
  const { server, stop, inFlight } = createServer({
    routes,
    middleware: extensions.map((extension) => extension.middleware).filter((layer) => layer !== undefined),
    observe(labels, seconds, probe) {
      state.requests += 1;
      (probe ? probes : api).observe(labels, seconds);
    },
    log,
    identity,
    onUpgrade: events.upgrade,
    keepAliveMs: config.keepAliveMs,
  });

  return {
    server,
    inFlight,
    identity,
    requests: () => state.requests,
    async stop() {
      state.stopping = true;
      events.closeAll();
      await stop(config.lingerMs);
    },
  };
}

/** A request that takes its time, as exports and reconciliations do: what draining has to wait for. */
async function slowReport(query, identity) {
  const seconds = Number(query.get("seconds") ?? "30");
  if (!(seconds >= 0 && seconds <= REPORT_LIMIT_SECONDS)) {
    throw new ApiError(400, "field_invalid", `seconds must be from 0 to ${REPORT_LIMIT_SECONDS}.`, {
      field: "seconds",
    });
  }
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return { status: 200, body: { report: "done", seconds, ...identity } };
}
