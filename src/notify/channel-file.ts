import { type FileHandle, mkdir, open } from "node:fs/promises";
import { constants } from "node:fs";
import path from "node:path";
import { rfc3339 } from "../clock.ts";
import type { Channel, Notice, Severity } from "./notice.ts";

/**
 * Appends each notice as one line of JSON to `file`, which is made with mode 0600 (its folder with 0700) and is never
 * followed through a symbolic link. A notice is on the disk when `send` returns. `from` is the lowest severity, default
 * `info`.
 */
export function fileChannel(file: string, from: Severity = "info"): Channel {
  return {
    name: `file ${file}`,
    from,
    async send(notice, signal) {
      signal.throwIfAborted();
      await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
      const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
      const handle = await open(file, O_APPEND | O_CREAT | O_NOFOLLOW | O_RDWR, 0o600);
      try {
        await handle.chmod(0o600);
        // After a full disk the file may end in the middle of a line: the next notice gets a line of its own.
        const prefix = (await endsMidLine(handle)) ? "\n" : "";
        await handle.appendFile(`${prefix}${noticeLine(notice)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}

/** One notice as one line of JSON without a line feed; `at` in RFC 3339. */
export function noticeLine(notice: Notice): string {
  return JSON.stringify({ ...notice, at: rfc3339(notice.at) });
}

async function endsMidLine(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}
