import type { BalancerLook, Probe, ServerState } from "../operations/rollout/ports.ts";
import type { Plan } from "../plan/model.ts";
import type { Turns } from "./turns.ts";
import type { HostState, ViewHost, ViewShare } from "./view/model.ts";

/** What the environment said of itself when it was looked at last. */
export interface Environment extends BalancerLook {
  /** When the look began, milliseconds since the epoch. */
  readonly at: number;
  /** By host; null when it did not answer in time. */
  readonly probes: ReadonlyMap<string, Probe | null>;
  /** The version that each host answered with last: a service that is being restarted has no other. */
  readonly versions: ReadonlyMap<string, string>;
}

/** The host grid and the split of traffic by version. */
export function hostsAndTraffic(
  environment: Environment | null,
  plan: Plan,
  turns: Turns,
): { hosts: readonly ViewHost[]; traffic: readonly ViewShare[] } {
  if (environment === null) return { hosts: [], traffic: [] };
  const weights = environment.servers.map((server) => weightOf(server));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const hosts = plan.system.hosts.map(({ name }): ViewHost => {
    const server = environment.servers.find((one) => one.name === name);
    return {
      name,
      state: hostState(name, server, environment, turns),
      version: environment.versions.get(name) ?? null,
      weight: server === undefined ? null : total === 0 ? 0 : (weightOf(server) / total) * 100,
      sessions: server?.sessions ?? null,
    };
  });
  return { hosts, traffic: shares(hosts) };
}

/** What a server weighs in the choice of the load balancer; 0 when it gets no new requests. */
function weightOf({ admin, up, weightPercent }: ServerState): number {
  return admin === "ready" && up ? weightPercent : 0;
}

/**
 * A turn is believed while it lasts, and until the environment was looked at after it: a look is older than the journal,
 * and would make the host flicker. Otherwise the load balancer says whether a host serves.
 */
function hostState(name: string, server: ServerState | undefined, environment: Environment, turns: Turns): HostState {
  const turn = turns.of(name);
  if (turn !== null && (!turn.over || environment.at <= turn.at)) return turn.state;
  if (server === undefined) return "unknown";
  if (server.admin !== "ready") return server.sessions > 0 ? "draining" : "drained";
  return server.up ? "serving" : "down";
}

/** Parts of the traffic by version; of servers whose version is unknown nothing is said. */
function shares(hosts: readonly ViewHost[]): ViewShare[] {
  const byVersion = new Map<string, number>();
  for (const { version, weight } of hosts) {
    if (version !== null && weight !== null && weight > 0) {
      byVersion.set(version, (byVersion.get(version) ?? 0) + weight);
    }
  }
  const total = [...byVersion.values()].reduce((sum, weight) => sum + weight, 0);
  return [...byVersion].map(([version, weight]) => ({ version, percent: (weight / total) * 100 }));
}
