import { spawn, type ChildProcess } from "node:child_process";
import { statSync } from "node:fs";
import process from "node:process";
import { TerminalError, type StepScope } from "../../engine/context.ts";
import { identityOf } from "../../engine/process-identity.ts";
import type { Json } from "../../json.ts";
import { carryOutJob, type Job } from "./apart-jobs.ts";

/** What the other process says at its end, as one line of JSON. */
export type ApartResult =
  | { readonly ok: true; readonly problems: readonly string[] }
  | { readonly ok: false; readonly code: string | null; readonly message: string; readonly details: Json };

/** Up to here a check is over before anybody misses the event loop: some 0.1 s, as long as a process takes to start. */
const QUICK_BYTES = 32 * 1024 * 1024;

const KEPT = 16 * 1024;

/**
 * Carries a job out in a process of its own, so that leases are renewed and requests are heard while one statement runs
 * for minutes, and so that it can be ended in the middle: SQLite then forgets the transaction. A thread would not do:
 * a statement under way ends with its process only. That process ends with this one, however this one ends.
 *
 * @throws TerminalError as the job does; the signal's reason when it was ended, and then what it changed is unknown
 */
export function runApart(job: Job, scope: Pick<StepScope, "signal" | "spawned">): Promise<readonly string[]> {
  scope.signal.throwIfAborted();
  const extension = import.meta.filename.endsWith(".ts") ? ".ts" : ".js";
  const child = spawn(process.execPath, [`${import.meta.dirname}/apart-main${extension}`], {
    // A terminal's Ctrl-C is for Sunny to hear, which lets a migration finish.
    detached: true,
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const identity = child.pid === undefined ? undefined : identityOf(child.pid);
  if (identity !== undefined) scope.spawned?.(identity);
  // Its other end says to the process that this one lives.
  child.stdin.on("error", () => {});
  child.stdin.write(`${JSON.stringify(job)}\n`);
  return resultOf(child, job, scope.signal);
}

function resultOf(child: ChildProcess, job: Job, signal: AbortSignal): Promise<readonly string[]> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => void (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => void (stderr = (stderr + text).slice(-KEPT)));
  const onAbort = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", onAbort, { once: true });
  return new Promise<readonly string[]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, killedBy) => {
      const result = parsed(stdout);
      if (result?.ok === true) return resolve(result.problems);
      if (result?.ok === false) return reject(errorOf(result));
      if (signal.aborted) return reject(signal.reason as Error);
      reject(new Error(`the process for ${job.file} ended with ${killedBy ?? String(status)}: ${stderr.trim()}`));
    });
  }).finally(() => signal.removeEventListener("abort", onAbort));
}

function parsed(line: string): ApartResult | undefined {
  return line.endsWith("\n") ? (JSON.parse(line) as ApartResult) : undefined;
}

/** What is no `TerminalError` there is unknown here as well. */
function errorOf({ code, message, details }: Extract<ApartResult, { ok: false }>): Error {
  return code === null ? new Error(message) : new TerminalError(code, message, details);
}

/** Damage and broken references of a database; a large one is read in a process of its own. */
export function findProblems(
  job: Omit<Extract<Job, { kind: "problems" }>, "kind">,
  signal: AbortSignal = new AbortController().signal,
  quickBytes = QUICK_BYTES,
): Promise<readonly string[]> {
  const whole = { ...job, kind: "problems" } as const;
  const isLarge = (statSync(job.file, { throwIfNoEntry: false })?.size ?? 0) > quickBytes;
  return isLarge ? runApart(whole, { signal }) : carryOutJob(whole);
}
