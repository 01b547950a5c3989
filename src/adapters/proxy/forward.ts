import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, RequestOptions, ServerResponse } from "node:http";
import type { Clock } from "../../clock.ts";
import { choose } from "./backend.ts";
import type { Backend } from "./backend.ts";
import type { ProxyConfig } from "./config.ts";
import { isDenied } from "./deny.ts";
import { answerHeaders, requestHeaders, SECURITY_HEADERS } from "./headers.ts";

export interface Forwarding {
  readonly config: ProxyConfig;
  readonly backends: readonly Backend[];
  readonly clock: Clock;
  /** A server did not take a connection or broke one: look at it now. */
  readonly suspect: (backend: Backend) => void;
}

/**
 * Carries one request to a server and its answer back. Another server is tried only while nothing was sent, that is when
 * no connection came about: a request that may have arrived is never repeated, whatever its method.
 */
export function forward(env: Forwarding, request: IncomingMessage, response: ServerResponse): void {
  if (isDenied(env.config.denyPaths, request.url)) return refuse(env, response, 404, "there is no such page");
  const tried = new Set<Backend>();
  const attempt = (): void => {
    const backend = choose(env.backends, tried);
    if (backend === undefined)
      return refuse(env, response, 503, tried.size === 0 ? "no server is in service" : "no server answers");
    tried.add(backend);
    carry(env, backend, request, response, attempt);
  };
  attempt();
}

function carry(
  env: Forwarding,
  backend: Backend,
  request: IncomingMessage,
  response: ServerResponse,
  next: () => void,
): void {
  const upstream = httpRequest(requestOptions(backend, request));
  const leave = backend.enter(() => {
    upstream.destroy();
    response.destroy();
  });
  let sent = false;
  let timedOut = false;
  const onClientGone = (): void => {
    upstream.destroy();
    leave();
  };
  response.once("close", onClientGone);
  whenConnected(env, upstream, () => {
    sent = true;
    request.pipe(upstream);
  });
  upstream.setTimeout(env.config.answerTimeoutMs, () => {
    timedOut = true;
    upstream.destroy();
  });
  upstream.once("response", (answer) => {
    backend.answers[Math.floor((answer.statusCode ?? 0) / 100)]! += 1;
    response.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage ?? "",
      answerHeaders(answer, backend.name, env.config.securityHeaders),
    );
    answer.once("error", () => response.destroy());
    answer.pipe(response);
  });
  upstream.on("error", () => {
    if (response.destroyed) return leave();
    backend.failures++;
    env.suspect(backend);
    if (response.headersSent) return void response.destroy();
    if (!sent || isRepeatable(upstream, request)) {
      request.unpipe(upstream);
      response.off("close", onClientGone);
      leave();
      return next();
    }
    request.unpipe(upstream);
    refuse(
      env,
      response,
      timedOut ? 504 : 502,
      timedOut ? "the server did not answer in time" : "the server broke off",
      backend,
    );
  });
}

/**
 * A kept connection that the server closed while the request was on its way is the one other case: a safe method
 * without a body (RFC 9110, 9.2.1) may be asked again.
 */
function isRepeatable(upstream: ClientRequest, request: IncomingMessage): boolean {
  const { method = "GET", headers } = request;
  const hasBody = headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined;
  return upstream.reusedSocket && !hasBody && (method === "GET" || method === "HEAD" || method === "OPTIONS");
}

/** How a request is put to a server: over its pool, with the headers that may pass. */
export function requestOptions(backend: Backend, request: IncomingMessage): RequestOptions {
  return {
    host: backend.address,
    port: backend.port,
    method: request.method ?? "GET",
    path: request.url ?? "/",
    headers: requestHeaders(request),
    agent: backend.agent,
    setDefaultHeaders: true,
  };
}

/** Calls back once there is a connection, before which not a byte has left; gives up after the connect time-out. */
export function whenConnected(env: Forwarding, upstream: ClientRequest, connected: () => void): void {
  upstream.once("socket", (socket) => {
    if (!socket.connecting) return connected();
    const cancel = env.clock.timer(env.config.connectTimeoutMs, () =>
      upstream.destroy(new Error("no connection in time")),
    );
    socket.once("connect", () => {
      cancel();
      connected();
    });
    upstream.once("close", cancel);
  });
}

/** An answer of the proxy's own. 404: the path is denied; 503: there is no server; 502: it broke off; 504: it was too slow. */
function refuse(
  { config }: Forwarding,
  response: ServerResponse,
  status: 404 | 502 | 503 | 504,
  why: string,
  backend?: Backend,
): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.writeHead(status, {
    "content-type": "application/json",
    "x-served-by": backend === undefined ? "proxy" : `proxy; ${backend.name}`,
    ...(config.securityHeaders ? SECURITY_HEADERS : {}),
    ...(status === 503 ? { "retry-after": "1" } : {}),
  });
  response.end(`${JSON.stringify({ error: why })}\n`);
}
