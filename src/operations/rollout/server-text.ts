import type { ServerState } from "./ports.ts";

/** The state that was ordered for a server, for people: where load balancers disagree, what each of them has. */
export function adminText(server: Pick<ServerState, "admin" | "admins">): string {
  return server.admins === undefined ? server.admin : `${server.admin} (${adminsText(server)})`;
}

/** What each of several load balancers has: "ready at lb-1, drain at lb-2"; the one state where they agree. */
export function adminsText({ admin, admins }: Pick<ServerState, "admin" | "admins">): string {
  return admins?.map((one) => `${one.admin} at ${one.at}`).join(", ") ?? admin;
}
