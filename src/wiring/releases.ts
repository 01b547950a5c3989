import { TerminalError } from "../engine/context.ts";
import { isSunnyError } from "../errors.ts";
import type { ReleaseRef } from "../operation.ts";
import type { ReleaseVerifier } from "../operations/checks/ports.ts";
import type { MigrationSource } from "../operations/database/ports.ts";
import type { ConfigurationSource } from "../operations/infrastructure/ports.ts";
import type { ReleaseSource, StoredRelease } from "../operations/rollout/ports.ts";
import { releaseRef } from "../release/manifest.ts";
import { openReleaseStore, type ReleaseStore } from "../release/store.ts";
import type { VerifiedRelease } from "../release/verify.ts";
import type { System } from "../system/schema.ts";
import { trustedVerifiers } from "./trusted-verifiers.ts";
import { unchangedStore, type VerifiedReleases } from "./unchanged-store.ts";

/** What operations need of releases, all from the one store of verified archives. */
export interface Releases extends ReleaseSource, ReleaseVerifier, ConfigurationSource {
  readonly store: ReleaseStore;
  /** What of the store was verified in this process already. */
  readonly known: VerifiedReleases;
  readonly migrations: MigrationSource;
}

/** @throws CONFIG_INVALID when a trusted key is malformed */
export function releasesOf(system: System): Releases {
  const store = openReleaseStore({
    directory: system.releases.dir,
    name: system.service,
    verifiers: trustedVerifiers(system),
  });
  // A plan asks for the same two releases a dozen times, and verifying one means reading all of it.
  const known = unchangedStore(store, system.releases.dir);
  return {
    store,
    known,
    async find(idOrVersion) {
      try {
        return [storedRelease(await known.find(idOrVersion))];
      } catch (error) {
        // Nothing is there; where something is that cannot be used, that is why, and whoever asks is told.
        if (isSunnyError(error, "RELEASE_NOT_FOUND") && error.details["unusable"] === undefined) return [];
        throw refusal(error);
      }
    },
    async verify(release) {
      await verified(store, release);
    },
    files: async (release, folder) => new Map(await known.folder(await verified(known, release), folder)),
    migrations: {
      async read(release) {
        const files = await known.folder(await verified(known, release), "migrations");
        return new Map([...files].map(([name, bytes]) => [name, bytes.toString("utf8")]));
      },
    },
  };
}

/** The release whose archive has the digest of `wanted`, verified to its last byte. */
async function verified(store: Pick<VerifiedReleases, "find">, wanted: ReleaseRef): Promise<VerifiedRelease> {
  const found = await store.find(wanted.id).catch((error: unknown) => {
    throw refusal(error);
  });
  if (found.manifest.archive.sha256 === wanted.digest) return found;
  throw new TerminalError("RELEASE_ARCHIVE_ALTERED", `The archive of ${wanted.version} is not the one of the plan`, {
    planned: wanted.digest,
    found: found.manifest.archive.sha256,
  });
}

function storedRelease(release: VerifiedRelease): StoredRelease {
  const { archive, manifest } = release;
  return { ...releaseRef(manifest), archivePath: archive, bytes: manifest.archive.size };
}

/** In a step a release that cannot be trusted is a final failure in a known state. */
function refusal(error: unknown): unknown {
  if (!isSunnyError(error)) return error;
  const details = error.hint === undefined ? null : { hint: error.hint };
  return new TerminalError(error.code, error.message, details, { cause: error });
}
