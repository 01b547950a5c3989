import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { LoadSettings } from "./protocol.ts";

/** An answer of the service, or of what stands before it. */
export interface Answer {
  readonly status: number;
  /** From `x-app-version` and `x-app-host`; "none" when the answer did not come from the service. */
  readonly version: string;
  readonly host: string;
  /** The JSON body; null when there is none. */
  readonly body: Readonly<Record<string, unknown>> | null;
}

/** Sends requests to one address. */
export interface Client {
  /** Rejects with an error that has a `code` when no complete answer came in time; then nobody knows what was done. */
  send(method: "GET" | "POST", path: string, options?: SendOptions): Promise<Answer>;
  /** Ends the connections that are kept. */
  close(): void;
}

export interface SendOptions {
  readonly key?: string;
  readonly body?: object;
  readonly timeoutMs?: number;
}

/** Where and how a connection is made: the certificate is verified for the host of `url`, wherever it is reached. */
export function target(settings: LoadSettings): {
  url: URL;
  host: string;
  port: number;
  tls: { ca?: Buffer; servername: string; rejectUnauthorized: true } | undefined;
} {
  const url = new URL(settings.url);
  const secure = url.protocol === "https:";
  const connect = settings.connect ?? `${url.hostname}:${url.port === "" ? (secure ? 443 : 80) : url.port}`;
  const at = connect.lastIndexOf(":");
  const ca = settings.caFile === undefined ? {} : { ca: readFileSync(settings.caFile) };
  return {
    url,
    host: connect.slice(0, at),
    port: Number(connect.slice(at + 1)),
    tls: secure ? { ...ca, servername: url.hostname, rejectUnauthorized: true } : undefined,
  };
}

/** A client with kept connections. It never sends anything twice by itself. */
export function createClient(settings: LoadSettings): Client {
  const { url, host, port, tls } = target(settings);
  const pooling = { keepAlive: true, maxSockets: settings.connections ?? 32, timeout: 60_000 };
  const agent = tls === undefined ? new http.Agent(pooling) : new https.Agent({ ...pooling, ...tls });
  const begin = tls === undefined ? http.request : https.request;

  async function send(method: "GET" | "POST", path: string, options: SendOptions = {}): Promise<Answer> {
    const text = options.body === undefined ? undefined : JSON.stringify(options.body);
    const request = begin({
      agent,
      host,
      port,
      method,
      path,
      signal: AbortSignal.timeout(options.timeoutMs ?? settings.timeoutMs ?? 10_000),
      headers: {
        host: url.host,
        ...(options.key === undefined ? {} : { "idempotency-key": options.key }),
        ...(text === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
      },
    });
    // An error after the answer is complete concerns nobody any more, and must not end the process.
    request.on("error", () => {});
    request.end(text);
    const [message] = (await once(request, "response")) as [http.IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    return {
      status: message.statusCode ?? 0,
      version: String(message.headers["x-app-version"] ?? "none"),
      host: String(message.headers["x-app-host"] ?? "none"),
      body: parse(Buffer.concat(chunks).toString("utf8")),
    };
  }

  return { send, close: () => agent.destroy() };
}

function parse(text: string): Answer["body"] {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
