import { existsSync } from "node:fs";
import { copyFile, mkdir, open as openFile, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import type { NoteVerifier } from "../audit/note.ts";
import { SunnyError, isSunnyError } from "../errors.ts";
import { releaseRef } from "./manifest.ts";
import { openRelease, verifyRelease } from "./verify.ts";
import type { ReleaseLimits, VerifiedRelease } from "./verify.ts";
import { compareVersions, requireReleaseName, requireVersion } from "./version.ts";

export interface ReleaseStoreOptions {
  /** Where `<name>-<version>.tar.gz` and `.release` lie side by side, as `sunny release pack --out` puts them. */
  readonly directory: string;
  /** The service; other names in the same directory are passed over. */
  readonly name: string;
  readonly verifiers: readonly NoteVerifier[];
  readonly limits?: ReleaseLimits;
}

/** A release in the store, or why one that lies there cannot be used. */
export type StoredRelease =
  | { readonly version: string; readonly release: VerifiedRelease; readonly problem?: undefined }
  | { readonly version: string; readonly release?: undefined; readonly problem: SunnyError };

/** Signed releases of one service in a directory. Nothing in it is believed: what is found is verified. */
export interface ReleaseStore {
  /** Verifies a release and takes it in; the same one again is no error. @throws RELEASE_VERSION_TAKEN, as `verifyRelease` */
  add(archive: string, manifest: string): Promise<VerifiedRelease>;
  /**
   * The release of a version, or of an id (`2.1.0-3f2a…`), verified to its last byte. Where what lies there under the version
   * cannot be used, the details of RELEASE_NOT_FOUND name it as `unusable`. @throws RELEASE_NOT_FOUND, as `verifyRelease`
   */
  find(versionOrId: string): Promise<VerifiedRelease>;
  /**
   * The same by signature, manifest and size: for whoever reads nothing of the archive, or verifies what it reads.
   * @throws RELEASE_NOT_FOUND, as `openRelease`
   */
  open(versionOrId: string): Promise<VerifiedRelease>;
  /** All of them, oldest version first, by signature and manifest; archives are verified when they are used. */
  list(): Promise<StoredRelease[]>;
}

/** @throws RELEASE_VERSION_INVALID when the name is none */
export function openReleaseStore(options: ReleaseStoreOptions): ReleaseStore {
  const { directory, name } = options;
  requireReleaseName(name);
  const rest = { verifiers: options.verifiers, ...(options.limits === undefined ? {} : { limits: options.limits }) };
  const filesOf = (version: string): { archive: string; manifest: string } => ({
    archive: path.join(directory, `${name}-${version}.tar.gz`),
    manifest: path.join(directory, `${name}-${version}.release`),
  });

  const versions = async (): Promise<string[]> => {
    const prefix = `${name}-`;
    const found = (await entries(directory)).filter((file) => file.startsWith(prefix) && file.endsWith(".release"));
    return found.map((file) => file.slice(prefix.length, -".release".length)).toSorted(compareVersions);
  };

  const open = async (wanted: readonly string[]): Promise<StoredRelease[]> => {
    const found: StoredRelease[] = [];
    for (const version of wanted) {
      const stored = await openStored(version, { ...filesOf(version), ...rest }, name);
      if (stored !== undefined) found.push(stored);
    }
    return found;
  };
  const list = async (): Promise<StoredRelease[]> => open(await versions());
  const openOne = async (versionOrId: string): Promise<VerifiedRelease> => {
    requireVersion(versionOrId);
    // An id begins with its version, so that the others need not be opened.
    const near = (await versions()).filter((one) => versionOrId === one || versionOrId.startsWith(`${one}-`));
    const stored = await open(near);
    const wanted = stored.find(({ version }) => version === versionOrId) ?? stored.find(hasId(versionOrId));
    if (wanted === undefined) throw notFound(versionOrId, options, await list(), filesOf(versionOrId), stored);
    if (wanted.problem !== undefined) throw wanted.problem;
    return wanted.release;
  };

  return {
    list,
    open: openOne,
    async add(archive, manifest) {
      const release = await verifyRelease({ archive, manifest, ...rest });
      if (release.manifest.name !== name) throw wrongName(release, name);
      const { version } = release.manifest;
      const target = filesOf(version);
      const stands = (await versions()).includes(version);
      const standing = stands ? await openStored(version, { ...target, ...rest }, name) : undefined;
      if (stands && standing?.release?.sha256 !== release.sha256) throw taken(version, directory);
      if (!stands) await copyRelease(directory, release, target);
      return verifyRelease({ ...target, ...rest });
    },
    async find(versionOrId) {
      const { version } = (await openOne(versionOrId)).manifest;
      return verifyRelease({ ...filesOf(version), ...rest });
    },
  };
}

function hasId(id: string): (stored: StoredRelease) => boolean {
  return ({ release }) => release !== undefined && releaseRef(release.manifest).id === id;
}

/** `undefined` for a release of another service whose name begins alike: `payments-worker-1.0.0` beside `payments`. */
async function openStored(
  version: string,
  files: { archive: string; manifest: string; verifiers: readonly NoteVerifier[]; limits?: ReleaseLimits },
  name: string,
): Promise<StoredRelease | undefined> {
  try {
    const release = await openRelease(files);
    const { manifest } = release;
    if (`${manifest.name}-${manifest.version}` !== `${name}-${version}`) throw wrongName(release, name);
    if (manifest.name !== name) return undefined;
    return { version, release };
  } catch (error) {
    if (!isSunnyError(error)) throw error;
    return { version, problem: error };
  }
}

/** The signed manifest comes last: without it the archive is not in the store. */
async function copyRelease(
  directory: string,
  release: VerifiedRelease,
  target: { archive: string; manifest: string },
): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [from, to] of [
    [release.archive, target.archive],
    [release.manifestFile, target.manifest],
  ] as const) {
    const partial = `${to}.partial`;
    try {
      await copyFile(from, partial);
      const handle = await openFile(partial, "r+");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(partial, to);
    } finally {
      await rm(partial, { force: true });
    }
  }
}

