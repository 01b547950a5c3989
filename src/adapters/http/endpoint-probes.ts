import { readFile } from "node:fs/promises";
import net from "node:net";
import type { TLSSocket } from "node:tls";
import { withDeadline, type Clock } from "../../clock.ts";
import { RetryableError } from "../../engine/context.ts";
import { nodeTls } from "../../node-http.ts";
import type {
  EndpointProbes,
  HandshakeLimits,
  HandshakeResult,
  ProbeTarget,
  RawAnswer,
} from "../../operations/security/ports.ts";
import { hostAndPort, reasonOf } from "./client.ts";

const HANDSHAKE_MS = 10_000;
const KEPT = 65_536;

/** Handshakes and bytes as an attacker would send them: no HTTP library corrects what goes out. */
export function endpointProbes(clock: Clock): EndpointProbes {
  return {
    async handshake(target, limits, signal) {
      const ca = target.caFile === undefined ? undefined : await readFile(target.caFile, "utf8");
      return withDeadline(clock, HANDSHAKE_MS, signal, (own) => shake(target, limits, ca, own), late);
    },
    async raw(target, bytes, timeoutMs, signal) {
      // Nothing is an answer as well: some servers just wait for the end of what is no request.
      const own = new AbortController();
      const cancel = clock.timer(timeoutMs, () => own.abort());
      const onAbort = (): void => own.abort();
      signal?.addEventListener("abort", onAbort, { once: true });
      try {
        return await exchange(target, bytes, own.signal);
      } finally {
        cancel();
        signal?.removeEventListener("abort", onAbort);
      }
    },
  };
}

const late = (): Error => new Error(`no handshake within ${HANDSHAKE_MS} ms`);

function shake(
  target: ProbeTarget,
  limits: HandshakeLimits,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<HandshakeResult> {
  const refused = (reason: string, tried = true): HandshakeResult => ({
    accepted: false,
    protocol: null,
    cipher: null,
    trusted: false,
    reason,
    tried,
  });
  return new Promise((resolve, reject) => {
    let socket: TLSSocket;
    try {
      const options = {
        ...hostAndPort(target.connect),
        ...limits,
        servername: target.serverName,
        rejectUnauthorized: false,
      };
      socket = nodeTls().connect({ ...options, ...(ca === undefined ? {} : { ca }) });
    } catch (error) {
      // The library has none of these ciphers, or not this version.
      return resolve(refused(reasonOf(error), false));
    }
    signal.addEventListener("abort", () => socket.destroy(), { once: true });
    socket.on("error", (error) => {
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (syscall === "connect")
        reject(new RetryableError("HTTP_UNREACHABLE", `No connection to ${target.connect}: ${reasonOf(error)}`));
      else
        resolve(
          refused(
            reasonOf(error),
            code !== "ERR_SSL_NO_PROTOCOLS_AVAILABLE" && code !== "ERR_SSL_NO_CIPHERS_AVAILABLE",
          ),
        );
    });
    socket.on("close", () => resolve(refused("the connection was closed")));
    socket.on("secureConnect", () => {
      const wrongName = nodeTls().checkServerIdentity(target.serverName, socket.getPeerCertificate());
      const reason = wrongName?.message ?? (socket.authorized ? "" : String(socket.authorizationError));
      resolve({
        accepted: true,
        protocol: socket.getProtocol(),
        cipher: socket.getCipher().name,
        trusted: socket.authorized && wrongName === undefined,
        reason,
        tried: true,
      });
      socket.destroy();
    });
  });
}

function exchange(target: ProbeTarget, bytes: Uint8Array, signal: AbortSignal): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const place = hostAndPort(target.connect);
    const socket = target.tls
      ? nodeTls().connect({ ...place, servername: target.serverName, rejectUnauthorized: false })
      : net.connect(place);
    const chunks: Buffer[] = [];
    let length = 0;
    let connected = false;
    signal.addEventListener("abort", () => socket.destroy(), { once: true });
    socket.once(target.tls ? "secureConnect" : "connect", () => {
      connected = true;
      socket.write(bytes);
    });
    socket.on("data", (chunk: Buffer) => {
      if (length < KEPT) chunks.push(chunk);
      length += chunk.length;
    });
    socket.on("error", (error) => {
      if (!connected)
        reject(new RetryableError("HTTP_UNREACHABLE", `No connection to ${target.connect}: ${reasonOf(error)}`));
    });
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      if (connected) resolve(parse(Buffer.concat(chunks).subarray(0, KEPT).toString("latin1")));
      else reject(new RetryableError("HTTP_UNREACHABLE", `No connection to ${target.connect} in time`));
    });
  });
}

/** Only as far as the checks need it; chunks of the body are left as they are. */
function parse(text: string): RawAnswer {
  const match = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r?\n/.exec(text);
  if (match === null) return { status: 0, headers: {}, body: text };
  const end = text.indexOf("\r\n\r\n");
  const head = text.slice(match[0].length, end === -1 ? undefined : end);
  const headers: Record<string, string> = {};
  for (const line of head.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(match[1]), headers, body: end === -1 ? "" : text.slice(end + 4) };
}
