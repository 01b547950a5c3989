import type { ChildProcess } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { Writable, type Readable } from "node:stream";
import type { Clock } from "../../clock.ts";
import { TerminalError } from "../../engine/context.ts";
import { identityOf } from "../../engine/process-identity.ts";
import { sha256 } from "../../json.ts";
import type { ProcessRequest, ProcessResult, ProcessRunner } from "../../operations/subprocess/ports.ts";
import { findProgram } from "./find-program.ts";
import { startProgram } from "./start-program.ts";

/** From SIGTERM to SIGKILL. */
const KILL_AFTER_MS = 5_000;
/** From the program's end to that of its output: what has left its group may hold the pipes open for ever. */
const DRAIN_MS = 2_000;
const KEPT = 4 * 1024 * 1024;

/** Runs programs in process groups and sessions of their own, so that they have no terminal to ask on. */
export function processRunner(clock: Clock): ProcessRunner {
  return {
    async run(request, signal) {
      signal?.throwIfAborted();
      requireStartable(request);
      const child = startProgram(request, KILL_AFTER_MS);
      const leader = child.pid === undefined ? undefined : identityOf(child.pid);
      if (leader !== undefined) request.onStarted?.(leader);
      return settle(child, request, clock, signal);
    },
  };
}

function settle(
  child: ChildProcess,
  request: ProcessRequest,
  clock: Clock,
  signal?: AbortSignal,
): Promise<ProcessResult> {
  const output = { stdout: capture(child.stdout, request, "stdout"), stderr: capture(child.stderr, request, "stderr") };
  const lifeline = child.stdio[3];
  // The watchdog may be gone first, when somebody killed the group.
  lifeline?.on("error", () => {});
  let ended: ProcessResult["ended"] = null;
  const cancels: (() => void)[] = [];
  const end = (why: "deadline" | "aborted"): void => {
    if (ended !== null) return;
    ended = why;
    signalGroup(child, "SIGTERM");
    cancels.push(clock.timer(KILL_AFTER_MS, () => signalGroup(child, "SIGKILL")));
  };
  const onAbort = (): void => end("aborted");
  cancels.push(clock.timer(request.deadlineMs, () => end("deadline")));
  signal?.addEventListener("abort", onAbort, { once: true });
  cancels.push(() => signal?.removeEventListener("abort", onAbort));
  // A program that does not read its input to the end is its own business.
  child.stdin?.on("error", () => {});
  child.stdin?.end(request.stdin);
  return new Promise((resolve, reject) => {
    child.on("error", (cause) => {
      for (const cancel of cancels) cancel();
      reject(
        new TerminalError("PROGRAM_NOT_STARTED", `${request.argv[0]} was not started: ${cause.message}`, null, {
          cause,
        }),
      );
    });
    // What the program left running in its group would hold the pipes open; the watchdog ends it now.
    child.on("exit", () => {
      if (lifeline instanceof Writable) lifeline.end("ended\n");
      cancels.push(clock.timer(DRAIN_MS, () => abandonOutput(child, request)));
    });
    child.on("close", (status, killedBy) => {
      for (const cancel of cancels) cancel();
      resolve({ status, signal: killedBy, ended, stdout: output.stdout(), stderr: output.stderr() });
    });
  });
}

/** A daemon that the program started in a session of its own keeps what it inherited; nobody waits for that. */
function abandonOutput(child: ChildProcess, request: ProcessRequest): void {
  if (child.stdout?.closed === true && child.stderr?.closed === true) return;
  request.onOutput?.(
    "\nA process that the command started outside of its process group still holds its output. It was left alone.\n",
    "stderr",
  );
  child.stdout?.destroy();
  child.stderr?.destroy();
}

function capture(stream: Readable | null, request: ProcessRequest, name: "stdout" | "stderr"): () => string {
  const decoder = new StringDecoder("utf8");
  let kept = "";
  const take = (text: string): void => {
    if (text === "") return;
    if (kept.length < KEPT) kept += text.slice(0, KEPT - kept.length);
    request.onOutput?.(text, name);
  };
  stream?.on("data", (chunk: Buffer) => take(decoder.write(chunk)));
  stream?.on("end", () => take(decoder.end()));
  return () => kept;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The whole group is gone already.
  }
}

/** Found out beforehand, so that "it was not started" is certain. */
function requireStartable({ argv, cwd, env, script }: ProcessRequest): void {
  if (!isDirectory(cwd))
    throw new TerminalError("PROGRAM_NOT_STARTED", `There is no directory ${cwd} to run ${argv[0]} in`);
  if (script !== undefined) requirePlanned(script);
  if (findProgram(argv[0], env["PATH"] ?? "/usr/bin:/bin", cwd) !== null) return;
  const where = argv[0].includes("/") ? "it is missing or not executable" : "it is not on the PATH";
  throw new TerminalError("PROGRAM_NOT_STARTED", `${argv[0]} was not started: ${where}`);
}

/** What was approved is what runs: a script may have been edited while its plan waited. */
function requirePlanned({ file, sha256: planned }: NonNullable<ProcessRequest["script"]>): void {
  let actual: string | null = null;
  try {
    actual = sha256(readFileSync(file));
  } catch {
    // Missing, or not readable any longer: not what was planned either.
  }
  if (actual === planned) return;
  throw new TerminalError("SCRIPT_CHANGED", `${file} is not the script that was planned, so it was not started`, {
    planned,
    actual,
  });
}

function isDirectory(file: string): boolean {
  try {
    return statSync(file).isDirectory();
  } catch {
    return false;
  }
}
