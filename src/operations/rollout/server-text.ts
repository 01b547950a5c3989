import type { ServerState } from "./ports.ts";

/** The state that was ordered for a server, for people: where load balancers disagree, what each of them has. */
export function adminText(server: Pick<ServerState, "admin" | "admins">): string {
  return server.admins === undefined ? server.admin : `${server.admin} (${adminsText(server)})`;
}

/** What each of several load balancers has: "ready at lb-1, drain at lb-2"; the one state where they agree. */
export function adminsText({ admin, admins }: Pick<ServerState, "admin" | "admins">): string {
  return admins?.map((one) => `${one.admin} at ${one.at}`).join(", ") ?? admin;
}

/**
 * For people: why load balancers could not be read, one line each, and whose word the servers are shown by then; empty
 * when all were read.
 */
export function unreadText(unread: readonly string[], read: readonly string[]): string[] {
  if (unread.length === 0) return [];
  const which = read.length === 0 && unread.length === 1 ? "the load balancer" : "a load balancer";
  const lines = unread.map((why) => `${which} cannot be read: ${why}`);
  return read.length === 0 ? lines : [...lines, `the servers are shown as ${read.join(", ")} has them`];
}
