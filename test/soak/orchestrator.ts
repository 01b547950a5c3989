/** One orchestrator of a soak, and what can be done to it from outside. */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { sleep, systemClock } from "../../src/clock.ts";
import type { DemoSystem } from "../support/e2e/demo-system.ts";
import type { Ended, Running } from "../support/e2e/sunny.ts";

/** True when it was still at work after so many milliseconds. */
export async function outlasts(running: Running, ms: number): Promise<boolean> {
  const over = sleep(systemClock, ms).then(() => true);
  return Promise.race([over, running.ended.then(() => false)]);
}

/** Kills it as nothing can be caught. `groups`: and every process group that it has started, as scripts and programs are. */
export async function kill(running: Running, { groups }: { readonly groups: boolean }): Promise<Ended> {
  const pid = pidOf(running);
  const led = groups ? groupsOf(pid) : [];
  running.child.kill("SIGKILL");
  for (const group of led) signal(-group, "SIGKILL");
  return running.ended;
}

export const stop = (running: Running): void => signal(pidOf(running), "SIGSTOP");
export const wake = (running: Running): void => signal(pidOf(running), "SIGCONT");

/** How often it is asked whether a sleeping orchestrator still has its lease. */
const ASK_MS = 1_000;
/** Longer than a lease of 15 s, which covers a whole effect where its target knows no fence. */
const PATIENCE_MS = 40_000;

/** Takes a deployment up once nobody carries it out; `byTimer`: with `resume --all`. Null when somebody does so for long. */
export async function takeUp(system: DemoSystem, id: string, byTimer = false): Promise<Running | null> {
  const until = systemClock.monotonic() + PATIENCE_MS;
  while ((await system.sunny(["status", id])).summary["carriedOut"] === true) {
    if (systemClock.monotonic() > until) return null;
    await sleep(systemClock, ASK_MS);
  }
  return system.start(["resume", ...(byTimer ? ["--all"] : [id])]);
}

function pidOf({ child }: Running): number {
  if (child.pid === undefined) throw new Error("it never started");
  return child.pid;
}

/** Groups that children of the process lead; its own is the one of whoever started it. */
function groupsOf(pid: number): number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,pgid="], { encoding: "utf8" });
  const rows = table.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  return rows.flatMap(([id, parent, group]) => (parent === pid && id === group ? [group as number] : []));
}

function signal(pid: number, name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It is gone already.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
