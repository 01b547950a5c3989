import type { StepScope } from "../../engine/context.ts";
import { sha256 } from "../../json.ts";
import type { LoadBalancer, ServerState } from "../../operations/rollout/ports.ts";
import { control } from "./control-client.ts";
import type { ProxyFence } from "./orders.ts";
import type { CertificateSummary } from "./tls-material.ts";

/** What `stats` of the control socket answers. */
export interface ProxyStats {
  readonly pid: number;
  readonly port: number;
  readonly certificate: CertificateSummary;
  readonly fence: { readonly authority: string; readonly token: number } | null;
  /** `answers[2]` counts 2xx, and so on. */
  readonly servers: readonly (ServerState & { readonly answers: readonly number[] })[];
}

function fenceOf(authority: string, scope: Pick<StepScope, "fence" | "idempotencyKey">): ProxyFence {
  return {
    authority,
    token: scope.fence.token,
    attempt: scope.fence.attempt,
    key: sha256(scope.idempotencyKey).slice(0, 16),
  };
}

/** @throws RetryableError LOAD_BALANCER_UNREACHABLE */
export async function proxyStats(socket: string, signal?: AbortSignal): Promise<ProxyStats> {
  return (await control(socket, "GET", "/stats", undefined, signal)) as ProxyStats;
}

/**
 * Makes the proxy read its certificate and key again; connections that are open keep the old one.
 *
 * @throws TerminalError PROXY_CERTIFICATE_INVALID (the one before is still served), LOAD_BALANCER_FENCED
 */
export async function reloadProxyCertificate(
  socket: string,
  step?: { readonly authority: string; readonly scope: StepScope },
): Promise<CertificateSummary> {
  const body = step === undefined ? {} : { fence: fenceOf(step.authority, step.scope) };
  return (await control(socket, "POST", "/certificate", body, step?.scope.signal)) as CertificateSummary;
}

/** Takes the proxy over for another authority; gives back whose it was. */
export async function adoptProxy(
  socket: string,
  authority: string,
  scope: StepScope,
): Promise<{ from: string | null }> {
  return (await control(socket, "POST", "/adopt", { fence: fenceOf(authority, scope) }, scope.signal)) as {
    from: string | null;
  };
}

/** The embedded proxy as a load balancer: it keeps the fence itself. */
export function proxyBalancer(socket: string, authority: string): LoadBalancer {
  const order = (server: string, action: string, body: object, scope: StepScope): Promise<unknown> =>
    control(socket, "POST", `/servers/${encodeURIComponent(server)}/${action}`, body, scope.signal);
  return {
    target: "fenced",
    async read(signal) {
      return (await proxyStats(socket, signal)).servers;
    },
    async set(server, change, scope) {
      await order(server, "set", { ...change, fence: fenceOf(authority, scope) }, scope);
    },
    async waitIdle(server, withinMs, scope) {
      return (await order(server, "wait-idle", { withinMs }, scope)) as { sessions: number; upgraded: number };
    },
    async waitUp(server, withinMs, scope) {
      return ((await order(server, "wait-up", { withinMs }, scope)) as { up: boolean }).up;
    },
    async closeSessions(server, scope) {
      await order(server, "close-sessions", { fence: fenceOf(authority, scope) }, scope);
    },
    adopt: (scope) => adoptProxy(socket, authority, scope),
  };
}
