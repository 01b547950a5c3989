import { isBusy } from "./database.js";
import { missingFromSchema } from "./schema.js";
import { queueState } from "./settlement.js";

/** How long a check may wait for a connection. */
const CHECK_TIMEOUT_MS = 1_000;

/** What `/health`, `/status` and `/metrics` are answered from. */
export function createHealth({ pool, extensions, config, release, startedAt, isStopping }) {
  const identity = { version: release.version, host: config.hostName };

  /** Each check by name with "ok" or the reason why not. */
  async function checks() {
    const result = { process: isStopping() ? "stopping" : "ok", database: "ok", schema: "ok" };
    try {
      await pool.use((connection) => {
        const missing = missingFromSchema(connection, extensions);
        if (missing.length > 0) result.schema = `the database lacks ${missing.join(", ")}`;
      }, CHECK_TIMEOUT_MS);
    } catch (error) {
      // A database that is locked for a moment, by a backup say, is not down.
      if (!isBusy(error)) {
        result.database = error.message;
        result.schema = "unknown";
      }
    }
    return result;
  }

  async function health() {
    const found = await checks();
    const reasons = Object.entries(found)
      .filter(([, state]) => state !== "ok")
      .map(([name, state]) => `${name}: ${state}`);
    if (reasons.length === 0) return { status: 200, body: { status: "ok", ...identity } };
    const status = isStopping() ? "stopping" : "unhealthy";
    return { status: 503, body: { status, ...identity, reasons } };
  }

  async function status() {
    const found = await checks();
    const queue = await pool.use(queueState, CHECK_TIMEOUT_MS).catch(() => null);
    const memory = process.memoryUsage();
    return {
      status: 200,
      body: {
        ...identity,
        pid: process.pid,
        startedAt: new Date(startedAt).toISOString(),
        uptimeSeconds: Math.round((Date.now() - startedAt) / 1000),
        queue,
        database: { ...pool.stats() },
        memory: { residentBytes: memory.rss, limitBytes: config.memoryLimitBytes },
        checks: found,
      },
    };
  }

  return { health, status };
}
