import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { StepOptions, WorkflowDef } from "./context.ts";
import { journalOn } from "./journal.ts";
import { createEngine } from "./engine.ts";
import { leafOf } from "./leaf.ts";
import { MemoryDisk } from "./memory-storage.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";

const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000 };

interface Leaf {
  readonly action: string;
  readonly outcome: string;
  readonly actor: { readonly name: string; readonly kind: string };
  readonly resource: { readonly step?: string };
}

void describe("leafOf", () => {
  void it("leaves evidence of every row, and says resumed of what was resumed", async () => {
    const clock = new VirtualClock();
    const leaves = new Map<string, Leaf>();
    const sink = {
      append: (key: string, leaf: unknown) => void leaves.set(key, leaf as Leaf),
      committed: () => undefined,
      rolledBack: () => undefined,
      flush: () => undefined,
    };
    const disk = new MemoryDisk("authority");
    const toLeaf = leafOf({ service: "payments", host: "laptop", pid: 7 });
    const engine = createEngine({ journal: journalOn(disk.connect(), { clock, sink, toLeaf }), clock });
    const def: WorkflowDef<null, string> = {
      name: "w",
      version: 1,
      run: async (ctx) => {
        await ctx.step("a", () => Promise.resolve("not for the log"), IDEMPOTENT);
        await ctx.waitFor("approve", { held: "may it go on?" });
        return "over";
      },
    };
    engine.start(def, { id: "d-1", input: null, actor: "operator", environment: "production" });
    await clock.until(engine.execute("d-1", [def]));
    engine.request("d-1", { kind: "signal", name: "approve", value: true }, { by: "CTO", signature: "sig" });
    await clock.until(engine.execute("d-1", [def], { actor: "DBA" }));

    assert.equal(leaves.size, disk.rows.length);
    const seen = [...leaves.values()].map(({ action, outcome, actor }) => `${action} ${outcome} ${actor.name}`);
    assert.deepEqual(seen, [
      "run.started started operator",
      "step.started started operator",
      "step.ended success operator",
      "wait.started started operator",
      "run.held unknown operator",
      "run.signal-requested success CTO",
      "run.resumed started DBA",
      "wait.ended success DBA",
      "run.ended success DBA",
    ]);
    assert.doesNotMatch(JSON.stringify([...leaves.values()]), /not for the log/);
    const last = [...leaves.entries()].at(-1)!;
    assert.equal(last[0], "authority/9");
    assert.deepEqual((last[1] as { resource?: unknown }).resource, {
      service: "payments",
      environment: "production",
      deployment: "d-1",
    });
  });
});
