import type { Clock } from "../../clock.ts";
import type { Fleet } from "../rollout/ports.ts";

/** How a handshake with given limits went. */
export interface HandshakeResult {
  readonly accepted: boolean;
  /** "TLSv1.2"; null when it was refused. */
  readonly protocol: string | null;
  /** Name of the cipher suite; null when it was refused. */
  readonly cipher: string | null;
  /** True when the chain leads to a trusted authority and the name fits. */
  readonly trusted: boolean;
  /** Why it was refused or is not trusted; empty otherwise. */
  readonly reason: string;
  /** False when this machine's own library cannot offer what was asked for, so that nothing was tried. */
  readonly tried: boolean;
}

/** Where an endpoint is, and who it should be. */
export interface ProbeTarget {
  /** `ip:port`. */
  readonly connect: string;
  readonly serverName: string;
  readonly caFile?: string;
  readonly tls: boolean;
}

/** What a handshake may offer: "TLSv1" to "TLSv1.3", and OpenSSL's names of cipher suites. */
export interface HandshakeLimits {
  readonly minVersion: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  readonly maxVersion: "TLSv1" | "TLSv1.1" | "TLSv1.2" | "TLSv1.3";
  readonly ciphers?: string;
}

/** What came back for bytes that were sent as they are. */
export interface RawAnswer {
  /** 0 when the connection ended without an answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The first 64 KiB. */
  readonly body: string;
}

/** An attacker's means of reaching a public endpoint. */
export interface EndpointProbes {
  handshake(target: ProbeTarget, limits: HandshakeLimits, signal?: AbortSignal): Promise<HandshakeResult>;
  /** Sends bytes as they are and reads until the peer is done or `timeoutMs` have passed. @throws RetryableError HTTP_UNREACHABLE when there is no connection */
  raw(target: ProbeTarget, bytes: Uint8Array, timeoutMs: number, signal?: AbortSignal): Promise<RawAnswer>;
}

/** What a file is, and who may touch it. */
export interface FileFact {
  readonly path: string;
  readonly kind: "file" | "socket" | "directory" | "missing";
  /** Permission bits. */
  readonly mode: number;
}

/** A TCP socket that waits for connections. */
export interface Listener {
  readonly address: string;
  readonly port: number;
}

/** Looks at a host from inside. */
export interface HostInspector {
  /** Paths are absolute, on that host. */
  files(host: string, paths: readonly string[], signal?: AbortSignal): Promise<readonly FileFact[]>;
  /** Sockets below a folder, however deep. */
  sockets(host: string, folder: string, signal?: AbortSignal): Promise<readonly FileFact[]>;
  /** TCP ports that a process and its descendants listen on; null where the host cannot tell. */
  listeners(host: string, pid: number, signal?: AbortSignal): Promise<readonly Listener[] | null>;
  /** The last bytes of every file of a folder whose name ends in `.log`, by path. */
  logTails(
    host: string,
    folder: string,
    bytes: number,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, string>>>;
}

/** What the security test needs of the world. */
export interface SecurityPorts {
  readonly clock: Clock;
  readonly probes: EndpointProbes;
  readonly hosts: HostInspector;
  /** The machine that Sunny runs on, where keys are: `files` of an inspector, without a host. */
  readonly localFiles: (paths: readonly string[]) => Promise<readonly FileFact[]>;
  readonly fleet: Pick<Fleet, "read">;
}
