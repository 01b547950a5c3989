import type { ServerChange } from "../../operations/rollout/ports.ts";

/** A server as HAProxy's commands name it. */
export interface ServerPath {
  readonly backend: string;
  readonly server: string;
}

/**
 * Everything that is known of the servers of a backend, in one request. 4 stands for servers, -1 for all of them
 * (management.txt 9.3, "show stat").
 */
export function observeCommand(backend: string): string {
  requireName(backend);
  return `show info;show stat ${backend} 4 -1;show servers state ${backend}`;
}

/** The commands for a change, weight before state, so that a server comes back with the weight that it is to have. */
export function changeCommands(path: ServerPath, change: ServerChange): string[] {
  const target = pathOf(path);
  const { admin, weightPercent } = change;
  return [
    ...(weightPercent === undefined ? [] : [`set server ${target} weight ${requirePercent(weightPercent)}%`]),
    ...(admin === undefined ? [] : [`set server ${target} state ${admin}`]),
  ];
}

/** Ends every session of a server at once. */
export function closeCommand(path: ServerPath): string {
  return `shutdown sessions server ${pathOf(path)}`;
}

/** What the connection may do: admin, operator or user (management.txt 9.3). */
export const LEVEL_COMMAND = "show cli level";

/** Lists every session with its state; about 1.5 KB each, so it is asked for rarely. */
export const SESSIONS_COMMAND = "show sess all";

function pathOf({ backend, server }: ServerPath): string {
  return `${requireName(backend)}/${requireName(server)}`;
}

/** A blank or a semicolon in a name would be another command (management.txt 9.3). @throws TypeError */
function requireName(name: string): string {
  if (!/^[\w.:-]+$/.test(name))
    throw new TypeError(`${JSON.stringify(name)} cannot be the name of anything in HAProxy`);
  return name;
}

function requirePercent(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > 100)
    throw new TypeError(`${value} is no percentage of a weight`);
  return value;
}
