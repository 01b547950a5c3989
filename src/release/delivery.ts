import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import path from "node:path";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { isSunnyError } from "../errors.ts";
import { walkArchive } from "./archive.ts";
import { releaseDelta, treeDigest } from "./delta.ts";
import type { ReleaseDelta } from "./delta.ts";
import { releaseRef } from "./manifest.ts";
import type { ReleaseFile, ReleaseManifest } from "./manifest.ts";
import { END_BYTES, headerBlocks, paddingOf } from "./tar-stream.ts";
import type { ReleaseStore } from "./store.ts";
import { checkDigest } from "./verify.ts";
import type { VerifiedRelease } from "./verify.ts";

/** What is sent to a host so that it has a release: a compressed tar in a file. */
export interface Delivery {
  readonly path: string;
  readonly bytes: number;
  /** SHA-256 of the file, hex: checked on the host before anything is unpacked. */
  readonly sha256: string;
  readonly encoding: "gzip" | "zstd";
  /** Bytes that the release takes on the host, unpacked. */
  readonly unpackedBytes: number;
  /** The release on the host that this completes; null when everything is in the file. */
  readonly base: DeliveryBase | null;
  /** The same for a script that writes it itself; null when it is too much for that, and when there is no base. */
  readonly files: readonly DeliveredFile[] | null;
}

/** A file with its content, or a symbolic link. */
export interface DeliveredFile {
  readonly file: ReleaseFile;
  readonly content: Buffer;
}

/** The release that a delivery completes, and the `treeDigest` of what comes out. */
export interface DeliveryBase extends ReleaseDelta {
  readonly id: string;
  readonly treeSha256: string;
}

/** What is known of a host before something is sent there. */
export interface DeliveryTarget {
  /** Ids of the releases that it has completely. */
  readonly releases: readonly string[];
  readonly zstd: boolean;
}

/** Prepares what hosts lack of a release; hosts that lack the same get the same file, which is made once. */
export interface Deliveries {
  /** @throws what the store throws for the release itself */
  prepare(releaseId: string, target: DeliveryTarget): Promise<Delivery>;
  /** All of the release, whatever the host has: for when a base turned out to be altered. */
  prepareWhole(releaseId: string, target: DeliveryTarget): Promise<Delivery>;
  /** Removes the files. */
  close(): Promise<void>;
}

export interface DeliveriesOptions {
  /** Releases, by signature and manifest; of an archive nothing is sent that was not verified. */
  readonly store: Pick<ReleaseStore, "find" | "open">;
  /** Under it the files are made, in a directory of their own. */
  readonly directory: string;
}

/** From this part of the whole on, sending what differs is not worth the host's work. */
const WORTH_IT = 0.7;
/** What a script may write itself: unpacking would cost a host more than so much more text costs the way there. */
const [SMALL_BYTES, SMALL_FILES] = [4_096, 16];
/** Close to gzip's best, several times faster to make and to unpack. */
const ZSTD_LEVEL = 9;

/** Deliveries out of a store of verified releases. Nothing is made before it is asked for. */
export function releaseDeliveries(options: DeliveriesOptions): Deliveries {
  const files = new Map<string, Promise<Delivery>>();
  const manifests = new Map<string, Promise<VerifiedRelease | null>>();
  let directory: Promise<string> | undefined;

  const place = (): Promise<string> => {
    directory ??= mkdir(options.directory, { recursive: true }).then(() =>
      mkdtemp(path.join(options.directory, "delivery-")),
    );
    return directory;
  };
  const oncePer = (key: string, make: () => Promise<Delivery>): Promise<Delivery> => {
    const known = files.get(key);
    if (known !== undefined) return known;
    const made = make().catch((error: unknown) => {
      files.delete(key);
      throw error;
    });
    files.set(key, made);
    return made;
  };
  const release = (id: string): Promise<VerifiedRelease> => {
    const known = manifests.get(id);
    if (known !== undefined) return known.then((found) => found ?? options.store.open(id));
    const found = options.store.open(id);
    manifests.set(
      id,
      found.catch(() => null),
    );
    return found;
  };
  /** null: the store has it no more, or does not trust it any more, so nothing is built on it. */
  const base = async (id: string): Promise<ReleaseManifest | null> => {
    try {
      const { manifest } = await release(id);
      return releaseRef(manifest).id === id ? manifest : null;
    } catch (error) {
      if (isSunnyError(error)) return null;
      throw error;
    }
  };
  const whole = async (id: string, target: DeliveryTarget): Promise<Delivery> => {
    if (target.zstd) return oncePer(`${id} zstd`, async () => recompress(await release(id), await place()));
    return oncePer(`${id} gzip`, async () => asPacked(await options.store.find(id)));
  };
  return {
    prepareWhole: whole,
    async prepare(id, target) {
      const found = await release(id);
      const bases = await Promise.all(target.releases.map(base));
      const deltas = bases
        .filter((one) => one !== null)
        .map((from) => ({ id: releaseRef(from).id, delta: releaseDelta(from, found.manifest) }));
      const best = deltas.toSorted((a, b) => a.delta.bytes - b.delta.bytes)[0];
      if (best === undefined || best.delta.bytes > WORTH_IT * sizeOf(found.manifest)) return whole(id, target);
      const encoding = target.zstd ? "zstd" : "gzip";
      return oncePer(`${id} ${best.id} ${encoding}`, async () => packDelta(found, best, encoding, await place()));
    },
    async close() {
      if (directory !== undefined) await rm(await directory, { recursive: true, force: true });
    },
  };
}

