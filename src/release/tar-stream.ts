import type { Header } from "tar";
import type { ReleaseFile } from "./manifest.ts";

/** Size of a tar block, bytes. */
export const BLOCK = 512;
/** What ends a tar archive. */
export const END_BYTES = 2 * BLOCK;

/** What `tar` is asked for here. It takes 20 ms to load, so it is loaded where the plain form of a header does not do. */
export type TarLibrary = Pick<typeof import("tar"), "Header" | "Pax">;

/**
 * The header blocks of a file, with nothing in them that does not come from the manifest: no owner, no time. An
 * archive is then a function of its files, and can be compared with its manifest byte by byte.
 */
export async function headerBlocks(file: ReleaseFile): Promise<Buffer> {
  return plainHeader(file) ?? libraryHeader(await import("tar"), file);
}

/**
 * A header in the ustar format (POSIX.1-1988) without extensions, as `tar` writes it; null when a name or a size needs
 * them.
 */
function plainHeader({ path, mode, size, link = "" }: ReleaseFile): Buffer | null {
  if (!PLAIN_NAME.test(path) || (link !== "" && !PLAIN_NAME.test(link)) || size > PLAIN_SIZE) return null;
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 2, "0")} \0`.slice(-width), at);
  };
  block.write(path, 0);
  octal(mode, 100, 8);
  // Owner, group and time are nobody's.
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write(link === "" ? "0" : "2", 156);
  block.write(link, 157);
  block.write("ustar\u000000", 257);
  // Device numbers.
  octal(0, 329, 8);
  octal(0, 337, 8);
  // The sum of all bytes; its own field counts as spaces.
  octal(
    block.reduce((sum, byte) => sum + byte, 8 * 0x20),
    148,
    8,
  );
  return block;
}

/** Characters that mean the same in every encoding, and fit into the field of a name. */
const PLAIN_NAME = /^[\x20-\x7e]{1,100}$/;
/** Ten digits, a space and a NUL. */
const PLAIN_SIZE = 8 ** 10 - 1;

/** The same by the library, whatever the names and sizes are: the form that every header has. */
export function libraryHeader(tar: TarLibrary, file: ReleaseFile): Buffer {
  const data = {
    path: file.path,
    mode: file.mode,
    uid: 0,
    gid: 0,
    size: file.size,
    mtime: new Date(0),
    type: file.link === undefined ? "File" : "SymbolicLink",
    ...(file.link === undefined ? {} : { linkpath: file.link }),
  } as const;
  const block = Buffer.alloc(BLOCK);
  if (!new tar.Header(data).encode(block, 0)) return block;
  const extended = new tar.Pax({
    path: file.path,
    size: file.size,
    ...(file.link === undefined ? {} : { linkpath: file.link }),
  });
  return Buffer.concat([extended.encode(), block]);
}

/** Bytes of zeros after a file of `size` bytes. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** Reads a header for a message; `undefined` when the block is none. */
export async function readHeader(block: Buffer): Promise<Header | undefined> {
  const tar = await import("tar");
  try {
    const header = new tar.Header(block);
    return header.cksumValid ? header : undefined;
  } catch {
    return undefined;
  }
}
