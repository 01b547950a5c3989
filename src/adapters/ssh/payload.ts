import { open } from "node:fs/promises";
import type { Writable } from "node:stream";

/** A part of a file. */
export interface Payload {
  readonly path: string;
  /** First byte that is sent. */
  readonly start: number;
  /** How many are sent. */
  readonly bytes: number;
}

/** Bytes that are read at once: what a socket holds, and not much more. */
const BLOCK = 256 * 1024;

/**
 * Writes a part of a file to a stream, which is left open. All of it goes through one block of memory: a release goes to
 * hundreds of hosts, and blocks that are thrown away would be most of what is collected then. Ends early, without an error,
 * once `signal` is aborted.
 *
 * @throws when the file cannot be read or is shorter, and when the stream is closed meanwhile
 */
export async function sendPayload(payload: Payload, to: Writable, signal: AbortSignal): Promise<void> {
  const file = await open(payload.path);
  try {
    const block = Buffer.allocUnsafeSlow(Math.min(BLOCK, payload.bytes));
    const end = payload.start + payload.bytes;
    for (let at = payload.start; at < end && !signal.aborted;) {
      const { bytesRead } = await file.read(block, 0, Math.min(block.length, end - at), at);
      if (bytesRead === 0) throw new Error(`${payload.path} has ${at} bytes of ${end}`);
      await written(to, block.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** Resolves when the stream does not need the bytes any more. */
function written(to: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => {
      if (error == null) resolve();
      else reject(error);
    });
  });
}
