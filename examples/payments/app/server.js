import { randomUUID } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { isUnavailable } from "./database.js";
import { ProcessorUnavailableError } from "./card-processor.js";
import { ApiError, errorBody } from "./errors.js";
import { PoolExhaustedError } from "./pool.js";
import { createRouter } from "./router.js";

/** Largest request body, bytes. */
const BODY_LIMIT = 16_384;
const REQUEST_ID = /^[A-Za-z0-9_-]{8,64}$/;

/**
 * The HTTP server: routing, bodies, answers, measuring, and a stop that no client notices when it is given the time.
 * `routes` are `{ method, pattern, handle(request), probe? }`; `handle` gets `{ params, query, headers, body, id, url }`
 * and returns `{ status, body, headers? }` or throws.
 */
export function createServer({ routes, middleware = [], observe, log, identity, onUpgrade, keepAliveMs }) {
  const match = createRouter(routes);
  const busy = new Map();
  let stopping = false;

  async function answer(message, id) {
    const [path, query = ""] = message.url.split("?", 2);
    const { route, params, allowed } = match(message.method, path);
    if (route === undefined) {
      const error =
        allowed.length > 0
          ? new ApiError(405, "method_not_allowed", "This method is not supported here.", {
              headers: { allow: allowed.join(", ") },
            })
          : new ApiError(404, "route_unknown", "There is nothing at this address.");
      return { route: { pattern: "unmatched" }, result: failure(error, log, id) };
    }
    try {
      const request = { id, method: message.method, pattern: route.pattern, params, headers: message.headers };
      request.query = new URLSearchParams(query);
      request.body = message.method === "POST" ? await readBody(message) : undefined;
      const chain = route.probe ? [] : middleware;
      const run = chain.reduceRight(
        (next, layer) => () => layer(request, next),
        () => route.handle(request),
      );
      return { route, result: await run() };
    } catch (error) {
      return { route, result: failure(error, log, id) };
    }
  }

  async function onRequest(message, response) {
    const started = performance.now();
    busy.set(message.socket, (busy.get(message.socket) ?? 0) + 1);
    response.on("close", () => settle(message.socket));
    const given = message.headers["x-request-id"];
    const id = typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
    const { route, result } = await answer(message, id);
    const text = typeof result.body === "string" ? result.body : `${JSON.stringify(result.body)}\n`;
    response.writeHead(result.status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
      "cache-control": "no-store",
      "x-app-version": identity.version,
      "x-app-host": identity.host,
      "x-request-id": id,
      // A body that was not read to its end would be taken for the next request.
      ...(stopping || !message.complete ? { connection: "close" } : {}),
      ...result.headers,
    });
    response.end(text);
    const seconds = (performance.now() - started) / 1000;
    const labels = { method: message.method, route: route.pattern, status: result.status };
    observe(labels, seconds, route.probe === true);
    log[route.probe ? "debug" : "info"]("request", { requestId: id, ...labels, ms: Math.round(seconds * 1e5) / 100 });
  }

  const server = http.createServer({ keepAliveTimeout: keepAliveMs, requestTimeout: 30_000 }, (message, response) => {
    onRequest(message, response).catch((error) => {
      log.error("answer-failed", { reason: error.message });
      response.destroy();
    });
  });
  server.on("connection", (socket) => {
    busy.set(socket, 0);
    socket.on("close", () => busy.delete(socket));
  });
  server.on("upgrade", (message, socket) => {
    busy.delete(socket);
    onUpgrade(message, socket);
  });

  function settle(socket) {
    if (!busy.has(socket)) return;
    busy.set(socket, busy.get(socket) - 1);
  }

  function closeIdle() {
    for (const [socket, requests] of busy) if (requests === 0) socket.destroy();
  }

  /**
   * Stops accepting at once; connections that are idle get `lingerMs` more, in which a request that was on its way is
   * still answered (and its connection closed by that answer); then waits for all that is in flight.
   */
  async function stop(lingerMs) {
    stopping = true;
    const closed = new Promise((resolve) => {
      // The one of net: that of http closes idle connections without waiting for what is on its way.
      net.Server.prototype.close.call(server, resolve);
    });
    await new Promise((resolve) => setTimeout(resolve, lingerMs));
    closeIdle();
    const sweep = setInterval(closeIdle, 50);
    await closed;
    clearInterval(sweep);
  }

  return { server, stop, inFlight: () => [...busy.values()].reduce((sum, count) => sum + count, 0) };
}

/** The answer for anything that was thrown. Details of what went wrong inside go to the log, never to the caller. */
function failure(error, log, requestId) {
  if (error instanceof ApiError) return { status: error.status, body: errorBody(error), headers: error.headers };
  const unavailable =
    isUnavailable(error) || error instanceof PoolExhaustedError || error instanceof ProcessorUnavailableError;
  log.error("request-failed", { requestId, reason: error.message, ...(unavailable ? {} : { stack: error.stack }) });
  if (unavailable) {
    const body = errorBody({
      code: "unavailable",
      message: "The service cannot do this at the moment; try again with the same key.",
    });
    return { status: 503, body, headers: { "retry-after": "1" } };
  }
  return {
    status: 500,
    body: errorBody({ code: "internal", message: "Something went wrong inside; nothing was changed." }),
  };
}

async function readBody(message) {
  const type = (message.headers["content-type"] ?? "").split(";")[0].trim();
  const data = await collect(message);
  if (data.length === 0) return {};
  if (type !== "application/json") {
    throw new ApiError(415, "content_type_unsupported", "Send the body as application/json.");
  }
  try {
    return JSON.parse(data.toString("utf8"));
  } catch {
    throw new ApiError(400, "body_not_json", "The body is not valid JSON.");
  }
}

/** The whole body. Events and not iteration: leaving an iteration early would end the connection before the answer. */
function collect(message) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const chunks = [];
  let length = 0;
  message.on("data", (chunk) => {
    length += chunk.length;
    if (length <= BODY_LIMIT) chunks.push(chunk);
    else reject(new ApiError(413, "body_too_large", `The body has more than ${BODY_LIMIT} bytes.`));
  });
  message.on("end", () => resolve(Buffer.concat(chunks)));
  message.on("error", reject);
  message.on("close", () => reject(new ApiError(400, "body_incomplete", "The body ended early.")));
  return promise;
}
