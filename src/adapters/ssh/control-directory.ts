import { chmodSync, lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { liveness, ownIdentity, type ProcessIdentity } from "../../engine/process-identity.ts";

const PREFIX = "sunny-ssh-";
/** Whose directory it is; never mistaken for a socket, whose names begin with a digest. */
const OWNER = "owner.json";

/** The usual place for temporary files, or `/tmp` where that is too deep for a socket's path. */
const place = (): string => (tmpdir().length > 40 ? "/tmp" : tmpdir());

/**
 * Makes a directory for control sockets that only this user can enter. What processes left that were killed, before they
 * could remove theirs, is removed: their connections ended with them.
 */
export function makeControlDirectory(base: string = place()): string {
  removeAbandoned(base);
  const made = mkdtempSync(path.join(base, PREFIX));
  chmodSync(made, 0o700);
  writeFileSync(path.join(made, OWNER), JSON.stringify(ownIdentity()));
  return made;
}

/** Removes this user's directories whose owner is certain to be dead; one that cannot be removed is in nobody's way. */
function removeAbandoned(base: string): void {
  for (const name of readdirSync(base)) {
    if (!name.startsWith(PREFIX)) continue;
    const directory = path.join(base, name);
    try {
      const { uid } = lstatSync(directory);
      if (uid !== process.getuid?.()) continue;
      if (liveness(ownerOf(directory)) === "dead") rmSync(directory, { recursive: true });
    } catch {
      // Without an owner that can be read it is another's, or one that is being made now.
    }
  }
}

function ownerOf(directory: string): ProcessIdentity {
  const { pid, startTime, boot } = JSON.parse(readFileSync(path.join(directory, OWNER), "utf8")) as ProcessIdentity;
  return { pid, startTime, boot };
}
