import { TerminalError } from "../../engine/context.ts";
import { digestOf, sha256 } from "../../json.ts";
import type { OperationCall, ReleaseRef } from "../../operation.ts";
import type { InfrastructurePorts, ResourceChange } from "./ports.ts";

/** What is known of a release's infrastructure before anything is run; frozen with the plan. */
export type InfrastructureFacts = {
  readonly release: string;
  /** Of the release's folder; null when it has none. */
  readonly digest: string | null;
  /** Of what was applied last; null when nothing was. */
  readonly applied: string | null;
  readonly changed: boolean;
};

type StatePorts = Pick<InfrastructurePorts, "configuration" | "terraform">;

/**
 * Compares the release's infrastructure folder with what is recorded as applied. Without a record the release that is
 * active stands for what is applied: nothing is done when its folder is the same.
 *
 * @throws TerminalError TERRAFORM_MISSING when it changed and no program is at hand
 */
export async function infrastructureFacts(
  { configuration, terraform }: StatePorts,
  { system, release, previous }: Pick<OperationCall<unknown>, "system" | "release" | "previous">,
): Promise<InfrastructureFacts> {
  const meant = release ?? previous;
  if (meant === null)
    throw new TerminalError(
      "NO_RELEASE",
      "No release is being deployed and none is active, so there is no infrastructure to plan",
    );
  const { dir, binaries } = system.infrastructure;
  const digest = folderDigest(await configuration.files(meant, dir));
  const record = await terraform.applied();
  const before = previous === null || record !== null ? null : folderDigest(await configuration.files(previous, dir));
  const applied = record?.digest ?? before;
  const changed = digest !== null && digest !== applied;
  if (changed && (await terraform.program()) === null) {
    const from = applied === null ? "nothing was ever applied" : `what is applied is ${short(applied)}`;
    throw new TerminalError(
      "TERRAFORM_MISSING",
      `${meant.version} changes the infrastructure (${dir}/ is ${short(digest)}, ${from}), and none of ${binaries.join(", ")} is on this machine`,
    );
  }
  return { release: meant.id, digest, applied, changed };
}

/** The release whose folder is meant. */
export function meantRelease({ release, previous }: Pick<OperationCall<unknown>, "release" | "previous">): ReleaseRef {
  const meant = release ?? previous;
  if (meant === null) throw new TerminalError("NO_RELEASE", "No release is being deployed and none is active");
  return meant;
}

/** `sha256:<hex>` over paths and contents; null for an empty folder. */
export function folderDigest(files: ReadonlyMap<string, Uint8Array>): string | null {
  if (files.size === 0) return null;
  return digestOf(Object.fromEntries([...files].map(([path, bytes]) => [path, sha256(bytes)])));
}

/** For people: "no infrastructure folder", "unchanged since ...". */
export function unchangedText({ digest }: InfrastructureFacts): string {
  return digest === null
    ? "Unchanged: the release has no infrastructure folder"
    : `Unchanged: the infrastructure is the one that is applied, ${short(digest)}`;
}

/** Changes after which something that was there is gone. */
export function destructive(changes: readonly ResourceChange[]): ResourceChange[] {
  return changes.filter(({ action }) => action === "delete" || action === "replace");
}

/** Refuses what would destroy or replace, unless the addresses were allowed. @throws TerminalError TERRAFORM_REFUSED */
export function requireHarmless(changes: readonly ResourceChange[], allowed: readonly string[]): void {
  const refused = destructive(changes).filter(({ address }) => !allowed.includes(address) && !allowed.includes("all"));
  if (refused.length === 0) return;
  const named = refused.map(({ action, address }) => `${action} ${address}`).join(", ");
  throw new TerminalError(
    "TERRAFORM_REFUSED",
    `The plan would ${named}; nothing was applied. Allow it by address, as --allow-destroy=${refused.map(({ address }) => address).join(",")}`,
  );
}

function short(digest: string): string {
  return digest.slice(0, "sha256:".length + 12);
}
