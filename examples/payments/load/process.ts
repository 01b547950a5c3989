import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { LoadCommand, LoadEvent, LoadSettings, LoadSummary } from "./protocol.ts";

/** A load generator that runs as a process of its own. */
export interface Load {
  readonly pid: number;
  setRate(perSecond: number): void;
  /** Counts so far. */
  summary(): Promise<LoadSummary>;
  /** Lets what is in flight end, and gives the last counts. Asked twice, it gives them twice. */
  stop(): Promise<LoadSummary>;
  /** Settles when the process has ended, by itself or by `stop`; rejects when it ended without a summary. */
  readonly ended: Promise<LoadSummary>;
}

/**
 * Starts the load generator and waits until it runs. `onEvent` gets every line it writes, ticks once a second
 * included. It ends when this process does, since its stdin ends then.
 */
export async function startLoad(settings: LoadSettings, onEvent: (event: LoadEvent) => void = () => {}): Promise<Load> {
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "main.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {});
  const tell = (line: LoadCommand | LoadSettings): void => void child.stdin.write(`${JSON.stringify(line)}\n`);
  const summaries: ((summary: LoadSummary) => void)[] = [];
  const started = Promise.withResolvers<void>();
  let last: LoadEvent | undefined;
  createInterface({ input: child.stdout }).on("line", (text) => {
    const event = JSON.parse(text) as LoadEvent;
    last = event;
    if (event.event === "started") started.resolve();
    if (event.event === "summary") for (const resolve of summaries.splice(0)) resolve(event);
    onEvent(event);
  });
  const ended = endOf(child, () => last);
  ended.catch(started.reject);
  tell(settings);
  await started.promise;
  return {
    pid: child.pid as number,
    setRate: (perSecond) => tell({ do: "rate", perSecond }),
    summary: () => {
      const asked = new Promise<LoadSummary>((resolve) => summaries.push(resolve));
      tell({ do: "summary" });
      return Promise.race([asked, ended]);
    },
    stop: () => {
      tell({ do: "stop" });
      return ended;
    },
    ended,
  };
}

async function endOf(child: ChildProcess, last: () => LoadEvent | undefined): Promise<LoadSummary> {
  // "close", not "exit": only then has all of its output been read.
  const [code] = (await once(child, "close")) as [number | null];
  const event = last();
  if (event?.event === "summary") return event;
  const why = event?.event === "error" ? event.message : `exit status ${code}`;
  throw new Error(`the load generator ended without a summary: ${why}`);
}
