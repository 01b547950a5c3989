import { writeSync } from "node:fs";
import process from "node:process";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { ApartResult } from "./apart.ts";
import { carryOutJob, type Job } from "./apart-jobs.ts";

/*
 * The other side of `runApart`: the job is the first line of standard input, the result the only one of standard output.
 * The statement runs in a thread, so that the end of the input, which is the end of whoever asked, is noticed at once. A
 * thread in the middle of a statement cannot be ended, but the process can.
 */

function supervise(): void {
  let input = "";
  let begun = false;
  process.stdin.setEncoding("utf8").on("data", (text: string) => {
    input += text;
    if (begun || !input.includes("\n")) return;
    begun = true;
    const worker = new Worker(new URL(import.meta.url), { workerData: JSON.parse(input) as Job });
    worker.on("message", (result: ApartResult) => end(result));
    worker.on("error", (error) => end({ ok: false, code: null, message: messageOf(error), details: null }));
  });
  process.stdin.on("end", () => process.kill(process.pid, "SIGKILL"));
}

function end(result: ApartResult): void {
  writeSync(1, `${JSON.stringify(result)}\n`);
  process.exit(0);
}

async function work(job: Job): Promise<ApartResult> {
  try {
    return { ok: true, problems: await carryOutJob(job) };
  } catch (error) {
    if (!(error instanceof TerminalError)) return { ok: false, code: null, message: messageOf(error), details: null };
    const { code, message, details } = error;
    return { ok: false, code, message, details };
  }
}

process.title = "sunny-sqlite";
if (isMainThread) supervise();
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
else parentPort?.postMessage(await work(workerData as Job));
