import type { System } from "../../system/schema.ts";

/** Hosts as an option names them, with commas between; undefined when it names none. */
export function namedHosts(option: string | undefined): readonly string[] | undefined {
  if (option === undefined) return undefined;
  return [...new Set(option.split(",").map((host) => host.trim()))].filter((host) => host !== "");
}

/** Why the option cannot be meant: hosts that the system does not have, or none at all; null when it can. */
export function unknownHosts(option: string | undefined, system: System): string | null {
  const named = namedHosts(option);
  if (named === undefined) return null;
  const known = system.hosts.map((host) => host.name);
  const unknown = named.filter((host) => !known.includes(host));
  if (named.length > 0 && unknown.length === 0) return null;
  const what = named.length === 0 ? "no host is named" : `there is no host ${unknown.join(", ")}`;
  return `${what}; known are: ${known.join(", ")}`;
}
