import { createHash, type Hash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { messageOf } from "../../errors.ts";
import type { Cipher } from "../../operations/database/ports.ts";

/** Level 3 takes half the time of the default for a few percent of size. */
const GZIP_LEVEL = 3;

/** A file as it is on the disk; the digest is SHA-256, hex. */
export interface Stored {
  readonly bytes: number;
  readonly sha256: string;
}

/** Compresses and, with recipients, encrypts `from` into `to`; on the disk for good when it returns. Streams throughout. */
export async function writeArchive(
  from: string,
  to: string,
  cipher: Cipher,
  encrypted: boolean,
  signal: AbortSignal,
): Promise<Stored> {
  const meter = new Meter();
  const compressed = createReadStream(from, { signal }).compose(
    createGzip({ level: GZIP_LEVEL }),
  ) as AsyncIterable<Uint8Array>;
  const source = encrypted ? await cipher.encrypt(compressed) : compressed;
  await pipeline(meter.through(source), createWriteStream(to, { mode: 0o600, flush: true }), { signal });
  return meter.result();
}

/** Undoes `writeArchive`, reading the whole file. Throws when it is cut off or altered, or the key does not fit. */
export async function readArchive(
  from: string,
  to: string,
  cipher: Cipher,
  encrypted: boolean,
  signal: AbortSignal,
): Promise<void> {
  const stored = createReadStream(from, { signal }) as AsyncIterable<Uint8Array>;
  const compressed = encrypted ? await cipher.decrypt(stored) : stored;
  await pipeline(compressed, createGunzip(), createWriteStream(to, { mode: 0o600 }), { signal });
}

/** Size and digest of a file as it is on the disk; null when it is missing. */
export async function measure(file: string, signal: AbortSignal): Promise<Stored | null> {
  const meter = new Meter();
  try {
    for await (const chunk of meter.through(createReadStream(file, { signal }))) void chunk;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return meter.result();
}

/** Makes a rename in `directory` survive a loss of power. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What a stream of an archive throws, as a sentence for people. */
export function archiveProblem(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "Z_BUF_ERROR") return "it ends too early";
  return messageOf(error);
}

class Meter {
  readonly #hash: Hash = createHash("sha256");
  #bytes = 0;

  async *through(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of source) {
      this.#hash.update(chunk);
      this.#bytes += chunk.byteLength;
      yield chunk;
    }
  }

  result(): Stored {
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }
}