function sizeOf(manifest: ReleaseManifest): number {
  return manifest.files.reduce((sum, file) => sum + file.size, 0);
}

/** The archive as it is in the store. */
function asPacked(release: VerifiedRelease): Delivery {
  const { archive } = release.manifest;
  return {
    path: release.archive,
    bytes: archive.size,
    sha256: archive.sha256,
    encoding: "gzip",
    unpackedBytes: sizeOf(release.manifest),
    base: null,
    files: null,
  };
}

async function recompress(release: VerifiedRelease, directory: string): Promise<Delivery> {
  const { id } = releaseRef(release.manifest);
  const all = new Set(release.manifest.files.map((file) => file.path));
  const written = await writeArchive(release, all, "zstd", path.join(directory, `${id}.tar.zst`));
  return { ...written, encoding: "zstd", unpackedBytes: sizeOf(release.manifest), base: null, files: null };
}

async function packDelta(
  release: VerifiedRelease,
  base: { readonly id: string; readonly delta: ReleaseDelta },
  encoding: Delivery["encoding"],
  directory: string,
): Promise<Delivery> {
  const { id } = releaseRef(release.manifest);
  const wanted = new Set(base.delta.send.map((file) => file.path));
  const target = path.join(directory, `${id}-from-${base.id}.tar.${encoding === "zstd" ? "zst" : "gz"}`);
  const files: DeliveredFile[] | null =
    base.delta.bytes <= SMALL_BYTES && base.delta.send.length <= SMALL_FILES ? [] : null;
  const written = await writeArchive(release, wanted, encoding, target, files);
  return {
    ...written,
    encoding,
    unpackedBytes: base.delta.bytes,
    base: { ...base.delta, id: base.id, treeSha256: treeDigest(release.manifest) },
    files,
  };
}

/** Writes a tar of some files of a release, and adds them to `kept`; all of the archive is verified on the way. */
async function writeArchive(
  release: VerifiedRelease,
  wanted: ReadonlySet<string>,
  encoding: Delivery["encoding"],
  target: string,
  kept: DeliveredFile[] | null = null,
): Promise<Pick<Delivery, "path" | "bytes" | "sha256">> {
  const compress =
    encoding === "gzip"
      ? createGzip({ level: 9 })
      : createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
  await checkDigest(release);
  const written = writeDigested(compress, target);
  const write = async (bytes: Buffer): Promise<void> => {
    if (!compress.write(bytes)) await Promise.race([once(compress, "drain"), written]);
  };
  try {
    await walkArchive(release.archive, release.manifest, async (file, content) => {
      const take = wanted.has(file.path);
      if (take) await write(await headerBlocks(file));
      const chunks: Buffer[] = [];
      for await (const chunk of content) {
        if (!take) continue;
        await write(chunk);
        if (kept !== null) chunks.push(chunk);
      }
      if (!take) return;
      await write(Buffer.alloc(paddingOf(file.size)));
      kept?.push({ file, content: Buffer.concat(chunks) });
    });
    compress.end(Buffer.alloc(END_BYTES));
  } catch (error) {
    compress.destroy(error as Error);
    await written.catch(() => {});
    throw error;
  }
  return { path: target, ...(await written) };
}

async function writeDigested(
  source: AsyncIterable<Buffer>,
  target: string,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash("sha256");
  const handle = await open(target, "w", 0o600);
  let bytes = 0;
  try {
    for await (const chunk of source) {
      hash.update(chunk);
      await handle.writeFile(chunk);
      bytes += chunk.length;
    }
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest("hex") };
}
