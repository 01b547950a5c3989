import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { SunnyError, messageOf } from "../errors.ts";
import { ByteReader } from "./byte-reader.ts";
import type { ReleaseFile, ReleaseManifest } from "./manifest.ts";
import { requireSafePath } from "./paths.ts";
import { refuse } from "./refusal.ts";
import { BLOCK, END_BYTES, headerBlocks, paddingOf, readHeader } from "./tar-stream.ts";

/** Unpacked at once: with the library's own 16 KiB the way to its threads and back costs more than the work there. */
const CHUNK_BYTES = 256 * 1024;

/** What is done with each file; its content must be read to its end. */
export type FileSink = (file: ReleaseFile, content: AsyncIterable<Buffer>) => Promise<void>;

/**
 * Walks through an archive beside its manifest. An archive is a function of the files in the manifest, so every header
 * is compared byte by byte with the one that Sunny writes for that file: whatever a tar program could read in two ways
 * cannot be there. Contents are hashed as they pass, and the archive itself as well. Nothing is kept in memory.
 * @throws RELEASE_ARCHIVE_ALTERED, RELEASE_ARCHIVE_MALFORMED, RELEASE_FILE_*, RELEASE_PATH_*, RELEASE_SPECIAL_FILE,
 *   RELEASE_LINK_ESCAPES
 */
export async function walkArchive(archive: string, manifest: ReleaseManifest, sink: FileSink): Promise<void> {
  const whole = createHash("sha256");
  const raw = createReadStream(archive);
  raw.on("data", (chunk) => whole.update(chunk));
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  raw.on("error", (error) => gunzip.destroy(error));
  const reader = new ByteReader(raw.pipe(gunzip));
  try {
    for (const file of manifest.files) {
      await readFileHeader(reader, file);
      await readContent(reader, file, sink);
    }
    await readEnd(reader);
  } catch (error) {
    if (error instanceof SunnyError || !isZlibError(error)) throw error;
    throw refuse("RELEASE_ARCHIVE_MALFORMED", `${archive} is not a whole gzip archive: ${messageOf(error)}`, {}, error);
  } finally {
    await reader.close();
    raw.destroy();
  }
  const found = whole.digest("hex");
  if (found !== manifest.archive.sha256) throw otherDigest(archive, { expected: manifest.archive.sha256, found });
}

async function readFileHeader(reader: ByteReader, file: ReleaseFile): Promise<void> {
  const expected = await headerBlocks(file);
  const actual = await reader.read(expected.length);
  if (actual.equals(expected)) return;
  const header = actual.length < BLOCK ? undefined : await readHeader(actual);
  if (header === undefined) {
    throw refuse("RELEASE_FILE_MISSING", `The archive ends, or is damaged, before ${file.path}`, { path: file.path });
  }
  judgeHeader(header);
  if (header.path !== file.path) throw unlisted(header.path ?? "");
  throw refuse("RELEASE_ARCHIVE_MALFORMED", `The archive's header of ${file.path} is not what the manifest says`, {
    path: file.path,
  });
}

/** Says what is wrong with a header that should not be there, the most dangerous first. */
function judgeHeader(header: { type: string; path?: string; linkpath?: string }): void {
  const file = header.path ?? "";
  if (["CharacterDevice", "BlockDevice", "FIFO", "Link", "ContiguousFile"].includes(header.type)) {
    throw refuse("RELEASE_SPECIAL_FILE", `The archive holds ${JSON.stringify(file)}, a ${header.type}`, { path: file });
  }
  requireSafePath(file.endsWith("/") ? file.slice(0, -1) : file);
  const link = header.type === "SymbolicLink" ? (header.linkpath ?? "") : "";
  if (link.startsWith("/") || link.split("/").includes("..")) {
    const where = `${JSON.stringify(file)} → ${JSON.stringify(link)}`;
    throw refuse("RELEASE_LINK_ESCAPES", `The archive holds a link that the manifest does not list: ${where}`, {
      path: file,
      link,
    });
  }
}

async function readContent(reader: ByteReader, file: ReleaseFile, sink: FileSink): Promise<void> {
  if (file.link !== undefined) return sink(file, (async function* () {})());
  const hash = createHash("sha256");
  let size = 0;
  await sink(
    file,
    (async function* () {
      for await (const chunk of reader.take(file.size)) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    })(),
  );
  if (size !== file.size) {
    throw refuse("RELEASE_FILE_MISSING", `The archive ends in the middle of ${file.path}`, { path: file.path });
  }
  if (hash.digest("hex") !== file.sha256) {
    throw refuse("RELEASE_FILE_ALTERED", `${file.path} in the archive differs from the manifest`, { path: file.path });
  }
  const padding = await reader.read(paddingOf(size));
  if (padding.some((byte) => byte !== 0)) {
    throw refuse("RELEASE_ARCHIVE_MALFORMED", `There are bytes behind ${file.path} that belong to no file`);
  }
}

async function readEnd(reader: ByteReader): Promise<void> {
  const end = await reader.read(END_BYTES);
  if (end.length !== END_BYTES || end.some((byte) => byte !== 0)) {
    const header = end.length < BLOCK ? undefined : await readHeader(end);
    if (header === undefined) throw refuse("RELEASE_ARCHIVE_MALFORMED", "The archive does not end as an archive does");
    judgeHeader(header);
    throw unlisted(header.path ?? "");
  }
  if ((await reader.read(1)).length > 0) {
    throw refuse(
      "RELEASE_TOO_LARGE",
      "The archive goes on after its end: more than its manifest says would be unpacked",
    );
  }
}

function unlisted(file: string): SunnyError {
  return refuse(
    "RELEASE_FILE_UNLISTED",
    `The archive holds ${JSON.stringify(file)}, which the manifest does not list`,
    {
      path: file,
    },
  );
}

/** What of an archive was compared with the signed manifest. */
export interface Compared<T> {
  readonly expected: T;
  readonly found: T;
}

/** The refusal of an archive that has another size than the signed one; its digest was not looked at. */
export function otherSize(archive: string, { expected, found }: Compared<number>): SunnyError {
  return altered(`${archive} is not the archive that was signed: it has ${found} bytes instead of ${expected}`, {
    expectedBytes: expected,
    foundBytes: found,
  });
}

/** The refusal of an archive whose digest is not the signed one; SHA-256, hex. */
export function otherDigest(archive: string, { expected, found }: Compared<string>): SunnyError {
  return altered(`${archive} is not the archive that was signed: its SHA-256 is ${found} instead of ${expected}`, {
    expectedSha256: expected,
    foundSha256: found,
  });
}

function altered(message: string, details: Readonly<Record<string, unknown>>): SunnyError {
  return refuse("RELEASE_ARCHIVE_ALTERED", message, details);
}

function isZlibError(error: unknown): boolean {
  return /^(?:Z_|ERR_ZLIB|ERR_TRAILING)/.test(String((error as NodeJS.ErrnoException).code));
}
