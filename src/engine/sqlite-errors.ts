import { statfsSync } from "node:fs";
import path from "node:path";
import { SunnyError } from "../errors.ts";

/** Primary result codes of https://www.sqlite.org/rescode.html. */
const SQLITE = { perm: 3, busy: 5, locked: 6, readonly: 8, ioerr: 10, corrupt: 11, full: 13, cantopen: 14, notadb: 26 };

/** The error for people of whatever SQLite threw; anything else comes back as it is. */
export function journalError(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return error;
  const options = { cause: error, place: { file }, details: { sqlite: error.errcode } };
  const code = error.errcode & 0xff;
  // SQLite cannot make its shared memory on a full disk, and calls that an I/O error.
  switch (code === SQLITE.ioerr && isFull(file) ? SQLITE.full : code) {
    case SQLITE.full:
      return new SunnyError("DISK_FULL", "Cannot write the journal: no space is left for it; what it holds is intact", {
        ...options,
        hint: "Free some space on this file system, then run `sunny resume`.",
      });
    case SQLITE.corrupt:
    case SQLITE.notadb:
      return corrupt(file, error.message, error);
    case SQLITE.busy:
    case SQLITE.locked:
      return new SunnyError("JOURNAL_BUSY", "Cannot write the journal: another process keeps it locked", {
        ...options,
        hint: "Look with `fuser` or `lsof` for the process that keeps the file open and is stopped.",
      });
    case SQLITE.perm:
    case SQLITE.readonly:
    case SQLITE.cantopen:
    case SQLITE.ioerr:
      return unwritable(file, error.message, error);
    default:
      return error;
  }
}

function isFull(file: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path.dirname(file));
    return bavail * bsize < 64 * 1024;
  } catch {
    return false;
  }
}

/** The journal is damaged: nothing is written to it any more. */
export function corrupt(file: string, detail: string, cause?: unknown): SunnyError {
  return new SunnyError("JOURNAL_CORRUPT", `Cannot read the journal: it is damaged (${detail}); it was left as it is`, {
    cause,
    place: { file },
    hint: "Keep the file. Restore it from a copy, or take over the running environment with `sunny adopt`.",
  });
}

/** The journal cannot be written where it is. */
export function unwritable(file: string, detail: string, cause?: unknown): SunnyError {
  return new SunnyError("JOURNAL_UNWRITABLE", `Cannot open the journal for writing: ${detail}; nothing was changed`, {
    cause,
    place: { file },
    hint: "Give this user the right to write the file and its directory, or name another state directory.",
  });
}
