import { messageOf } from "../../errors.ts";
import type { OperationCall, ReleaseRef } from "../../operation.ts";
import type { ReleaseSource } from "./ports.ts";
import { refusal } from "./steps.ts";
import type { SurveyedHost } from "./survey.ts";

/** What a host goes (back) to: an id is enough where every host has it; `ref` is known when the store has it. */
export interface Target {
  readonly id: string;
  readonly version: string;
  readonly ref: ReleaseRef | null;
}

/** JSON without the store's path, so that it can be journaled. */
function refOf({ name, version, digest, id }: ReleaseRef): ReleaseRef {
  return { name, version, digest, id };
}

/**
 * The one release that a version (or an id) means on the way back: the previous release of the plan, else what hosts say
 * they had before, else the only one that hosts or store have. Never a guess between two. A store whose release cannot
 * be used keeps nobody from going back to what hosts have; only where none has it, its reason is told.
 *
 * @throws TerminalError RELEASE_UNKNOWN
 */
export async function resolveTarget(
  wanted: string,
  call: Pick<OperationCall<unknown>, "previous">,
  hosts: readonly SurveyedHost[],
  store: ReleaseSource,
): Promise<Target> {
  const { stored, why } = await store.find(wanted).then(
    (found) => ({ stored: found, why: "" }),
    (error: unknown) => ({ stored: [], why: `; in the store: ${messageOf(error)}` }),
  );
  const known = new Map<string, Target>();
  for (const { state } of hosts) {
    for (const { id, version } of state?.releases ?? []) {
      if (id === wanted || version === wanted) known.set(id, { id, version, ref: null });
    }
  }
  for (const one of stored) known.set(one.id, { id: one.id, version: one.version, ref: refOf(one) });
  const { previous } = call;
  if (previous !== null && (previous.id === wanted || previous.version === wanted)) {
    return known.get(previous.id) ?? { id: previous.id, version: previous.version, ref: refOf(previous) };
  }
  const before = new Set(
    hosts.map(({ state }) => state?.previous?.id).filter((id) => id !== undefined && known.has(id)),
  );
  const candidates = known.size > 1 && before.size === 1 ? [...before] : [...known.keys()];
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return known.get(only) as Target;
  throw refusal("RELEASE_UNKNOWN", `${unknownMessage(wanted, candidates as string[], hosts)}${why}`);
}

function unknownMessage(wanted: string, candidates: readonly string[], hosts: readonly SurveyedHost[]): string {
  if (candidates.length > 1) return `version ${wanted} could be ${candidates.join(" or ")}: name the release by its id`;
  const versions = new Set(hosts.flatMap(({ state }) => state?.releases.map((release) => release.version) ?? []));
  const there = versions.size === 0 ? "no releases" : [...versions].toSorted().join(", ");
  return `no host and no store has a complete release ${wanted}; hosts have ${there}`;
}
