import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { withDeadline, type Clock } from "../../clock.ts";
import { TerminalError } from "../../engine/context.ts";
import { nodeTls } from "../../node-http.ts";
import type { ServedCertificate, TlsProbe } from "../../operations/tls/ports.ts";
import { hostAndPort, reasonOf } from "./client.ts";

const TIMEOUT_MS = 10_000;

/** Shakes hands with a server and takes what it presents, trusted or not: judging is the caller's. */
export function tlsProbe(clock: Clock): TlsProbe {
  return {
    async served({ connect, serverName }, signal) {
      try {
        return await withDeadline(clock, TIMEOUT_MS, signal, (own) => shake(connect, serverName, own), late);
      } catch (error) {
        if (signal?.aborted === true) throw error;
        throw new TerminalError(
          "TLS_UNREACHABLE",
          `No TLS handshake with ${connect} as ${serverName}: ${reasonOf(error)}`,
        );
      }
    },
  };
}

const late = (): Error => new Error(`no handshake within ${TIMEOUT_MS} ms`);

function shake(connect: string, serverName: string, signal: AbortSignal): Promise<ServedCertificate> {
  return new Promise((resolve, reject) => {
    const socket = nodeTls().connect({ ...hostAndPort(connect), servername: serverName, rejectUnauthorized: false });
    const onAbort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("close", () => {
      signal.removeEventListener("abort", onAbort);
      reject(new Error("the connection was closed"));
    });
    socket.on("error", reject);
    socket.on("secureConnect", () => {
      resolve({ chainPem: chainOf(socket), protocol: socket.getProtocol() ?? "unknown" });
      socket.end();
    });
  });
}

/** Only what was sent: Node adds certificates that it knows itself, which end in one that issued itself. */
function chainOf(socket: TLSSocket): string[] {
  const chain: string[] = [];
  let certificate = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined) {
    const pem = new X509Certificate(certificate.raw).toString();
    if (chain.includes(pem)) break;
    chain.push(pem);
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
