import type { System } from "../../system/schema.ts";
import type { ServerState } from "./ports.ts";
import { adminsText } from "./server-text.ts";

/** Whether a server takes new requests now. */
export function isServing(server: ServerState): boolean {
  return server.admin === "ready" && server.up && server.weightPercent > 0;
}

/** Hosts that must stay in traffic: as configured, otherwise all but `maxUnavailable`, and at least one. */
export function minServing(system: Pick<System, "hosts" | "rollout">): number {
  const { minServing, maxUnavailable } = system.rollout;
  return minServing ?? Math.max(1, system.hosts.length - maxUnavailable);
}

/** Hosts that must stay in traffic while a whole fleet goes back: half of them, since the release is what hurts. */
export function minServingInRollback(system: Pick<System, "hosts" | "rollout">): number {
  const half = Math.floor(system.hosts.length / 2);
  return Math.min(system.rollout.minServing ?? half, half);
}

/**
 * Why these hosts cannot be taken out of traffic together, or undefined when they can. Hosts that do not serve now cost
 * nothing.
 */
export function capacityProblem(
  servers: readonly ServerState[],
  taken: readonly string[],
  minimum: number,
): string | undefined {
  const serving = servers.filter(isServing);
  const leaving = serving.filter((server) => taken.includes(server.name));
  const left = serving.length - leaving.length;
  if (leaving.length === 0 || left >= minimum) return undefined;
  const who = leaving.map((server) => server.name).join(", ");
  const down = servers.filter((server) => !isServing(server)).map((server) => `${server.name} (${why(server)})`);
  const out = down.length === 0 ? "" : `; not in traffic: ${down.join(", ")}`;
  return `without ${who} ${left} of ${servers.length} hosts would serve, at least ${minimum} must${out}`;
}

function why(server: ServerState): string {
  if (server.missingAt !== undefined) return `missing at ${server.missingAt.join(", ")}`;
  if (server.admin !== "ready") return adminsText(server);
  return server.up ? "weight 0" : server.check;
}

/**
 * The weight, in percent of a host's own, that gives `canaries` hosts together `percent` of the traffic beside `others`
 * hosts with full weight: solves canaries·w / (canaries·w + others·100) = percent / 100. Whole percents from 1 to 100;
 * without others there is nothing to share.
 */
export function canaryWeight(percent: number, canaries: number, others: number): number {
  if (others === 0 || percent >= 100) return 100;
  const exact = (percent * others * 100) / (canaries * (100 - percent));
  return Math.min(100, Math.max(1, Math.round(exact)));
}

/** The hosts that get the release first, and the weight that each has meanwhile, in percent of its own. */
export function canariesOf(
  { rollout: { canaryHosts, canaryPercent } }: Pick<System, "rollout">,
  hosts: readonly string[],
): { readonly canaries: readonly string[]; readonly weight: number } {
  const canaries = hosts.slice(0, canaryHosts);
  const others = hosts.length - canaries.length;
  return { canaries, weight: canaryPercent === null ? 100 : canaryWeight(canaryPercent, canaries.length, others) };
}

/**
 * The part of the traffic, 0 to 1, that `canaries` hosts with a weight in percent of their own should get beside `others`
 * hosts with full weight; undefined when one side has no host, since there is nothing to compare then.
 */
export function trafficPart(canaries: number, weightPercent: number, others: number): number | undefined {
  if (canaries === 0 || others === 0) return undefined;
  return (canaries * weightPercent) / (canaries * weightPercent + others * 100);
}

/** Consecutive groups of at most `size`. */
export function groupsOf<T>(items: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let i = 0; i < items.length; i += size) groups.push(items.slice(i, i + size));
  return groups;
}

/**
 * The next hosts to bring back: all that do not serve, which costs nothing, and of the others as many as the capacity
 * allows, in the order given; at least one, since a rollback must go on. Not so once a host did not come back (`failed`):
 * the next one might not either, and in the end nothing would serve. Empty when nothing more may be taken.
 */
export function nextToBringBack(
  remaining: readonly string[],
  servers: readonly ServerState[],
  minimum: number,
  failed = false,
): readonly string[] {
  const serving = new Set(servers.filter(isServing).map((server) => server.name));
  const free = remaining.filter((host) => !serving.has(host));
  const costly = remaining.filter((host) => serving.has(host));
  const allowed = Math.max(serving.size - minimum, free.length === 0 && !failed ? 1 : 0);
  return [...free, ...costly.slice(0, allowed)];
}
