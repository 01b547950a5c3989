import type { ServerState } from "../../operations/rollout/ports.ts";
import type { ObservedServer } from "./observation.ts";

/** What one load balancer says. */
export interface Seen {
  /** How the load balancer is called. */
  readonly at: string;
  readonly servers: readonly ObservedServer[];
}

/**
 * One state out of what several load balancers say of the same servers: up only where all see it up, what is in flight
 * added up. A server that one of them does not have counts as "mixed" and down.
 */
export function merged(seen: readonly Seen[]): ServerState[] {
  const names = [...new Set(seen.flatMap(({ servers }) => servers.map((server) => server.name)))];
  return names.map((name) => {
    const found = seen.flatMap(({ servers }) => servers.filter((server) => server.name === name));
    const missingAt = seen.filter(({ servers }) => !servers.some((server) => server.name === name)).map(({ at }) => at);
    const everywhere = missingAt.length === 0;
    const admins = new Set(found.map((server) => server.admin));
    const sum = (of: (server: ObservedServer) => number): number => found.reduce((total, one) => total + of(one), 0);
    return {
      name,
      admin: everywhere && admins.size === 1 ? (found[0]?.admin ?? "mixed") : "mixed",
      up: everywhere && found.every((server) => server.up),
      check: [...new Set([...found.map((server) => server.check), ...missingAt.map((at) => `missing at ${at}`)])].join(
        ", ",
      ),
      weightPercent: Math.min(...found.map((server) => server.weightPercent)),
      sessions: sum((server) => server.sessions),
      upgraded: sum((server) => server.upgraded),
      requests: sum((server) => server.requests),
      failures: sum((server) => server.failures),
      ...(everywhere ? {} : { missingAt }),
    };
  });
}
