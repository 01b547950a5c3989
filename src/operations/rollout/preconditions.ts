import type { Finding } from "../../operation.ts";
import type { System } from "../../system/schema.ts";
import { unreadable } from "./survey.ts";
import type { ServerState } from "./ports.ts";
import type { Survey } from "./survey.ts";

/**
 * What stands in the way of a rollout, before anything is touched; empty when nothing does. A run that goes on after a hold
 * finds what it left itself: activations of its own turns, and hosts out of traffic.
 */
export function deploymentProblems(
  system: Pick<System, "hosts">,
  found: Survey,
  own: { readonly runId: string } | null = null,
): Finding[] {
  const problems = unreadable(found.hosts);
  for (const { host, state } of found.hosts) {
    if (state?.pending === null || state === null) continue;
    if (own !== null && state.pending.turn.startsWith(`${own.runId}/`)) continue;
    const seconds = Math.ceil(state.pending.remainingMs / 1000);
    const message = `${host} has an unconfirmed activation of ${state.pending.releaseId ?? "nothing"}, which ends in ${seconds} s`;
    problems.push({ subject: host, ok: false, message });
  }
  for (const { name } of system.hosts) {
    const server = found.servers.find((one) => one.name === name);
    if (server === undefined) {
      problems.push({ subject: name, ok: false, message: `the load balancer has no server ${name}` });
    } else if (server.admin !== "ready" && !(own !== null && server.admin === "drain")) {
      const message = `${name} is in state ${server.admin} at the load balancer; set it to ready, or take it out of the config`;
      problems.push({ subject: name, ok: false, message });
    }
  }
  return problems;
}

/**
 * Hosts that belong to another state directory, which would refuse every change. Hosts that belong to nobody are taken with
 * the first change.
 */
export function foreignHosts(authority: string, { hosts }: Pick<Survey, "hosts">): Finding[] {
  return hosts.flatMap(({ host, state }) => {
    const fence = state?.fence ?? null;
    if (fence === null || fence.authority === authority) return [];
    return [{ subject: host, ok: false, message: `${host} belongs to authority ${fence.authority}` }];
  });
}

/** Which hosts the load balancer, or one of several, has no server for; undefined when it has one for each. */
export function unknownServers(hosts: readonly string[], servers: readonly ServerState[]): string | undefined {
  const strangers = hosts.filter((host) => !servers.some((server) => server.name === host));
  const names = servers.map(({ name }) => name).join(", ");
  if (strangers.length > 0) return `the load balancer has no server ${strangers.join(", ")}; it has: ${names}`;
  const apart = servers
    .filter(({ name, missingAt = [] }) => hosts.includes(name) && missingAt.length > 0)
    .map(({ name, missingAt = [] }) => `${missingAt.join(", ")} has no server ${name}`);
  return apart.length === 0 ? undefined : `${apart.join("; ")}; together the load balancers have: ${names}`;
}
