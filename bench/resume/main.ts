/** How soon a deployment goes on after a crash: from a journal of 10,000 steps to the first new one, in a fresh process. */
import { execFileSync } from "node:child_process";
import { cpSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { systemClock } from "../../src/clock.ts";
import type { DurableContext } from "../../src/engine/context.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { medianOf } from "../analysis/statistics.ts";
import { benchSigner, openBenchRecords, scratch } from "../records.ts";
import type { BenchRow, RunBench } from "../shape.ts";
import { RUN, resumeWorkflow, type ResumeTimes } from "./resume.ts";

const STEPS = 10_000;
const SAMPLES = 7;
const BAR_MS = 200;

export const run: RunBench = async ({ log }) => {
  const place = scratch();
  try {
    const key = benchSigner();
    const filled = path.join(place.dir, "filled");
    log(`resume: writing ${STEPS} steps`);
    await fill(filled, key);
    const samples: ResumeTimes[] = [];
    for (let i = 0; i < SAMPLES; i++) {
      const dir = path.join(place.dir, `sample-${i}`);
      cpSync(filled, dir, { recursive: true });
      const out = execFileSync(process.execPath, [
        path.join(import.meta.dirname, "resume.ts"),
        dir,
        key,
        String(STEPS),
      ]);
      samples.push(JSON.parse(out.toString("utf8")) as ResumeTimes);
    }
    const toFirstStep = medianOf(samples.map((one) => one.openMs + one.replayMs));
    const row: BenchRow = {
      case: `journal of ${STEPS} steps to the first new one`,
      ours: toFirstStep,
      peers: {},
      unit: "ms",
      ratio: {},
      open: medianOf(samples.map((one) => one.openMs)),
      replay: medianOf(samples.map((one) => one.replayMs)),
      samples: SAMPLES,
    };
    const bar = `at most ${BAR_MS} ms to the first new step (median of ${SAMPLES} fresh processes)`;
    return {
      bench: "resume",
      rows: [row],
      missing: [],
      bars: [{ bar, value: toFirstStep, met: toFirstStep <= BAR_MS }],
    };
  } finally {
    place.remove();
  }
};

/** Runs to the end of the steps and is left there, as by a crash: paused where the next one would begin. */
async function fill(dir: string, key: string): Promise<void> {
  const { journal, close } = openBenchRecords(dir, key);
  const engine = createEngine({ journal, clock: systemClock });
  const def = resumeWorkflow(STEPS, () => {
    throw new Error("the new step began too early");
  });
  engine.start(def, { id: RUN, input: null, actor: "operator", environment: "bench" });
  const pauseAt = (): void => void engine.request(RUN, { kind: "pause" }, { by: "operator" });
  await engine.execute(RUN, [{ ...def, run: (ctx: DurableContext) => def.run(ctx, null, pauseAt) }] as never);
  close();
}
