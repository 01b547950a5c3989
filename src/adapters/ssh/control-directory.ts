import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { liveness, ownIdentity, type ProcessIdentity } from "../../engine/process-identity.ts";

const PREFIX = "sunny-ssh-";
/** Whose directory it is; never mistaken for a socket, whose names begin with a digest. */
const OWNER = "owner.json";
const MODE = 0o700;

/** The usual place for temporary files, or `/tmp` where that is too deep for a socket's path. */
const place = (): string => (tmpdir().length > 40 ? "/tmp" : tmpdir());

/**
 * Makes a directory for control sockets that only this user can enter. What processes left that were killed, before they
 * could remove theirs, is removed: their connections ended with them.
 */
export function makeControlDirectory(base: string = place()): string {
  removeAbandoned(base);
  const made = mkdtempSync(path.join(base, PREFIX));
  chmodSync(made, MODE);
  giveTo(made, ownIdentity());
  return made;
}

/** Directories for control sockets that this user made and nobody else can enter. */
export function controlDirectories(base: string = place()): string[] {
  const all = readdirSync(base).filter((name) => name.startsWith(PREFIX));
  return all.map((name) => path.join(base, name)).filter(isOwn);
}

/** Makes a process the owner of a directory, which stays as long as that lives. */
export function giveTo(directory: string, owner: ProcessIdentity): void {
  replaceFile(path.join(directory, OWNER), JSON.stringify(owner));
}

/** Writes a file so that it is seen as a whole or not at all. */
export function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Removes this user's directories whose owner is certain to be dead; one that cannot be removed is in nobody's way. */
function removeAbandoned(base: string): void {
  for (const directory of controlDirectories(base)) {
    try {
      if (liveness(ownerOf(directory)) === "dead") rmSync(directory, { recursive: true });
    } catch {
      // Without an owner that can be read it is one that is being made now.
    }
  }
}

function isOwn(directory: string): boolean {
  try {
    const found = lstatSync(directory);
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o777) === MODE;
  } catch {
    return false;
  }
}

/** @throws when there is none that can be read */
export function ownerOf(directory: string): ProcessIdentity {
  const { pid, startTime, boot } = JSON.parse(readFileSync(path.join(directory, OWNER), "utf8")) as ProcessIdentity;
  return { pid, startTime, boot };
}
