import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { NoteSigner } from "../audit/note.ts";
import { digestOf, sha256 } from "../json.ts";
import { checkFiles, contentDigest, signManifest } from "./manifest.ts";
import type { ReleaseFile, ReleaseManifest } from "./manifest.ts";
import { findMigrations } from "./migrations.ts";
import { listSource, readSettings, sourceInvalid } from "./source.ts";
import type { SourceFile } from "./source.ts";
import { END_BYTES, headerBlocks, paddingOf } from "./tar-stream.ts";
import { requireReleaseName, requireVersion } from "./version.ts";

export interface PackOptions {
  /** Directory whose files are the release. */
  readonly directory: string;
  /** Default: what `release.json` says. */
  readonly name?: string;
  /** Default: what `release.json` says. */
  readonly version?: string;
  /** Directory for the two files; made when missing, must not be inside `directory`. */
  readonly out: string;
  readonly signers: readonly NoteSigner[];
  /** Where the files come from; wins over `release.json`. */
  readonly builtFrom?: { readonly commit?: string; readonly ci?: string };
}

export interface PackedRelease {
  readonly manifest: ReleaseManifest;
  /** Path of `<name>-<version>.tar.gz`. */
  readonly archive: string;
  /** Path of `<name>-<version>.release`, the signed manifest. */
  readonly manifestFile: string;
}

/**
 * Packs a directory as a signed release. The same files give the same archive, byte for byte, with the same zlib;
 * `content` in the manifest does not depend on the compression at all. The signature comes last, so a pack that was
 * interrupted leaves nothing that verifies.
 * @throws RELEASE_SOURCE_INVALID, RELEASE_VERSION_INVALID, RELEASE_SPECIAL_FILE, RELEASE_PATH_*, RELEASE_LINK_ESCAPES
 */
export async function packRelease(options: PackOptions): Promise<PackedRelease> {
  const { directory, out } = options;
  const settings = await readSettings(directory);
  const name = agreed("name", options.name, settings.name);
  const version = agreed("version", options.version, settings.version);
  requireReleaseName(name);
  requireVersion(version);
  const within = path.relative(path.resolve(directory), path.resolve(out));
  if (within === "" || !within.startsWith("..")) throw sourceInvalid(`${out} is inside ${directory}`);
  const sources = await listSource(directory);
  await mkdir(out, { recursive: true });
  const archive = path.join(out, `${name}-${version}.tar.gz`);
  const manifestFile = path.join(out, `${name}-${version}.release`);
  const temporary = `${archive}.partial`;
  try {
    const written = await writeArchive(directory, sources, temporary);
    const { files } = written;
    const migrations = findMigrations(files, settings.migrations);
    const builtFrom = options.builtFrom ?? settings.builtFrom;
    const manifest: ReleaseManifest = {
      format: "sunny-release/1",
      name,
      version,
      archive: { file: path.basename(archive), sha256: written.sha256, size: written.size },
      content: contentDigest(files),
      files,
      start: settings.start ?? null,
      migrations,
      schema: settings.schema ?? migrations.at(-1)?.id ?? null,
      infrastructure: infrastructureOf(files, settings.infrastructure),
      ...(builtFrom === undefined ? {} : { builtFrom }),
    };
    checkFiles(manifest);
    await rm(manifestFile, { force: true });
    await rename(temporary, archive);
    await writeWhole(manifestFile, signManifest(manifest, options.signers));
    return { manifest, archive, manifestFile };
  } finally {
    await rm(temporary, { force: true });
  }
}

function agreed(what: "name" | "version", asked: string | undefined, said: string | undefined): string {
  const value = asked ?? said;
  if (value === undefined) throw sourceInvalid(`neither the command nor release.json says its ${what}`);
  if (said !== undefined && said !== value) {
    throw sourceInvalid(`release.json says that its ${what} is ${said}, not ${value}`);
  }
  return value;
}

/** The part of a release that Terraform works on, and one digest for it. */
export function infrastructureOf(files: readonly ReleaseFile[], folder: string): ReleaseManifest["infrastructure"] {
  const own = files.filter((file) => file.path.startsWith(`${folder}/`));
  if (own.length === 0) return null;
  return { path: folder, digest: digestOf(own.map(({ path, mode, sha256 }) => ({ path, mode, sha256 }))) };
}

async function writeArchive(
  directory: string,
  sources: readonly SourceFile[],
  target: string,
): Promise<{ files: ReleaseFile[]; sha256: string; size: number }> {
  const files: ReleaseFile[] = [];
  const gzip = createGzip({ level: 9 });
  const input = Readable.from(tarBytes(directory, sources, files));
  input.on("error", (error) => gzip.destroy(error));
  const hash = createHash("sha256");
  const handle = await open(target, "w", 0o644);
  let size = 0;
  try {
    for await (const chunk of input.pipe(gzip) as AsyncIterable<Buffer>) {
      // Byte 9 of a gzip header names the operating system (RFC 1952 2.3.1): "unknown" on every one of them.
      if (size <= 9 && size + chunk.length > 9) chunk[9 - size] = 255;
      hash.update(chunk);
      await handle.writeFile(chunk);
      size += chunk.length;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { files, sha256: hash.digest("hex"), size };
}

/** The archive before compression. Fills `files`, since a file is hashed while it is read, never at another time. */
async function* tarBytes(
  directory: string,
  sources: readonly SourceFile[],
  files: ReleaseFile[],
): AsyncGenerator<Buffer> {
  for (const source of sources) {
    if (source.link !== undefined) {
      const file = { ...source, link: source.link, size: 0, sha256: sha256(source.link) };
      files.push(file);
      yield await headerBlocks(file);
      continue;
    }
    const full = path.join(directory, source.path);
    const { size } = await stat(full);
    const hash = createHash("sha256");
    yield await headerBlocks({ ...source, size, sha256: "" });
    let read = 0;
    for await (const chunk of createReadStream(full) as AsyncIterable<Buffer>) {
      read += chunk.length;
      if (read > size) break;
      hash.update(chunk);
      yield chunk;
    }
    if (read !== size) throw sourceInvalid(`${source.path} changed while it was packed`);
    yield Buffer.alloc(paddingOf(size));
    files.push({ path: source.path, mode: source.mode, size, sha256: hash.digest("hex") });
  }
  yield Buffer.alloc(END_BYTES);
}

async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.partial`;
  const handle = await open(temporary, "w", 0o644);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}
