import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { systemClock } from "../../../src/clock.ts";

/** The command of the clone, as a user calls it. */
export const SUNNY = path.resolve(import.meta.dirname, "../../../bin/sunny");

export interface SunnyResult {
  readonly status: number;
  /** The last event that it wrote with `--json`; empty without one. */
  readonly summary: Readonly<Record<string, unknown>>;
  readonly stderr: string;
}

export interface SunnyCall {
  readonly config: string;
  readonly actor: string;
  /** Every event, one a line. */
  readonly onEvent?: (event: Readonly<Record<string, unknown>>) => void;
  readonly signal?: AbortSignal;
}

/**
 * A command was interrupted. Ctrl-C reaches it and its caller at once, and its end may be known before the caller's own
 * signal is.
 */
export class Interrupted extends Error {}

/** Exit status of a command that was interrupted. */
const INTERRUPTED = 130;

/** Calls `sunny ARGS --json` and collects its events. @throws Interrupted */
export async function sunnyJson(args: readonly string[], call: SunnyCall): Promise<SunnyResult> {
  const child = spawn(SUNNY, ["--json", "--config", call.config, "--as", call.actor, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let summary: Record<string, unknown> = {};
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = parsed(line);
    if (event["event"] === "summary") summary = event;
    // The one summary of a stream is its last line, which is the caller's.
    call.onEvent?.(event["event"] === "summary" ? { ...event, event: "command", command: args[0] } : event);
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const status = await endOf(child, call.signal);
  return { status, summary, stderr };
}

/** Calls `sunny ARGS` on this terminal, with its live view. @throws Interrupted */
export async function sunnyLive(args: readonly string[], call: SunnyCall): Promise<number> {
  const child = spawn(SUNNY, ["--config", call.config, "--as", call.actor, ...args], { stdio: "inherit" });
  return endOf(child, call.signal);
}

/** How long a command may take to stop where it can be resumed, before it is ended. */
const STOP_MS = 15_000;

/**
 * Waits until a command has ended and all of its output was read, also when it is interrupted: what it started belongs
 * to it, and nothing is cleaned up below it.
 * @throws Interrupted
 */
async function endOf(child: ChildProcess, signal: AbortSignal | undefined): Promise<number> {
  let cancel = (): void => {};
  const stop = (): void => {
    child.kill("SIGTERM");
    cancel = systemClock.timer(STOP_MS, () => void child.kill("SIGKILL"));
  };
  const status = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? INTERRUPTED));
  });
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted === true) stop();
  try {
    const code = await status;
    if (code === INTERRUPTED) throw new Interrupted(`${child.spawnargs.join(" ")} was interrupted`);
    return code;
  } finally {
    cancel();
    signal?.removeEventListener("abort", stop);
  }
}

function parsed(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { event: "unreadable", line };
  }
}

/** As people type it, for what the demo shows before it calls. */
export function shown(args: readonly string[]): string {
  const quoted = args.map((arg) => (/^[\w./:@=-]+$/.test(arg) ? arg : `'${arg}'`));
  return `$ sunny ${quoted.join(" ")}`;
}
