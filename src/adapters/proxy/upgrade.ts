import { request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { choose } from "./backend.ts";
import type { Backend } from "./backend.ts";
import { isDenied } from "./deny.ts";
import { requestOptions, whenConnected } from "./forward.ts";
import type { Forwarding } from "./forward.ts";
import { answerHeaders } from "./headers.ts";

/** Passes a connection on that asks for another protocol (WebSocket): after the handshake bytes go both ways, unread. */
export function forwardUpgrade(env: Forwarding, request: IncomingMessage, client: Duplex, head: Buffer): void {
  const tried = new Set<Backend>();
  client.on("error", () => client.destroy());
  if (isDenied(env.config.denyPaths, request.url)) return refuse(client, 404, "Not Found");
  const attempt = (): void => {
    const backend = choose(env.backends, tried);
    if (backend === undefined) return refuse(client, 503, "Service Unavailable");
    tried.add(backend);
    handshake(env, backend, request, client, head, attempt);
  };
  attempt();
}

function handshake(
  env: Forwarding,
  backend: Backend,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  next: () => void,
): void {
  const options = requestOptions(backend, request);
  const upstream = httpRequest({
    ...options,
    agent: false,
    headers: { ...(options.headers as object), connection: "Upgrade", upgrade: request.headers.upgrade ?? "" },
  });
  const leave = backend.enter(() => client.destroy());
  let sent = false;
  client.once("close", () => {
    upstream.destroy();
    leave();
  });
  whenConnected(env, upstream, () => {
    sent = true;
  });
  upstream.once("upgrade", (answer, socket, answerHead) => {
    backend.hold(client);
    leave();
    client.write(statusLine(answer, answer.rawHeaders));
    if (answerHead.length > 0) client.write(answerHead);
    if (head.length > 0) socket.write(head);
    socket.once("error", () => client.destroy());
    socket.once("close", () => client.destroy());
    client.once("close", () => socket.destroy());
    socket.pipe(client);
    client.pipe(socket);
  });
  upstream.once("response", (answer) => {
    client.write(
      statusLine(answer, [...answerHeaders(answer, backend.name, env.config.securityHeaders), "connection", "close"]),
    );
    answer.pipe(client);
  });
  upstream.on("error", () => {
    leave();
    if (client.destroyed) return;
    backend.failures++;
    env.suspect(backend);
    if (sent) refuse(client, 502, "Bad Gateway");
    else next();
  });
  upstream.end();
}

function statusLine(answer: IncomingMessage, rawHeaders: readonly string[]): string {
  const lines = [`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function refuse(client: Duplex, status: number, text: string): void {
  client.end(`HTTP/1.1 ${status} ${text}\r\nconnection: close\r\ncontent-length: 0\r\nx-served-by: proxy\r\n\r\n`);
}
