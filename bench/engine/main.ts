/**
 * What durability costs: one step of a workflow, journaled with its evidence in one transaction, against one bare commit
 * of SQLite with the same settings on the same disk. Each step makes its own bare commit, so that whatever else the
 * machine does hits both alike.
 */
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../src/clock.ts";
import type { DurableContext, StepOptions, WorkflowDef } from "../../src/engine/context.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { medianOf, quantileOf } from "../analysis/statistics.ts";
import { benchSigner, openBenchRecords, scratch } from "../records.ts";
import type { BenchRow, RunBench } from "../shape.ts";

const STEPS = 1_500;
const WARM_UP = 200;
const BAR = 1.5;
const OPTIONS: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000, target: "fenced" };

interface Times {
  readonly steps: number[];
  readonly commits: number[];
  /** Each step over the mean of the bare commits just before and after it. */
  readonly ratios: number[];
}

export const run: RunBench = async ({ log }) => {
  const place = scratch();
  try {
    const times = await measure(place.dir);
    const [ours, bare] = [medianOf(times.steps), medianOf(times.commits)];
    const cost = ours / bare;
    log(`engine: ${STEPS} steps, ${ours.toFixed(3)} ms each, a bare commit ${bare.toFixed(3)} ms`);
    const row: BenchRow = {
      case: "one durable step with its evidence",
      ours,
      peers: { "bare-commit": bare },
      unit: "ms",
      ratio: { "bare-commit": bare / ours },
      p99: quantileOf(times.steps, 0.99),
      bareP99: quantileOf(times.commits, 0.99),
      cost,
      pairs: medianOf(times.ratios),
      steps: times.steps.length,
    };
    const bar = `a step costs at most ${BAR} bare commits (medians of the same run)`;
    return { bench: "engine", rows: [row], missing: [], bars: [{ bar, value: cost, met: cost <= BAR }] };
  } finally {
    place.remove();
  }
};

async function measure(dir: string): Promise<Times> {
  const bare = bareCommits(path.join(dir, "bare.db"));
  const { journal, close } = openBenchRecords(dir, benchSigner());
  const engine = createEngine({ journal, clock: systemClock });
  const times: Times = { steps: [], commits: [], ratios: [] };
  const def: WorkflowDef<null, null> = {
    name: "bench",
    version: 1,
    run: async (ctx: DurableContext) => {
      let [end, before] = [0, 0];
      for (let i = 0; i < STEPS; i++) {
        const fn = (): Promise<null> => {
          const begun = performance.now();
          bare.commit(i);
          const committed = performance.now() - begun;
          if (i > WARM_UP) {
            times.steps.push(begun - end);
            times.commits.push(committed);
            times.ratios.push((2 * (begun - end)) / (before + committed));
          }
          before = committed;
          end = performance.now();
          return Promise.resolve(null);
        };
        await ctx.step(`host-${i % 50}/part-${i}`, fn, OPTIONS);
      }
      return null;
    },
  };
  engine.start(def, { id: "bench", input: null, actor: "operator", environment: "bench" });
  await engine.execute("bench", [def]);
  close();
  bare.close();
  return times;
}

/** The least that can be durable: one row in one transaction. */
function bareCommits(file: string): { commit(i: number): void; close(): void } {
  const db = new DatabaseSync(file);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, data TEXT)");
  const insert = db.prepare("INSERT INTO t (data) VALUES (?)");
  const data = "x".repeat(200);
  return { commit: (i) => void insert.run(`${i} ${data}`), close: () => db.close() };
}
