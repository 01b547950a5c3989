import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync } from "node:fs";
import { readSync, readdirSync, renameSync, rmSync, rmdirSync, writeSync } from "node:fs";
import type { Dirent } from "node:fs";
import path from "node:path";
import { makeDirectory } from "../directory.ts";

/**
 * Where the files of an audit log are. Paths are relative and use `/`. Calls are synchronous: publishing happens in
 * one go, so that nothing comes between a leaf and the checkpoint that covers it.
 */
export interface AuditFiles {
  /** For messages. */
  readonly name: string;
  read(file: string): Buffer | undefined;
  /** Replaces the file as a whole; on return it is on the disk. */
  write(file: string, bytes: Uint8Array): void;
  /** Adds a line; what an earlier call left unfinished at the end of the file is taken away first. */
  appendLine(file: string, line: string): void;
  remove(file: string): void;
  /** Every file below `folder` (default: all), sorted. */
  list(folder?: string): string[];
}

/** Files in a directory, which is made when it is missing. */
export function directoryFiles(directory: string): AuditFiles {
  const at = (file: string): string => path.join(directory, ...file.split("/"));
  return {
    name: directory,
    read(file) {
      try {
        return readFileSync(at(file));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    write(file, bytes) {
      const target = at(file);
      makeLasting(path.dirname(target));
      const temporary = `${target}.tmp`;
      withFile(temporary, "w", (handle) => writeAll(handle, bytes));
      renameSync(temporary, target);
      syncDirectory(path.dirname(target));
    },
    appendLine(file, line) {
      const target = at(file);
      const isNew = !existsSync(target);
      makeLasting(path.dirname(target));
      withFile(target, isNew ? "w" : "r+", (handle) => {
        const whole = endOfLines(handle);
        ftruncateSync(handle, whole);
        writeAll(handle, Buffer.from(`${line}\n`), whole);
      });
      if (isNew) syncDirectory(path.dirname(target));
    },
    remove(file) {
      rmSync(at(file), { force: true });
      if (path.dirname(file).endsWith(".p")) removeEmpty(path.dirname(at(file)));
    },
    list(folder = "") {
      return listFiles(path.join(directory, folder), folder).toSorted();
    },
  };
}

/** Files in memory, for simulated worlds and tests. */
export function memoryFiles(name: string, files = new Map<string, Buffer>()): AuditFiles {
  return {
    name,
    read: (file) => files.get(file),
    write: (file, bytes) => void files.set(file, Buffer.from(bytes)),
    appendLine(file, line) {
      files.set(file, Buffer.concat([files.get(file) ?? Buffer.alloc(0), Buffer.from(`${line}\n`)]));
    },
    remove: (file) => void files.delete(file),
    list: (folder = "") =>
      [...files.keys()].filter((file) => folder === "" || file.startsWith(`${folder}/`)).toSorted(),
  };
}

function withFile(file: string, flags: string, work: (handle: number) => void): void {
  const handle = openSync(file, flags, 0o600);
  try {
    work(handle);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function writeAll(handle: number, bytes: Uint8Array, position = 0): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(handle, bytes, done, bytes.length - done, position + done);
}

/** Where the last whole line ends; lines are shorter than 4 KiB. */
function endOfLines(handle: number): number {
  const { size } = fstatSync(handle);
  const tail = Buffer.alloc(Math.min(size, 4096));
  readSync(handle, tail, 0, tail.length, size - tail.length);
  return size - tail.length + tail.lastIndexOf(0x0a) + 1;
}

/** A new directory entry survives a power cut only when the directory above it was synced too. */
function makeLasting(relative: string): void {
  const directory = path.resolve(relative);
  const first = makeDirectory(directory);
  if (first === undefined) return;
  for (let above = path.dirname(directory); above.length >= path.dirname(first).length; above = path.dirname(above)) {
    syncDirectory(above);
    if (above === path.dirname(above)) break;
  }
}

function syncDirectory(directory: string): void {
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function listFiles(directory: string, prefix: string): string[] {
  const found: string[] = [];
  for (const entry of readEntries(directory)) {
    const file = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) found.push(...listFiles(path.join(directory, entry.name), file));
    else found.push(file);
  }
  return found;
}

function readEntries(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Not empty, or gone already: either is fine.
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}
