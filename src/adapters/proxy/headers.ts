import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";

/** RFC 9110, 7.6.1: what concerns one connection only and is never passed on. */
const HOP_BY_HOP = new Set([
  "connection",
  // Answered by the proxy itself (RFC 9110, 10.1.1).
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Also names what `Connection` lists. */
function dropped(connection: string | undefined): ReadonlySet<string> {
  if (connection === undefined || /^(keep-alive|close|upgrade)$/i.test(connection)) return HOP_BY_HOP;
  return new Set([...HOP_BY_HOP, ...connection.split(",").map((name) => name.trim().toLowerCase())]);
}

/** The headers of a request as the service gets them. Forwarding headers of the client's own are replaced: nobody is trusted. */
export function requestHeaders(request: IncomingMessage): IncomingHttpHeaders {
  const drop = dropped(request.headers.connection);
  const headers: IncomingHttpHeaders = {};
  for (const name in request.headers) {
    if (!drop.has(name)) headers[name] = request.headers[name];
  }
  // The length of a body is known or it comes in chunks; what the client said in between is gone with its connection.
  if (request.headers["transfer-encoding"] !== undefined) headers["transfer-encoding"] = "chunked";
  headers["x-forwarded-for"] = request.socket.remoteAddress ?? "";
  headers["x-forwarded-proto"] = (request.socket as TLSSocket).encrypted ? "https" : "http";
  if (request.headers.host !== undefined) headers["x-forwarded-host"] = request.headers.host;
  return headers;
}

/** A year (RFC 6797, 6.1.1), and no guessing of types; what a service says itself counts. */
export const SECURITY_HEADERS = {
  "strict-transport-security": "max-age=31536000",
  "x-content-type-options": "nosniff",
} as const;

/**
 * The headers of an answer as the client gets them: raw, so that none is merged, and with the server's name; with those
 * for security where the service sends none and `secure` asks for them.
 */
export function answerHeaders(answer: IncomingMessage, server: string, secure: boolean): string[] {
  const drop = dropped(answer.headers.connection);
  const headers: string[] = [];
  const raw = answer.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? "";
    if (!drop.has(name.toLowerCase())) headers.push(name, raw[i + 1] ?? "");
  }
  if (secure) {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      if (answer.headers[name] === undefined) headers.push(name, value);
    }
  }
  headers.push("x-served-by", server);
  return headers;
}
