/** Starts the payments service of this release and stops it on SIGTERM or SIGINT. `config.js` lists the settings. */
import { listenAdmin } from "./admin.js";
import { createApp } from "./app.js";
import { createCardProcessor } from "./card-processor.js";
import { readConfig } from "./config.js";
import { openConnection } from "./database.js";
import { createLog } from "./log.js";
import { createMemoryWatch } from "./memory.js";
import { Pool } from "./pool.js";
import { readRelease } from "./release.js";
import { createSettlement } from "./settlement.js";

const startedAt = Date.now();

async function main() {
  const config = readConfig(process.env);
  const release = readRelease();
  // Loaded here, so that a release that cannot even be loaded says so in the log before it exits.
  const { extensions } = await import("./variant.js");
  const log = createLog({
    level: config.logLevel,
    base: { host: config.hostName, version: release.version, pid: process.pid },
  });
  const pool = new Pool({ open: () => openConnection(config.data), max: config.poolSize });
  const trim = setInterval(() => pool.trim(), 1_000);
  const processor = createCardProcessor();
  const app = createApp({ config, release, pool, processor, extensions, log, startedAt });
  const settlement = createSettlement({ pool, processor, owner: `${config.hostName}/${process.pid}`, log });
  const memory = createMemoryWatch({ limitBytes: config.memoryLimitBytes, requests: app.requests });

  await listen(app.server, config.port);
  const closeAdmin =
    config.adminSocket === undefined
      ? () => {}
      : await listenAdmin({ socket: config.adminSocket, pool, memory, log, identity: app.identity });
  settlement.start();
  log.info("started", { port: app.server.address().port, extensions: extensions.map((extension) => extension.name) });

  onStopSignal(async (signal) => {
    log.info("stopping", { signal, inFlight: app.inFlight() });
    setTimeout(() => {
      log.error("stop-timed-out", { inFlight: app.inFlight() });
      process.exit(1);
    }, config.stopTimeoutMs).unref();
    await app.stop();
    await settlement.stop();
    clearInterval(trim);
    closeAdmin();
    pool.close();
    log.info("stopped", { signal, requests: app.requests() });
    process.exitCode = 0;
  });
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}

/** The first signal stops in order, a second one at once (status 130, as a shell would have it for an interrupt). */
function onStopSignal(stop) {
  let asked = false;
  const handle = (signal) => {
    if (asked) process.exit(130);
    asked = true;
    stop(signal).catch(fail);
  };
  process.on("SIGTERM", handle);
  process.on("SIGINT", handle);
}

function fail(error) {
  createLog({}).error("failed", { reason: error.message, stack: error.stack });
  process.exit(1);
}

process.on("uncaughtException", fail);
main().catch(fail);
