import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";

import { journalError, unwritable } from "./sqlite-errors.ts";
import { messageOf } from "../errors.ts";

/** Enough for the rows of a rollback with some hundred steps. */
const RESERVE_BYTES = 4 * 1024 * 1024;

/**
 * Keeps room on the journal's disk: a file of real bytes beside it. When the disk is full, `releaseReserve` gives this
 * room back so that the same run can be rolled back or held; nothing else may use it.
 *
 * @throws SunnyError with code DISK_FULL or JOURNAL_UNWRITABLE; then nothing was begun.
 */
export function keepReserve(journal: string, bytes = RESERVE_BYTES): void {
  const path = reservePath(journal);
  if (existsSync(path) && statSync(path).size >= bytes) return;
  try {
    const file = openSync(path, "w", 0o600);
    try {
      // Zeroes might be stored as a hole, which reserves nothing.
      const block = Buffer.alloc(64 * 1024, 0x5a);
      for (let left = bytes; left > 0; left -= block.length) writeSync(file, block, 0, Math.min(left, block.length));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    rmSync(path, { force: true });
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") {
      throw journalError(Object.assign(new Error("disk full", { cause: error }), { errcode: 13 }), path);
    }
    throw unwritable(path, messageOf(error), error);
  }
}

/** Gives the reserved room back; false when there was none. */
export function releaseReserve(journal: string): boolean {
  const path = reservePath(journal);
  if (!existsSync(path)) return false;
  rmSync(path);
  return true;
}

function reservePath(journal: string): string {
  return `${journal}.reserve`;
}
