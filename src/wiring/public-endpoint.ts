import { messageOf } from "../errors.ts";
import { versionIn } from "../adapters/host/probe.ts";
import type { HttpClient } from "../operations/http/ports.ts";
import type { Probe, PublicEndpoint } from "../operations/rollout/ports.ts";
import type { System } from "../system/schema.ts";

/** The health path of every configured endpoint, as customers reach it: name, certificate and load balancer included. */
export function publicEndpointOf(system: System, http: HttpClient): PublicEndpoint {
  const { health, endpoints } = system;
  return {
    probe: (signal) =>
      Promise.all(
        Object.entries(endpoints).map(async ([base, { connect, caFile }]) => {
          const url = new URL(health.path, base).href;
          const request = {
            url,
            method: "GET",
            headers: { accept: "application/json" },
            connect,
            timeoutMs: health.timeoutMs,
            ...(caFile === undefined ? {} : { caFile }),
          };
          try {
            const answer = await http.request(request, signal);
            const ok = answer.status === 200;
            const version = versionIn(answer.body, health.versionField);
            const reason = ok ? "" : `status ${answer.status}: ${answer.body.slice(0, 200)}`;
            return { url, ok, status: answer.status, version, latencyMs: Math.round(answer.latencyMs), reason };
          } catch (error) {
            const failed: Probe = { ok: false, status: 0, version: null, latencyMs: 0, reason: messageOf(error) };
            return { url, ...failed };
          }
        }),
      ),
  };
}
