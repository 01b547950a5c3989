import type { Fleet } from "../rollout/ports.ts";
import type { ServingHost } from "./ports.ts";

/** What each host runs; one that runs nothing or does not answer is left out. */
export async function servingHosts(
  hosts: readonly { readonly name: string }[],
  fleet: Pick<Fleet, "read">,
  signal?: AbortSignal,
): Promise<ServingHost[]> {
  const read = await Promise.allSettled(hosts.map(({ name }) => fleet.read(name, signal)));
  return read.flatMap((one) => {
    if (one.status === "rejected" || one.value.active === null) return [];
    const { host, active } = one.value;
    return [{ host, releaseId: active.id, version: active.version }];
  });
}
