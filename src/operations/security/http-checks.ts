import { RetryableError } from "../../engine/context.ts";
import type { EndpointProbes, ProbeTarget, RawAnswer } from "./ports.ts";
import { safe, weak, type Weakness } from "./severity.ts";

const TIMEOUT_MS = 5_000;
const HUGE_BYTES = 128 * 1024;

/** What one hostile request is, and which of its answers are no good. */
interface Attack {
  readonly what: string;
  readonly request: (host: string) => string;
  /** A success is a weakness of this severity; null when a success is fine. */
  readonly success: "high" | "medium" | null;
}

const get =
  (path: string, method = "GET") =>
  (host: string): string =>
    `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`;

const ATTACKS: readonly Attack[] = [
  { what: "TRACE", request: get("/", "TRACE"), success: "high" },
  { what: "an unknown method", request: get("/", "SUNNY"), success: "medium" },
  { what: "path traversal", request: get("/../../../../../../etc/passwd"), success: "high" },
  { what: "encoded path traversal", request: get("/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd"), success: "high" },
  { what: "path traversal with encoded slashes", request: get("/..%2f..%2f..%2f..%2fetc%2fpasswd"), success: "high" },
  { what: "a zero byte in the path", request: get("/health%00.txt"), success: "medium" },
  {
    what: "huge headers",
    request: (host) =>
      `GET /health HTTP/1.1\r\nhost: ${host}\r\nx-probe: ${"a".repeat(HUGE_BYTES)}\r\nconnection: close\r\n\r\n`,
    success: "medium",
  },
  { what: "something that is no HTTP", request: () => "HELO sunny\r\n\r\n", success: "high" },
  {
    what: "two lengths",
    request: (host) =>
      `POST /health HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 4\r\ncontent-length: 5\r\nconnection: close\r\n\r\nabcd`,
    success: "high",
  },
  {
    what: "length and chunks together",
    request: (host) =>
      `POST /health HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n`,
    success: "high",
  },
  {
    what: "a space in a header's name",
    request: (host) => `GET /health HTTP/1.1\r\nhost: ${host}\r\nx probe: 1\r\nconnection: close\r\n\r\n`,
    success: "high",
  },
];

/** Paths that belong to operators, and files that leak. */
const PRIVATE: readonly { readonly path: string; readonly method: string; readonly severity: "high" | "medium" }[] = [
  { path: "/metrics", method: "GET", severity: "high" },
  { path: "/connections", method: "GET", severity: "high" },
  { path: "/memory", method: "GET", severity: "high" },
  { path: "/db/reset", method: "GET", severity: "high" },
  { path: "/admin", method: "GET", severity: "high" },
  { path: "/debug/pprof/", method: "GET", severity: "high" },
  { path: "/.env", method: "GET", severity: "high" },
  { path: "/.git/config", method: "GET", severity: "high" },
  { path: "/service.env", method: "GET", severity: "high" },
];

/** What no answer may hold: traces of the code, and secrets. */
const LEAKS: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  {
    what: "a stack trace",
    pattern: /^\s+at .+[(\s].+:\d+:\d+\)?\s*$|Traceback \(most recent call last\)|\\n\s+at .+:\d+:\d+/m,
  },
  {
    what: "a path of the server",
    pattern: /\/(?:home|srv|opt|usr|var)\/[\w.-]+\/[\w./-]+\.(?:js|ts|py|rb|php|go)\b|node_modules/,
  },
  { what: "a password file", pattern: /^root:[^:]*:0:0:/m },
  { what: "a database error", pattern: /SQLITE_[A-Z]+|SQLSTATE|MongoServerError|syntax error at or near/ },
  { what: "a private key", pattern: /-----BEGIN [A-Z ]*PRIVATE KEY/ },
  { what: "a cloud credential", pattern: /\bAKIA[0-9A-Z]{16}\b/ },
  { what: "a password", pattern: /\b(?:password|passwd|secret|api[_-]?key)["']?\s*[:=]\s*["']?[^\s"',;}]{4,}/i },
];

/** Hostile requests, private paths, leaks and headers of one endpoint; `healthPath` shows that the service stays up. */
export async function httpChecks(
  probes: EndpointProbes,
  target: ProbeTarget,
  healthPath: string,
  signal: AbortSignal,
): Promise<Weakness[]> {
  const { serverName } = target;
  const send = (text: string): Promise<RawAnswer> =>
    probes.raw(target, Buffer.from(text, "latin1"), TIMEOUT_MS, signal);
  const subject = `HTTP of ${serverName}`;
  const before = await send(get(healthPath)(serverName));
  if (before.status !== 200)
    return [weak("high", subject, `${healthPath} answers ${before.status} before anything was tried`)];
  const found: Weakness[] = [...headerFindings(subject, before, target.tls), ...leaks(subject, healthPath, before)];
  for (const { what, request, success } of ATTACKS) {
    const answer = await attempt(() => send(request(serverName)));
    found.push(verdict(subject, what, answer, success), ...leaks(subject, what, answer));
  }
  for (const { path, method, severity } of PRIVATE) {
    const answer = await attempt(() => send(get(path, method)(serverName)));
    const reached = answer.status >= 200 && answer.status < 300;
    found.push(
      reached
        ? weak(severity, subject, `${path} can be read from outside`)
        : safe(subject, `${path} cannot be read from outside`),
    );
    found.push(...leaks(subject, path, answer));
  }
  const missing = await attempt(() => send(get("/sunny-probe-no-such-page?q='%22<script>")(serverName)));
  found.push(...leaks(subject, "an unknown page", missing));
  const after = await attempt(() => send(get(healthPath)(serverName)));
  found.push(
    after.status === 200
      ? safe(subject, "still answers after all of it")
      : weak("high", subject, `does not answer any more after the test: ${after.status}`),
  );
  return found;
}

/** A connection that is refused is as good as an answer that refuses. */
async function attempt(send: () => Promise<RawAnswer>): Promise<RawAnswer> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof RetryableError) return { status: 0, headers: {}, body: "" };
    throw error;
  }
}

function verdict(subject: string, what: string, { status }: RawAnswer, success: Attack["success"]): Weakness {
  if (status === 0) return safe(subject, `${what}: the connection was closed`);
  if (status >= 500) return weak("high", subject, `${what} is answered with ${status}: it breaks something inside`);
  if (status < 400 && success !== null)
    return weak(status < 300 ? success : "low", subject, `${what} is answered with ${status}`);
  return safe(subject, `${what} is answered with ${status}`);
}

function leaks(subject: string, where: string, { body, headers }: RawAnswer): Weakness[] {
  const text = `${Object.entries(headers)
    .map(([name, value]) => `${name} ${value}`)
    .join("\n")}\n${body}`;
  return LEAKS.filter(({ pattern }) => pattern.test(text)).map(({ what }) =>
    weak("high", subject, `the answer to ${where} shows ${what}`),
  );
}

function headerFindings(subject: string, { headers }: RawAnswer, tls: boolean): Weakness[] {
  const found: Weakness[] = [];
  if (tls && headers["strict-transport-security"] === undefined)
    found.push(weak("medium", subject, "sends no strict-transport-security"));
  if (headers["x-content-type-options"]?.toLowerCase() !== "nosniff")
    found.push(weak("low", subject, "sends no x-content-type-options: nosniff"));
  const product = headers["x-powered-by"] ?? (/\d/.test(headers["server"] ?? "") ? headers["server"] : undefined);
  if (product !== undefined) found.push(weak("low", subject, `names what it runs on: ${product}`));
  return found.length === 0 ? [safe(subject, "security headers are there")] : found;
}
