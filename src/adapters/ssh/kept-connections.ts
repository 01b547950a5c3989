/*
 * Connections that outlive a command for a while, as OpenSSH's ControlPersist has it. A process that only sleeps holds
 * this end of their pipes: when it ends, so does their input, and with it each connection. The next command takes the
 * directory with all of them over, so that again one process decides about a connection. ADR 21 has the reasons.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { z } from "zod";
import { identityOf, isAlive, ownIdentity } from "../../engine/process-identity.ts";
import { controlDirectories, giveTo, ownerOf, replaceFile } from "./control-directory.ts";

const keptConnection = z.strictObject({
  host: z.string(),
  /** What it was made with; `connectionKey`. */
  key: z.string(),
  /** Of its pipes. */
  name: z.string().regex(/^[0-9a-f]+$/),
  /** Of its control socket, in the same directory. */
  socket: z.string().regex(/^[0-9a-f-]+$/),
  ssh: z.strictObject({ pid: z.int().min(2), startTime: z.string(), boot: z.string() }),
});

export type KeptConnection = z.output<typeof keptConnection>;

/** What a command left; who renames it has all that it names. */
const KEPT = "kept.json";
const TAKEN = "taken.json";

/** When its time is over, or somebody ends it, it takes the directory like anybody else, and ends without a trace. */
const KEEPER = [
  'sleep "$1" &',
  'trap "kill $! 2>/dev/null" TERM INT HUP',
  "wait $!",
  `mv "$2/${KEPT}" "$2/${TAKEN}" 2>/dev/null && rm -rf "$2"`,
].join("\n");

/**
 * Keeps connections for a time after this process has ended, with their directory. `descriptors` are this end of their pipes;
 * it can be closed once this has resolved. False when no process could be started for it.
 */
export async function keepConnections(
  directory: string,
  connections: readonly KeptConnection[],
  descriptors: readonly number[],
  forMs: number,
): Promise<boolean> {
  const argv = ["-c", KEEPER, "sunny-keep", String(Math.ceil(forMs / 1000)), directory];
  // A session of its own: what ends the terminal's processes does not end it, and all of it is ended at once.
  const keeper = spawn("sh", argv, { cwd: "/", detached: true, stdio: ["ignore", "ignore", "ignore", ...descriptors] });
  try {
    await once(keeper, "spawn");
  } catch {
    return false;
  }
  const identity = identityOf(keeper.pid ?? 0);
  if (identity === undefined) return false;
  keeper.unref();
  giveTo(directory, identity);
  rmSync(path.join(directory, TAKEN), { force: true });
  replaceFile(path.join(directory, KEPT), JSON.stringify(connections));
  return true;
}

/** Connections of an earlier command, which belong to this process now. */
export interface TakenConnections {
  readonly directory: string;
  readonly connections: readonly KeptConnection[];
  /** Lets those end that this process did not open its end of. */
  settle(): void;
}

/** Takes over the directory of an earlier command where `wanted` holds for a connection that is kept in it. */
export function takeConnections(wanted: (one: KeptConnection) => boolean, base?: string): TakenConnections | null {
  for (const directory of controlDirectories(base)) {
    try {
      const kept = path.join(directory, KEPT);
      const connections = z.array(keptConnection).parse(JSON.parse(readFileSync(kept, "utf8")));
      if (!connections.some(wanted)) continue;
      const keeper = ownerOf(directory);
      // Only one process can do that, the keeper included.
      renameSync(kept, path.join(directory, TAKEN));
      giveTo(directory, ownIdentity());
      const settle = (): void => {
        if (isAlive(keeper)) process.kill(-keeper.pid, "SIGKILL");
      };
      return { directory, connections, settle };
    } catch {
      // It keeps nothing, or somebody else was faster.
    }
  }
  return null;
}