async function entries(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new SunnyError("FILE_UNREADABLE", `Cannot read the releases in ${directory}`, { cause: error });
  }
}

function notFound(
  version: string,
  options: ReleaseStoreOptions,
  stored: readonly StoredRelease[],
  { archive, manifest }: { archive: string; manifest: string },
  near: readonly StoredRelease[],
): SunnyError {
  const known = stored.map((one) => one.version).join(", ") || "none";
  // Which of the two a delivery left out is what its reader wants to know.
  const alone = existsSync(archive)
    ? ` ${archive} lies there without its signed manifest ${path.basename(manifest)}.`
    : "";
  // Whether what lies there was that release, nobody can say any more; that it cannot be used is why there is none.
  const unusable = near.find((one) => one.problem !== undefined);
  const why =
    unusable === undefined
      ? ""
      : `; what lies there as ${unusable.version} cannot be used: ${unusable.problem?.message}`;
  return new SunnyError(
    "RELEASE_NOT_FOUND",
    `There is no release ${options.name} ${version} in ${options.directory}${why}`,
    {
      hint: `There are: ${known}.${alone} \`sunny release pack\` makes one.`,
      details: { version, ...(unusable === undefined ? {} : { unusable: unusable.version }) },
    },
  );
}

function taken(version: string, directory: string): SunnyError {
  return new SunnyError("RELEASE_VERSION_TAKEN", `Another release ${version} is in ${directory} already`, {
    hint: "A version stands for one content: give the new release a version of its own.",
    details: { version },
  });
}

function wrongName(release: VerifiedRelease, name: string): SunnyError {
  const { manifest } = release;
  return new SunnyError(
    "RELEASE_MANIFEST_INVALID",
    `${release.manifestFile} is signed for ${manifest.name} ${manifest.version}, which is not what it is stored as`,
    { hint: `The store is for releases of ${name}, each under its own version: do not rename them.` },
  );
}
