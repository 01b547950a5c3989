import { readFile } from "node:fs/promises";
import type http from "node:http";
import { isIP } from "node:net";
import { withDeadline, type Clock } from "../../clock.ts";
import { RetryableError, TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { HttpAnswer, HttpClient, HttpRequest } from "../../operations/http/ports.ts";
import { nodeHttp, nodeHttps } from "../../node-http.ts";

const BODY_LIMIT = 65_536;

/** Plain requests over Node's own client: no cache, no proxy of the environment, no connection that outlives its request. */
export function httpClient(clock: Clock): HttpClient {
  return {
    async request(request, signal) {
      const started = clock.monotonic();
      const late = (): Error => new Error(`no answer within ${request.timeoutMs} ms`);
      try {
        const answer = await withDeadline(clock, request.timeoutMs, signal, (own) => exchange(request, own), late);
        return { ...answer, latencyMs: clock.monotonic() - started };
      } catch (error) {
        if (signal?.aborted === true || error instanceof TerminalError) throw error;
        const to = request.connect === undefined ? "" : ` (${request.connect})`;
        throw new RetryableError("HTTP_UNREACHABLE", `${request.url}${to} gave no answer: ${reasonOf(error)}`, {
          cause: error,
        });
      }
    },
  };
}

/** Splits `ip:port`, `[ipv6]:port` or `name:port`. */
export function hostAndPort(connect: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tcp://${connect}`);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** What went wrong with a connection, without the object around it; several attempts give several reasons. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join("; ");
  return messageOf(error);
}

async function exchange(request: HttpRequest, signal: AbortSignal): Promise<Omit<HttpAnswer, "latencyMs">> {
  const url = new URL(request.url);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new TerminalError("USAGE", `Not an HTTP address: ${request.url}`);
  const ca = request.caFile === undefined ? undefined : await authorities(request.caFile);
  const named = url.hostname.replaceAll(/^\[|\]$/g, "");
  const secured = url.protocol === "https:";
  const port = url.port === "" ? (secured ? 443 : 80) : Number(url.port);
  const options = {
    ...(request.connect === undefined ? { host: named, port } : hostAndPort(request.connect)),
    path: url.pathname + url.search,
    method: request.method,
    headers: { host: url.host, ...request.headers },
    agent: false,
    signal,
    // The name of the URL goes into the handshake and is checked, wherever the connection leads.
    ...(isIP(named) === 0 ? { servername: named } : {}),
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const onAnswer = (message: http.IncomingMessage): void => {
      collect(message).then(
        (body) => resolve({ status: message.statusCode ?? 0, headers: flat(message.headers), body }),
        reject,
      );
    };
    const sent = (secured ? nodeHttps() : nodeHttp()).request(options, onAnswer);
    sent.on("error", reject);
    sent.end(request.body);
  });
}

async function authorities(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new TerminalError("FILE_UNREADABLE", `The authorities in ${file} cannot be read: ${messageOf(error)}`);
  }
}

async function collect(message: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    if (length < BODY_LIMIT) chunks.push(chunk.subarray(0, BODY_LIMIT - length));
    length += chunk.length;
  }
  return Buffer.concat(chunks).toString("utf8");
}

function flat(headers: http.IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")]),
  );
}
