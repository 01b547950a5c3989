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
    const admins = seen.map(({ at, servers }) => {
      const admin = servers.find((server) => server.name === name)?.admin ?? ("missing" as const);
      return { at, admin };
    });
    const missingAt = admins.filter(({ admin }) => admin === "missing").map(({ at }) => at);
    const everywhere = missingAt.length === 0;
    const agreed = admins.every(({ admin }) => admin === admins[0]?.admin);
    const sum = (of: (server: ObservedServer) => number): number => found.reduce((total, one) => total + of(one), 0);
    return {
      name,
      admin: agreed ? (found[0]?.admin ?? "mixed") : "mixed",
      up: everywhere && found.every((server) => server.up),
      check: checkText(seen, name),
      weightPercent: Math.min(...found.map((server) => server.weightPercent)),
      sessions: sum((server) => server.sessions),
      upgraded: sum((server) => server.upgraded),
      requests: sum((server) => server.requests),
      failures: sum((server) => server.failures),
      ...(everywhere ? {} : { missingAt }),
      ...(agreed ? {} : { admins }),
    };
  });
}

/** What the health checks saw last: once where all saw the same, otherwise with who saw it. */
function checkText(seen: readonly Seen[], name: string): string {
  const checks = seen.map(({ at, servers }) => {
    const check = servers.find((server) => server.name === name)?.check ?? "missing";
    return { at, check };
  });
  if (checks.every(({ check }) => check === checks[0]?.check)) return checks[0]?.check ?? "";
  return checks.map(({ at, check }) => `${check} at ${at}`).join(", ");
}
