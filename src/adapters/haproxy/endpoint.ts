import type { StepScope } from "../../engine/context.ts";

/** The admin socket of one load balancer. */
export interface HaproxyEndpoint {
  /** As it is configured, for messages. */
  readonly name: string;
  /** "fenced": a host's lock lies before it. */
  readonly target: "fenced" | "bounded";
  /** Between two questions, milliseconds. */
  readonly pollMs: number;
  /** Asks, without changing anything. @throws RetryableError LOAD_BALANCER_UNREACHABLE */
  ask(command: string, signal?: AbortSignal): Promise<string>;
  /**
   * Orders, one after the other; the answers, which are empty when all went well.
   * @throws RetryableError LOAD_BALANCER_UNREACHABLE, TerminalError LOAD_BALANCER_FENCED
   */
  order(commands: readonly string[], scope: StepScope): Promise<readonly string[]>;
}

/** Where a socket is, as configured. */
export type SocketAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "ssh"; readonly host: string; readonly path: string };

/** Reads `/path`, `tcp:host:port` and `ssh:host:/path`; null when it is none of them. */
export function parseSocket(text: string): SocketAddress | null {
  if (text.startsWith("/")) return { kind: "unix", path: text };
  const tcp = /^tcp:(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  if (tcp !== null) return { kind: "tcp", host: tcp[1] ?? tcp[2] ?? "", port: Number(tcp[3]) };
  const ssh = /^ssh:([^:]+):(\/.+)$/.exec(text);
  return ssh === null ? null : { kind: "ssh", host: ssh[1] ?? "", path: ssh[2] ?? "" };
}
