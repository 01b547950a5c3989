import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../clock.ts";
import { SunnyError } from "../../errors.ts";
import { Backend } from "./backend.ts";
import type { ProxyConfig } from "./config.ts";
import { startControlServer } from "./control-server.ts";
import { forward } from "./forward.ts";
import type { Forwarding } from "./forward.ts";
import { startHealthChecks } from "./health.ts";
import { openOrders } from "./orders.ts";
import { readTlsMaterial } from "./tls-material.ts";
import { forwardUpgrade } from "./upgrade.ts";

export interface RunningProxy {
  readonly port: number;
  /** Takes no new connections, lets requests finish for at most `graceMs`, then ends. */
  close(graceMs: number): Promise<void>;
}

/** Idle connections of clients are kept this long; longer than the pools of common clients, so that they close first. */
const CLIENT_KEEP_ALIVE_MS = 75_000;

/**
 * The embedded proxy: TLS towards clients, weighted round robin over healthy servers towards the services, and a control
 * socket. Resolves when both listen and each server was asked for its health once.
 *
 * @throws SunnyError PROXY_PORT_TAKEN, PROXY_CERTIFICATE_INVALID, PROXY_START_FAILED
 */
export async function runProxy(config: ProxyConfig, clock: Clock, onShutdown: () => void): Promise<RunningProxy> {
  let material = readTlsMaterial(config.certFile, config.keyFile);
  const backends = config.servers.map((spec) => new Backend(spec));
  const orders = openOrders(config.stateFile, backends);
  const checks = startHealthChecks(backends, config.health, clock);
  const env: Forwarding = { config, backends, clock, suspect: (backend) => void checks.look(backend) };
  const server = createServer({
    cert: material.cert,
    key: material.key,
    minVersion: "TLSv1.2",
    keepAliveTimeout: CLIENT_KEEP_ALIVE_MS,
    noDelay: true,
  });
  server.on("request", (request, response) => forward(env, request, response));
  server.on("upgrade", (request, socket, head) => forwardUpgrade(env, request, socket, head));
  try {
    await Promise.all(backends.map((backend) => checks.look(backend)));
    await listen(server, config);
    const { port } = server.address() as AddressInfo;
    const control = await startControlServer({
      config,
      port,
      backends,
      orders,
      checks,
      clock,
      certificate: () => material.summary,
      reloadCertificate() {
        material = readTlsMaterial(config.certFile, config.keyFile);
        server.setSecureContext({ cert: material.cert, key: material.key, minVersion: "TLSv1.2" });
        return material.summary;
      },
      shutdown: onShutdown,
    });
    const close = async (graceMs: number): Promise<void> => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cancel = clock.timer(graceMs, () => {
        for (const backend of backends) backend.endSessions();
        server.closeAllConnections();
      });
      await closed;
      cancel();
      checks.stop();
      await control.close();
      for (const backend of backends) backend.agent.destroy();
    };
    return { port, close };
  } catch (error) {
    checks.stop();
    server.close();
    throw error;
  }
}

function listen(server: ReturnType<typeof createServer>, config: ProxyConfig): Promise<void> {
  const { address, port } = config.listen;
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      const why = taken ? "another process listens there" : error.message;
      const code = taken ? "PROXY_PORT_TAKEN" : "PROXY_START_FAILED";
      reject(
        new SunnyError(code, `the proxy cannot listen on ${address}:${port}: ${why}`, {
          hint: "Choose another port (listen.port), or end what uses this one.",
          details: { address, port },
          cause: error,
        }),
      );
    });
    server.listen(port, address, resolve);
  });
}
