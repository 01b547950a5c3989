import path from "node:path";
import type { System } from "./schema.ts";

/** What is wrong between keys that are each valid alone. */
export interface Contradiction {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly hint: string;
}

/**
 * The first thing that no deployment could ever be carried out with: better told when the configuration is read than at
 * the gate in the night of the deployment. Paths of the system are absolute; pure.
 */
export function contradictionOf(system: System): Contradiction | null {
  const checks = [hosts, rollout, people, approvals, gates, endpoints, channels, periods, places];
  for (const check of checks) {
    const found = check(system);
    if (found !== null) return found;
  }
  return null;
}

/** A watch that looks more often than there are figures is blind most of the time. */
function periods({ monitoring: { source, intervalMs } }: System): Contradiction | null {
  if (source.kind !== "cloudwatch" || intervalMs === undefined || intervalMs >= source.periodSeconds * 1000)
    return null;
  return {
    path: ["monitoring", "intervalMs"],
    message: `CloudWatch has a figure every ${source.periodSeconds} s only, which is longer than an interval`,
    hint: "Leave monitoring.intervalMs out, or make it no shorter than monitoring.source.periodSeconds.",
  };
}

function hosts({ hosts: list }: System): Contradiction | null {
  for (const [i, { name }] of list.entries()) {
    if (!list.slice(0, i).some((one) => one.name === name)) continue;
    return {
      path: ["hosts", i, "name"],
      message: `"${name}" is used twice`,
      hint: "Give every host a name of its own.",
    };
  }
  // A port of this machine is one service's; behind SSH the same address may be another machine's own.
  for (const [i, { address, port, connection }] of list.entries()) {
    const here = list.slice(0, i).filter((one) => one.connection.kind === "local" && connection.kind === "local");
    const same = here.find((one) => one.address === address && one.port === port);
    if (same === undefined) continue;
    const message = `${same.name} answers at ${address}:${port} already`;
    return { path: ["hosts", i, "port"], message, hint: "Give every host the address and port of its own service." };
  }
  for (const [i, { root, connection }] of list.entries()) {
    const same = list.slice(0, i).find((one) => one.root === root && isSameMachine(one.connection, connection));
    if (same === undefined) continue;
    const message = `${root} on the same machine is the root of ${same.name} already`;
    return { path: ["hosts", i, "root"], message, hint: "Give every host a directory of its own for its releases." };
  }
  return null;
}

type Connection = System["hosts"][number]["connection"];

function isSameMachine(one: Connection, other: Connection): boolean {
  if (one.kind === "local" || other.kind === "local") return one.kind === other.kind;
  return one.address === other.address && one.port === other.port && one.jump === other.jump;
}

function rollout({ hosts: list, rollout: own }: System): Contradiction | null {
  const { canaryHosts, minServing, maxUnavailable } = own;
  const count = `there ${list.length === 1 ? "is 1 host" : `are ${list.length} hosts`}`;
  if (canaryHosts > list.length) {
    const hint = "Name at most as many as there are; the canary is compared with the hosts that are left.";
    return { path: ["rollout", "canaryHosts"], message: `${count}, fewer than ${canaryHosts}`, hint };
  }
  if (minServing !== undefined && minServing >= list.length) {
    const hint = "At least one host must be allowed out of traffic; 0 permits an outage.";
    return { path: ["rollout", "minServing"], message: `${count}, so none could ever be updated`, hint };
  }
  const path = ["rollout", "maxUnavailable"];
  if (maxUnavailable > list.length) {
    const hint = "Name at most as many as there are; what must stay in traffic is rollout.minServing.";
    return { path, message: `${count}, fewer than ${maxUnavailable}`, hint };
  }
  // A batch that takes more than may be missing would be refused at its turn; a single host has nothing to stay beside.
  const least = minServing ?? (list.length > 1 ? 1 : 0);
  if (list.length - maxUnavailable < least) {
    const message = `${count}, of which ${least} must stay in traffic, so ${maxUnavailable} cannot be out at once`;
    const hint = `Name at most ${list.length - least}, or set rollout.minServing lower; 0 permits an outage.`;
    return { path, message, hint };
  }
  return null;
}

function people({ people: list }: System): Contradiction | null {
  const at = list.findIndex(({ name }, i) => list.slice(0, i).some((one) => fold(one.name) === fold(name)));
  if (at === -1) return null;
  const message = `"${list[at]?.name ?? ""}" is used twice; case does not tell people apart`;
  return { path: ["people", at, "name"], message, hint: "Give every person a name of their own." };
}

function approvals({ approvals: list, people: all }: System): Contradiction | null {
  for (const [i, { role, count }] of list.entries()) {
    const holders = all.filter((one) => one.publicKeyFile !== undefined && holds(one.roles, role));
    if (holders.length >= count) continue;
    const have =
      holders.length === 0 ? "nobody with a public key holds it" : `only ${holders.length} with a key hold it`;
    const message = `"${role}" is asked for ${count} approval${count === 1 ? "" : "s"}, and ${have}`;
    return {
      path: ["approvals", i, "role"],
      message,
      hint: "List the people with their roles and public keys under `people`.",
    };
  }
  return null;
}

function gates({ gates: bound, people: all }: System): Contradiction | null {
  for (const [key, binding] of Object.entries(bound)) {
    if (binding.kind !== "attest" || binding.roles.includes("*")) continue;
    if (all.some((one) => binding.roles.some((role) => holds(one.roles, role)))) continue;
    const message = `nobody under \`people\` is ${binding.roles.join(" or ")}`;
    return { path: ["gates", key, "roles"], message, hint: "Give the role to somebody, or name another." };
  }
  return null;
}

function endpoints({ endpoints: all }: System): Contradiction | null {
  for (const [key, { connect }] of Object.entries(all)) {
    if (!/^https?:\/\/[^/\s]+$/.test(key)) {
      const hint = "Write the key as https://api.example.org, without a path.";
      return { path: ["endpoints", key], message: "the key is no origin", hint };
    }
    if (!/^(?:\[[0-9a-f:]+\]|[^\s:]+):\d{1,5}$/i.test(connect)) {
      const hint = 'Write "127.0.0.1:8443".';
      return { path: ["endpoints", key, "connect"], message: `"${connect}" is no address with a port`, hint };
    }
  }
  return null;
}

function channels({ notify }: System): Contradiction | null {
  const at = notify.channels.findIndex((one) => one.kind === "webhook" && !/^https?:/.test(one.url));
  if (at === -1) return null;
  const hint = "A webhook is called over https (or http).";
  return { path: ["notify", "channels", at, "url"], message: "this is no address of a web server", hint };
}

function places({ stateDir, checkpointCopyDir }: System): Contradiction | null {
  const inside = path.relative(stateDir, checkpointCopyDir);
  if (inside.startsWith("..") || path.isAbsolute(inside)) return null;
  const message = "the second copy lies in the state directory, and would be lost or put back with it";
  return { path: ["checkpointCopyDir"], message, hint: "Name a place of its own, best on another disk." };
}

function holds(roles: readonly string[], role: string): boolean {
  return roles.some((one) => fold(one) === fold(role));
}

function fold(text: string): string {
  return text.normalize("NFKC").trim().replaceAll(/\s+/g, " ").toLowerCase();
}
