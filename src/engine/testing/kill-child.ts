import { appendFileSync } from "node:fs";

import { systemClock } from "../../clock.ts";
import type { StepOptions, WorkflowDef } from "../context.ts";
import { createEngine } from "../engine.ts";
import { openJournal } from "../open-journal.ts";

/**
 * A process that is killed by its own signal 9: `kill-child.ts JOURNAL EFFECTS before|after N`, at its N-th commit.
 * Also the workflow that it runs, for the process that goes on.
 */
export function killedWorkflow(effects: string): WorkflowDef<null, unknown> {
  const options: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 10_000 };
  const act = (name: string) => (): Promise<string> => {
    appendFileSync(effects, `${name}\n`);
    return Promise.resolve(name);
  };
  return {
    name: "killed",
    version: 1,
    run: async (ctx) => {
      await ctx.occupy("production");
      const a = await ctx.step("a", act("a"), options);
      const both = await ctx.parallel(["b", "c"].map((name) => ({ name, fn: act(name), options })));
      await ctx.sleep("pause", 5);
      const d = await ctx.step("d", act("d"), options);
      return { a, both, d };
    },
  };
}

if (import.meta.main) {
  const [path = "", effects = "", phase = "", at = "0"] = process.argv.slice(2);
  let commits = 0;
  let isNew = true;
  const dieIf = (now: string): void => {
    if (now === phase && commits === Number(at)) process.kill(process.pid, "SIGKILL");
  };
  const sink = {
    // Inside the transaction: whatever it wrote so far must be gone.
    append: () => {
      if (isNew) commits += 1;
      isNew = false;
      dieIf("before");
    },
    committed: () => {
      isNew = true;
      dieIf("after");
    },
    rolledBack: () => undefined,
    flush: () => undefined,
  };
  const journal = openJournal(path, { clock: systemClock, sink });
  const engine = createEngine({ journal, clock: systemClock });
  const def = killedWorkflow(effects);
  engine.start(def, { id: "run-1", input: null, actor: "operator", environment: "production" });
  await engine.execute("run-1", [def]);
  process.stdout.write(`${commits}\n`);
}
