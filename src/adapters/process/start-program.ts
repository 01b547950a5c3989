import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ProcessRequest } from "../../operations/subprocess/ports.ts";

/** Where the program finds its scope: the first descriptor after those of every program and the watchdog's. */
const SCOPE_FD = 4;

/*
 * Becomes the program, and leaves a watchdog in its process group: a grandchild that reads descriptor 3, whose other end
 * Sunny holds open. When Sunny is gone, however it went, the read ends and the group is ended. A line comes only after the
 * program's end: then what it left running is ended at once.
 */
const watchdog = (killAfterMs: number): string => `
( ( trap '' TERM HUP INT
    if read -r _ <&3; then grace=0.1; else grace=${killAfterMs / 1000}; fi
    kill -TERM -$$ 2>/dev/null
    sleep $grace || sleep 1
    kill -KILL -$$ 2>/dev/null ) </dev/null >/dev/null 2>&1 ${SCOPE_FD}<&- & )
exec 3<&-
exec "$@"`;

/**
 * Starts a program under its watchdog, in a process group and session of its own. Descriptor 3 of the result is the
 * lifeline: a line ends what the program left running, its end also the program.
 */
export function startProgram(request: ProcessRequest, killAfterMs: number): ChildProcess {
  const stdin = request.stdin === undefined ? "ignore" : "pipe";
  const argv = ["-c", watchdog(killAfterMs), "sunny", ...request.argv];
  const options = { cwd: request.cwd, detached: true };
  if (request.scope === undefined) {
    return spawn("/bin/sh", argv, { ...options, env: { ...request.env }, stdio: [stdin, "pipe", "pipe", "pipe"] });
  }
  const scope = unnamedFile(request.scope);
  try {
    const env = { ...request.env, SUNNY_SCOPE_FD: String(SCOPE_FD) };
    return spawn("/bin/sh", argv, { ...options, env, stdio: [stdin, "pipe", "pipe", "pipe", scope] });
  } finally {
    closeSync(scope);
  }
}

/** A file to read from that has no name any more: only who is given its descriptor has it. */
function unnamedFile(text: string): number {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-"));
  const file = path.join(directory, "scope");
  try {
    writeFileSync(file, `${text}\n`, { mode: 0o400, flag: "wx" });
    return openSync(file, "r");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
