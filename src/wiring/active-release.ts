import type { ReleaseRef } from "../operation.ts";
import { messageOf, SunnyError } from "../errors.ts";
import type { Fleet } from "../operations/rollout/ports.ts";
import type { Releases } from "./releases.ts";

/**
 * The release that the hosts run, from the hosts themselves. `strict` refuses when they disagree or one does not answer;
 * otherwise the one that most of them run counts. Null when none runs anything.
 * @throws HOSTS_DISAGREE
 */
export async function activeRelease(
  hosts: readonly string[],
  fleet: Pick<Fleet, "read">,
  releases: Releases,
  strict: boolean,
): Promise<ReleaseRef | null> {
  const read = await Promise.allSettled(hosts.map(async (host) => ({ host, active: (await fleet.read(host)).active })));
  const answers = read.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const silent = read.flatMap((one, i) =>
    one.status === "rejected" ? [{ host: hosts[i] ?? "", why: messageOf(one.reason) }] : [],
  );
  const counts = new Map<string | null, string[]>();
  for (const { host, active } of answers)
    counts.set(active?.id ?? null, [...(counts.get(active?.id ?? null) ?? []), host]);
  if (strict && (silent.length > 0 || counts.size > 1)) throw disagreement(counts, silent);
  const most = [...counts].toSorted((a, b) => b[1].length - a[1].length)[0]?.[0] ?? null;
  return most === null
    ? null
    : refOf(most, answers.find((one) => one.active?.id === most)?.active?.version ?? most, releases);
}

/**
 * The release of a version, or of an id, that hosts have completely, for a way back to what has left the store; undefined
 * when none of those that answer has one, or they have different ones of that version.
 */
export async function releaseOnHosts(
  wanted: string,
  hosts: readonly string[],
  fleet: Pick<Fleet, "read">,
): Promise<ReleaseRef | undefined> {
  const read = await Promise.allSettled(hosts.map((host) => fleet.read(host)));
  const found = read.flatMap((one) => (one.status === "fulfilled" ? one.value.releases : []));
  const fitting = new Map(
    found.filter(({ id, version }) => id === wanted || version === wanted).map((one) => [one.id, one]),
  );
  const [only] = fitting.values();
  return only === undefined || fitting.size > 1 ? undefined : unstored(only);
}

/** What its id tells of a release that is not in the store. */
function unstored({ id, version }: { readonly id: string; readonly version: string }): ReleaseRef {
  return { name: "", version, digest: id.slice(version.length + 1), id };
}

/** A release may have left the store since it was deployed; its id, which hosts know, still names it. */
async function refOf(id: string, version: string, releases: Releases): Promise<ReleaseRef> {
  const [stored] = await releases.find(id).catch(() => []);
  if (stored === undefined) return unstored({ id, version });
  return { name: stored.name, version: stored.version, digest: stored.digest, id: stored.id };
}

function disagreement(
  counts: ReadonlyMap<string | null, readonly string[]>,
  silent: readonly { readonly host: string; readonly why: string }[],
): SunnyError {
  const parts = [...counts].map(
    ([id, hosts]) => `${hosts.join(", ")} ${hosts.length === 1 ? "runs" : "run"} ${id ?? "nothing"}`,
  );
  for (const { host, why } of silent) {
    parts.push(`${host} cannot be read: ${why.startsWith(`${host}: `) ? why.slice(host.length + 2) : why}`);
  }
  const hint =
    counts.size > 1
      ? "Bring the hosts to one release with `sunny rollback --version VERSION`, then plan again."
      : "Mend what keeps the host from being read, or take it out of the configuration, then plan again.";
  return new SunnyError("HOSTS_DISAGREE", `It is not clear which release is active: ${parts.join("; ")}`, { hint });
}
