import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { NoteVerifier } from "../audit/note.ts";
import { SunnyError, messageOf } from "../errors.ts";
import { otherDigest, otherSize, walkArchive } from "./archive.ts";
import { openManifest } from "./manifest.ts";
import type { OpenedManifest } from "./manifest.ts";
import { refuse } from "./refusal.ts";

/** Bounds against archives that are small but unpack to something large. */
export interface ReleaseLimits {
  /** Sum of the sizes of all files, bytes; default 4 GiB. */
  readonly maxBytes?: number;
  /** Default 200,000. */
  readonly maxFiles?: number;
}

export interface VerifyOptions {
  /** Path of the archive. */
  readonly archive: string;
  /** Path of the signed manifest. */
  readonly manifest: string;
  /** Keys that are trusted; one good signature is enough. */
  readonly verifiers: readonly NoteVerifier[];
  readonly limits?: ReleaseLimits;
}

/** A release that was verified, and where it is. */
export interface VerifiedRelease extends OpenedManifest {
  readonly archive: string;
  readonly manifestFile: string;
}

const MAX_BYTES = 4 * 1024 ** 3;
const MAX_FILES = 200_000;

/**
 * Verifies a release: signature, manifest, the archive's digest, and then every byte in the archive. Bytes that are
 * not the signed ones never reach a decompressor. Streams: memory does not grow with the release.
 * @throws RELEASE_UNSIGNED, RELEASE_MANIFEST_INVALID, RELEASE_ARCHIVE_*, RELEASE_FILE_*, RELEASE_PATH_*,
 *   RELEASE_LINK_ESCAPES, RELEASE_SPECIAL_FILE, RELEASE_TOO_LARGE, FILE_UNREADABLE
 */
export async function verifyRelease(options: VerifyOptions): Promise<VerifiedRelease> {
  const release = await openRelease(options);
  await checkDigest(release);
  await walkArchive(release.archive, release.manifest, async (_file, content) => {
    for await (const _ of content);
  });
  return release;
}

/** Verifies that the archive is the one that was signed, before anything unpacks it. @throws RELEASE_ARCHIVE_ALTERED */
export async function checkDigest({ archive, manifest }: VerifiedRelease): Promise<void> {
  const { sha256: expected } = manifest.archive;
  const found = await digestOfFile(archive);
  if (found !== expected) throw otherDigest(archive, { expected, found });
}

/**
 * Verifies signature and manifest, and that the archive has the right size; its bytes are left for whoever reads them
 * (`extractRelease` and `readReleaseFiles` verify what they read). @throws as `verifyRelease`
 */
export async function openRelease(options: VerifyOptions): Promise<VerifiedRelease> {
  const note = await readable(options.manifest, () => readFile(options.manifest, "utf8"));
  const opened = openManifest(note, options.verifiers);
  checkLimits(opened, options.limits ?? {});
  const { size } = await readable(options.archive, () => stat(options.archive));
  const { size: expected } = opened.manifest.archive;
  if (size !== expected) throw otherSize(options.archive, { expected, found: size });
  return { ...opened, archive: options.archive, manifestFile: options.manifest };
}

function checkLimits({ manifest }: OpenedManifest, limits: ReleaseLimits): void {
  const { maxBytes = MAX_BYTES, maxFiles = MAX_FILES } = limits;
  const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
  if (bytes > maxBytes) {
    throw refuse("RELEASE_TOO_LARGE", `The release unpacks to ${bytes} bytes, the limit is ${maxBytes}`);
  }
  if (manifest.files.length > maxFiles) {
    throw refuse("RELEASE_TOO_LARGE", `The release has ${manifest.files.length} files, the limit is ${maxFiles}`);
  }
}

async function digestOfFile(file: string): Promise<string> {
  const hash = createHash("sha256");
  await readable(file, async () => {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  });
  return hash.digest("hex");
}

async function readable<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new SunnyError("FILE_UNREADABLE", `Cannot read ${file}: ${messageOf(error)}`, {
      place: { file },
      cause: error,
      hint: "A release is two files side by side: <name>-<version>.tar.gz and <name>-<version>.release.",
    });
  }
}
