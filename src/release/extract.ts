import { mkdir, open, rename, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { SunnyError } from "../errors.ts";
import { walkArchive } from "./archive.ts";
import type { ReleaseFile } from "./manifest.ts";
import { refuse } from "./refusal.ts";
import type { VerifiedRelease } from "./verify.ts";

/**
 * Unpacks a verified release into `destination`, which must not exist yet. Every byte is verified again on its way;
 * the directory gets its name when everything is in it and on the disk, so a half of a release is never seen.
 * @throws RELEASE_DESTINATION_EXISTS, and what `walkArchive` throws
 */
export async function extractRelease(release: VerifiedRelease, destination: string): Promise<void> {
  const partial = `${destination}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o755 });
  try {
    await walkArchive(release.archive, release.manifest, (file, content) => extractFile(partial, file, content));
    // A rename onto an empty directory would succeed: making it first tells whether the name was free.
    await mkdir(destination, { mode: 0o755 }).catch((error: unknown) => {
      throw new SunnyError("RELEASE_DESTINATION_EXISTS", `Cannot unpack the release: ${destination} exists already`, {
        hint: "Releases are never unpacked over one another; remove the directory or choose another.",
        cause: error,
      });
    });
    await rename(partial, destination);
    await syncDirectory(path.dirname(destination));
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function extractFile(root: string, file: ReleaseFile, content: AsyncIterable<Buffer>): Promise<void> {
  const target = path.join(root, file.path);
  await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
  if (file.link !== undefined) return symlink(file.link, target);
  const handle = await open(target, "wx", file.mode);
  try {
    for await (const chunk of content) await handle.writeFile(chunk);
    await handle.chmod(file.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Reads some files of a release into memory, by path; the whole archive is verified on the way.
 * @throws RELEASE_TOO_LARGE when together they are larger than `maxBytes` (default 64 MiB), and what `walkArchive` throws
 */
export async function readReleaseFiles(
  release: VerifiedRelease,
  wanted: (file: ReleaseFile) => boolean,
  maxBytes: number = 64 * 1024 * 1024,
): Promise<Map<string, Buffer>> {
  const chosen = release.manifest.files.filter(wanted);
  const bytes = chosen.reduce((sum, file) => sum + file.size, 0);
  if (bytes > maxBytes) {
    throw refuse(
      "RELEASE_TOO_LARGE",
      `${chosen.length} files of the release are ${bytes} bytes, the limit is ${maxBytes}`,
    );
  }
  const paths = new Set(chosen.map((file) => file.path));
  const found = new Map<string, Buffer>();
  await walkArchive(release.archive, release.manifest, async (file, content) => {
    const parts: Buffer[] = [];
    for await (const chunk of content) if (paths.has(file.path)) parts.push(chunk);
    if (paths.has(file.path)) found.set(file.path, Buffer.concat(parts));
  });
  return found;
}
