import process from "node:process";
import { systemClock } from "../../src/clock.ts";
import type { DurableContext, StepOptions } from "../../src/engine/context.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { openBenchRecords } from "../records.ts";

export const RUN = "bench";

export interface ResumeTimes {
  /** Opening and checking journal and audit log. */
  readonly openMs: number;
  /** From taking the lease to the call of the first new step. */
  readonly replayMs: number;
}

const OPTIONS: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000, target: "fenced" };

interface ResumeWorkflow {
  readonly name: string;
  readonly version: number;
  run(ctx: DurableContext, input: null, pause?: () => void): Promise<null>;
}

/** A workflow of `steps` steps and a new one; `pause` is called in the last of the old ones. */
export function resumeWorkflow(steps: number, onNew: () => void): ResumeWorkflow {
  return {
    name: "bench",
    version: 1,
    run: async (ctx, _input, pause) => {
      for (let i = 0; i < steps; i++) {
        const fn = (): Promise<unknown> => {
          if (i === steps - 1) pause?.();
          return Promise.resolve({ host: `host-${i % 50}`, state: "serving", i });
        };
        await ctx.step(`host-${i % 50}/part-${i}`, fn, OPTIONS);
      }
      await ctx.step(
        "new",
        () => {
          onNew();
          return Promise.resolve(null);
        },
        OPTIONS,
      );
      return null;
    },
  };
}

if (import.meta.main) {
  const [dir = "", key = "", steps = ""] = process.argv.slice(2);
  const begun = performance.now();
  const { journal, close } = openBenchRecords(dir, key);
  const opened = performance.now();
  let replayed = 0;
  const def = resumeWorkflow(Number(steps), () => {
    replayed = performance.now();
  });
  await createEngine({ journal, clock: systemClock }).execute(RUN, [def]);
  close();
  process.stdout.write(JSON.stringify({ openMs: opened - begun, replayMs: replayed - opened }));
}
