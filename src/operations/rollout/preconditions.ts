import type { Finding, OperationCall } from "../../operation.ts";
import type { System } from "../../system/schema.ts";
import { canariesOf } from "./capacity.ts";
import type { LoadBalancer, RolloutPorts, ServerState } from "./ports.ts";
import { adminText } from "./server-text.ts";
import { refusal } from "./steps.ts";
import { unreadable } from "./survey.ts";
import type { Survey, SurveyedHost } from "./survey.ts";

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
      const message = `${name} is in state ${adminText(server)} at the load balancer; set it to ready, or take it out of the config`;
      problems.push({ subject: name, ok: false, message });
    }
  }
  return problems;
}

/**
 * Hosts that belong to another state directory, which would refuse every change. Hosts that belong to nobody are taken with
 * the first change.
 */
export function foreignHosts(authority: string, hosts: readonly Pick<SurveyedHost, "host" | "state">[]): Finding[] {
  return hosts.flatMap(({ host, state }) => {
    const fence = state?.fence ?? null;
    if (fence === null || fence.authority === authority) return [];
    return [{ subject: host, ok: false, message: `${host} belongs to authority ${fence.authority}` }];
  });
}

/** What to do about them, as the end of a sentence. */
export function foreignRemedy(authority: string): string {
  const remedy = "when nobody deploys from another state directory any more, `sunny adopt` takes them over";
  return `this state directory is ${authority}: ${remedy}`;
}

/** @throws TerminalError HOST_FENCED with each host that belongs to somebody else, before anything was touched. */
export function requireOwnHosts(authority: string, hosts: readonly Pick<SurveyedHost, "host" | "state">[]): void {
  const foreign = foreignHosts(authority, hosts);
  if (foreign.length === 0) return;
  const whose = foreign.map((one) => one.message).join(", ");
  throw refusal("HOST_FENCED", `${whose}, ${foreignRemedy(authority)}`, foreign);
}

/**
 * The same for what changes hosts by hand, when it is planned: a load balancer may know no fence, and would do for a
 * stranger what the hosts refuse. A host that cannot be read is not judged. In the plan of a deployment the rollout asks.
 */
export async function refuseForeignHosts(
  { authority, fleet }: Pick<RolloutPorts, "authority" | "fleet">,
  hosts: readonly string[],
  mode: OperationCall<unknown>["mode"],
): Promise<void> {
  if (mode === "deploy") return;
  const found = hosts.map(async (host) => ({ host, state: await fleet.read(host).catch(() => null) }));
  requireOwnHosts(authority, await Promise.all(found));
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

/**
 * Fails as the load balancer would refuse the canaries their weight, without giving the order, and where what is ordered of a
 * host would not last; one that cannot tell beforehand refuses nothing.
 * @throws TerminalError SERVER_UNKNOWN, HAPROXY_COMMAND_FAILED, HAPROXY_AGENT_CHECK
 */
export async function requireOrders(
  loadBalancer: Pick<LoadBalancer, "check">,
  system: Pick<System, "hosts" | "rollout">,
): Promise<void> {
  const hosts = system.hosts.map(({ name }) => name);
  const { canaries, weight } = canariesOf(system, hosts);
  await loadBalancer.check?.(hosts, { admin: "drain" });
  await loadBalancer.check?.(canaries, { weightPercent: weight });
}
