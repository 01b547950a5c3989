/** Spreads trials and seeded runs over two threads. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { messageOf } from "../../src/errors.ts";
import { seededRun } from "./seeded.ts";
import { judge, trialOf } from "./trials.ts";

export type Task = { readonly trial: string } | { readonly seed: number };

export interface Failure {
  readonly task: Task;
  readonly problems: readonly string[];
}

/** What diverged, and how often each kind of fault and crash was met in the seeded runs. */
export interface Outcome {
  readonly failures: readonly Failure[];
  readonly faults: Readonly<Record<string, number>>;
}

type Suffered = Readonly<Record<string, number>>;

const THREADS = 2;
const BATCH = 200;

/** Carries all tasks out; `progress` is told now and then. */
export async function runInWorkers(
  tasks: readonly Task[],
  progress: (done: number, bad: number) => void,
): Promise<Outcome> {
  const failures: Failure[] = [];
  const faults: Record<string, number> = {};
  let next = 0;
  let done = 0;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url));
      const give = (): void => {
        const batch = tasks.slice(next, next + BATCH);
        next += batch.length;
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
        if (batch.length > 0) return worker.postMessage(batch);
        void worker.terminate();
        resolve();
      };
      worker.on("message", (found: Outcome & { readonly count: number }) => {
        add(faults, found.faults);
        done += found.count;
        failures.push(...found.failures);
        if (Math.floor(done / 2_000) > Math.floor((done - found.count) / 2_000)) progress(done, failures.length);
        give();
      });
      worker.on("error", reject);
      give();
    });
  await Promise.all(Array.from({ length: THREADS }, work));
  return { failures, faults };
}

export function add(sum: Record<string, number>, more: Suffered): void {
  for (const [kind, count] of Object.entries(more)) sum[kind] = (sum[kind] ?? 0) + count;
}

async function carryOut(task: Task): Promise<{ readonly problems: readonly string[]; readonly suffered: Suffered }> {
  try {
    return "seed" in task ? await seededRun(task.seed) : { problems: await judge(trialOf(task.trial)), suffered: {} };
  } catch (error) {
    return { problems: [`could not be carried out: ${messageOf(error)}`], suffered: {} };
  }
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  port.on("message", (batch: readonly Task[]) => {
    void (async () => {
      const failures: Failure[] = [];
      const faults: Record<string, number> = {};
      for (const task of batch) {
        const { problems, suffered } = await carryOut(task);
        add(faults, suffered);
        if (problems.length > 0) failures.push({ task, problems: problems.slice(0, 5) });
      }
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origin
      port.postMessage({ count: batch.length, failures, faults });
    })();
  });
}
