import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

/** The project's own root, where `bin/` and `scripts/` are. */
export const ROOT = path.resolve(import.meta.dirname, "../../..");

export type Event = Readonly<Record<string, unknown>>;

/** A command that has ended. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout that are JSON objects. */
  readonly events: readonly Event[];
  /** The last event, when it is the summary; else empty. */
  readonly summary: Event;
}

/** A command that runs. */
export interface Running {
  readonly child: ChildProcess;
  /** The first event that fits, also one that has come already. Rejects when the command ends without it. */
  event(fits: (event: Event) => boolean): Promise<Event>;
  readonly ended: Promise<Ended>;
}

export interface CallOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A program and its arguments that run it, such as `nice`. */
  readonly prefix?: readonly string[];
  /**
   * In a session of its own: what happens to the terminal or to whoever started it does not reach it. A stopped process
   * would otherwise be ended when its group is orphaned.
   */
  readonly ownSession?: boolean;
}

/** Starts a program and reads its output by lines. */
export function start(program: string, args: readonly string[], options: CallOptions = {}): Running {
  const [first = program, ...rest] = [...(options.prefix ?? []), program, ...args];
  const child = spawn(first, rest, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, SUNNY_CONFIG: "", NO_COLOR: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: options.ownSession === true,
  });
  const events: Event[] = [];
  const waiting = new Set<() => void>();
  let [stdout, stderr, closed] = ["", "", false];
  createInterface({ input: child.stdout }).on("line", (line) => {
    stdout += `${line}\n`;
    if (/^\{.*\}$/.test(line)) events.push(JSON.parse(line) as Event);
    for (const look of waiting) look();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => void (stderr += text));
  const ended = once(child, "close").then(([status, signal]): Ended => {
    closed = true;
    for (const look of waiting) look();
    const last = events.at(-1);
    const summary = last?.["event"] === "summary" ? last : {};
    return {
      status: status as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout,
      stderr,
      events,
      summary,
    };
  });
  return {
    child,
    ended,
    event: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = events.find(fits);
          if (found === undefined && !closed) return;
          waiting.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`${args.join(" ")} ended without the event; stderr: ${stderr}`));
        };
        waiting.add(look);
        look();
      }),
  };
}

/** What every command with `--json` promises: each line an event with its time, the last one the summary. */
export function assertEventLines({ stdout, events }: Ended): void {
  const lines = stdout.split("\n").filter((line) => line !== "");
  assert.equal(events.length, lines.length, `not every line is an event:\n${stdout}`);
  for (const event of events) {
    assert.equal(typeof event["event"], "string", JSON.stringify(event));
    assert.match(String(event["at"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, JSON.stringify(event));
  }
  assert.deepEqual(
    events.filter((event) => event["event"] === "summary"),
    events.slice(-1),
    "the summary is the last line, and there is one",
  );
}
