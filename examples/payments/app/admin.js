import { rmSync } from "node:fs";
import http from "node:http";

/**
 * What operators may do to a running process, over a unix socket that only its owner can open:
 *
 * - `POST /db/reset` closes every database connection, leaked ones included, and opens one anew;
 * - `GET /connections` says how many there are;
 * - `GET /memory` gives heap statistics and the samples of the last minutes.
 *
 * Resolves once the socket listens; the returned function closes it.
 */
export async function listenAdmin({ socket, pool, memory, log, identity }) {
  const routes = {
    "POST /db/reset": () => {
      const state = pool.reset();
      log.warn("connections-reset", { closed: state.closed });
      return state;
    },
    "GET /connections": () => pool.stats(),
    "GET /memory": () => memory.report(),
  };
  const server = http.createServer((request, response) => {
    request.resume();
    const send = (status, body) => {
      const text = `${JSON.stringify({ ...identity, ...body })}\n`;
      response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
      response.end(text);
    };
    const handle = routes[`${request.method} ${request.url}`];
    if (handle === undefined) return send(404, { error: { code: "route_unknown", known: Object.keys(routes) } });
    try {
      return send(200, handle());
    } catch (error) {
      return send(503, { error: { code: "unavailable", message: error.message } });
    }
  });
  // Left behind by a process that was killed; a living one on the same path would have the port as well.
  rmSync(socket, { force: true });
  const mask = process.umask(0o177);
  try {
    await new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(socket, resolve);
    });
  } finally {
    process.umask(mask);
  }
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
