import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { identityOf, isAlive } from "../../engine/process-identity.ts";
import type { ProcessIdentity } from "../../engine/process-identity.ts";
import { pipesOf, removePipes } from "./named-pipes.ts";

/** A process of `ssh` with its three streams. */
export interface Link {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The process is gone, though something it started may still hold its output open. Rejects when it never ran. */
  readonly exited: Promise<void>;
  kill(): void;
  /** What another process needs to hold it; null when it ends with this process. */
  readonly handle: LinkHandle | null;
  /** Closes this end without ending the process, which whoever was given the handle holds from now on. */
  release(): void;
}

export interface LinkHandle {
  readonly ssh: ProcessIdentity;
  /** Of its pipes, in their directory. */
  readonly name: string;
  /** This end of them. */
  readonly descriptors: readonly number[];
}

/** How `ssh` is started. */
export interface LinkOptions {
  readonly program: string;
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Starts `ssh` so that it ends with this process. */
export function startLink({ program, argv, env }: LinkOptions): Link {
  const child = spawn(program, argv, { env, stdio: ["pipe", "pipe", "pipe"] });
  const { stdin, stdout, stderr } = child;
  const kill = (): void => void child.kill("SIGKILL");
  return { stdin, stdout, stderr, exited: exitOf(child), kill, handle: null, release: () => {} };
}

/** Starts `ssh` on pipes that have a name, so that another process can take it over. */
export function startNamedLink({ program, argv, env }: LinkOptions, directory: string, name: string): Link {
  const { own, theirs } = openBoth(directory, name);
  try {
    const child = spawn(program, argv, { env, stdio: [...theirs] });
    const ssh = identityOf(child.pid ?? 0) ?? null;
    return namedLink(own, directory, name, ssh, {
      exited: exitOf(child),
      kill: () => void child.kill("SIGKILL"),
      leave: () => child.unref(),
    });
  } catch (error) {
    own.forEach((fd) => closeSync(fd));
    throw error;
  } finally {
    theirs.forEach((fd) => closeSync(fd));
  }
}

/** Takes over what another process of Sunny started on these pipes. @throws when it does not read its input any more */
export function adoptLink(directory: string, name: string, ssh: ProcessIdentity): Link {
  return namedLink(openOwn(directory, name), directory, name, ssh, {
    exited: null,
    kill() {
      if (isAlive(ssh)) process.kill(ssh.pid, "SIGKILL");
    },
    leave: () => {},
  });
}

type Ends = readonly [stdin: number, stdout: number, stderr: number];

function namedLink(
  ends: Ends,
  directory: string,
  name: string,
  ssh: ProcessIdentity | null,
  how: { readonly exited: Promise<void> | null; readonly kill: () => void; readonly leave: () => void },
): Link {
  const stdin = new Socket({ fd: ends[0], readable: false, writable: true });
  const stdout = new Socket({ fd: ends[1], readable: true, writable: false });
  const stderr = new Socket({ fd: ends[2], readable: true, writable: false });
  let released = false;
  // Nobody else writes there: its end is that of the process.
  const exited = how.exited ?? new Promise<void>((resolve) => stdout.once("close", () => resolve()));
  const remove = (): void => {
    if (!released) removePipes(directory, name);
  };
  exited.then(remove, remove);
  return {
    stdin,
    stdout,
    stderr,
    exited,
    kill: how.kill,
    handle: ssh === null ? null : { ssh, name, descriptors: ends },
    release() {
      released = true;
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
      how.leave();
    },
  };
}

function exitOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => resolve());
  });
}

/** Neither waits for the other side, and a writer is refused when nobody reads. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
const WRITE = constants.O_WRONLY | constants.O_NONBLOCK;

function openOwn(directory: string, name: string): Ends {
  const { stdin, stdout, stderr } = pipesOf(directory, name);
  return openAll([stdin, WRITE], [stdout, READ], [stderr, READ]);
}

function openBoth(directory: string, name: string): { readonly own: Ends; readonly theirs: Ends } {
  const { stdin, stdout, stderr } = pipesOf(directory, name);
  const reader = openSync(stdin, READ);
  try {
    const own = openOwn(directory, name);
    try {
      // What `ssh` gets waits, as usual pipes do.
      return { own, theirs: openAll([stdin, "r"], [stdout, "w"], [stderr, "w"]) };
    } catch (error) {
      own.forEach((fd) => closeSync(fd));
      throw error;
    }
  } finally {
    closeSync(reader);
  }
}

type Opening = readonly [file: string, flags: string | number];

/** All three, or none. */
function openAll(stdin: Opening, stdout: Opening, stderr: Opening): Ends {
  const opened: number[] = [];
  const open = (how: Opening): number => {
    const fd = openSync(...how);
    opened.push(fd);
    return fd;
  };
  try {
    return [open(stdin), open(stdout), open(stderr)];
  } catch (error) {
    opened.forEach((fd) => closeSync(fd));
    throw error;
  }
}
