/* oxlint-disable unicorn/consistent-function-scoping -- a test reads better with its helpers in it */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Interrupted } from "./context.ts";
import type { DurableContext, StepOptions, StepScope, WorkflowDef } from "./context.ts";
import { World } from "./testing/world.ts";

const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000 };
const READ_ONLY: StepOptions<never> = { disposition: { kind: "idempotent", readOnly: true }, deadlineMs: 60_000 };

function workflow(run: (ctx: DurableContext, input: unknown) => Promise<unknown>): WorkflowDef<unknown, unknown> {
  return { name: "test", version: 1, run };
}

/** Ends when its signal aborts, as an adapter that kills its command does. */
function untilAborted(scope: StepScope): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (scope.signal.aborted) reject(scope.signal.reason as Error);
    scope.signal.addEventListener("abort", () => reject(scope.signal.reason as Error));
  });
}

void describe("an interrupt", () => {
  /** Aborts after a second, while the workflow runs. */
  async function abortedAfter(ms: number, def: WorkflowDef<unknown, unknown>, world = new World()) {
    const process = world.spawn();
    world.clock.timer(ms, () =>
      process.engine.interrupt("run-1", { kind: "abort", by: "operator", detail: "changed our minds" }),
    );
    return { result: await world.run(def, { process }), world };
  }

  void it("aborts the running step, waits for it, and throws at that operation", async () => {
    const def = workflow(async (ctx) => {
      try {
        await ctx.step("a", untilAborted, READ_ONLY);
        return "went on";
      } catch (error) {
        assert.ok(error instanceof Interrupted);
        return error.reason.by;
      }
    });
    const { result, world } = await abortedAfter(1_000, def);
    assert.deepEqual(result, { state: "done", output: "operator" });
    assert.equal(world.clock.monotonic(), 1_000);
  });

  void it("runs an idempotent step that changes something once more before it lets go of it", async () => {
    const attempts: number[] = [];
    const def = workflow(async (ctx) => {
      const act = (scope: StepScope): Promise<string> => {
        attempts.push(scope.fence.attempt);
        return attempts.length === 1 ? untilAborted(scope) : Promise.resolve("settled");
      };
      await ctx.step("a", act, IDEMPOTENT);
    });
    const { result } = await abortedAfter(1_000, def);
    assert.equal(result.state === "failed" && result.error.code, "INTERRUPTED");
    assert.deepEqual(attempts, [1, 2]);
  });

  void it("delivers once: what follows runs, and so does the replay", async () => {
    let rollbacks = 0;
    const def = workflow(async (ctx) => {
      try {
        await ctx.step("a", untilAborted, READ_ONLY);
      } catch {
        await ctx.shielded(() => ctx.step("rollback", () => Promise.resolve((rollbacks += 1)), IDEMPOTENT));
      }
      await ctx.step("after", () => Promise.resolve(1), IDEMPOTENT);
      await ctx.waitFor("go", { held: "?" });
      return "ended";
    });
    const { result, world } = await abortedAfter(1_000, def);
    assert.equal(result.state, "held");
    const process = world.spawn();
    process.engine.request("run-1", { kind: "signal", name: "go", value: null }, { by: "operator" });
    assert.deepEqual(await world.resume(def, "run-1", process), { state: "done", output: "ended" });
    assert.equal(rollbacks, 1);
  });

  void it("does not disturb a shielded step", async () => {
    const world = new World();
    const def = workflow(async (ctx) => {
      const slow = (): Promise<string> =>
        new Promise((resolve) => void world.clock.timer(5_000, () => resolve("whole")));
      return ctx.shielded(() => ctx.step("rollback", slow, IDEMPOTENT));
    });
    const { result } = await abortedAfter(1_000, def, world);
    assert.deepEqual(result, { state: "done", output: "whole" });
  });

  void it("ends sleeps, waits and holds", async () => {
    for (const wait of [
      (ctx: DurableContext) => ctx.sleep("s", 60_000),
      (ctx: DurableContext) => ctx.waitFor("w"),
      (ctx: DurableContext) => ctx.waitFor("w", { held: "?", timeoutMs: 60_000 }),
    ]) {
      const { result, world } = await abortedAfter(1_000, workflow(wait));
      assert.equal(result.state === "failed" && result.error.code, "INTERRUPTED");
      assert.equal(world.clock.monotonic(), 1_000);
    }
  });

  void it("aborts every parallel step and waits for all", async () => {
    const ended: string[] = [];
    const def = workflow((ctx) =>
      ctx.parallel(
        ["a", "b"].map((name) => ({
          name,
          fn: (scope: StepScope) => untilAborted(scope).finally(() => ended.push(name)),
          options: READ_ONLY,
        })),
      ),
    );
    const { result } = await abortedAfter(1_000, def);
    assert.equal(result.state === "failed" && result.error.code, "INTERRUPTED");
    assert.deepEqual(ended, ["a", "b"]);
  });

  void it("that came while nobody ran is not thrown at an operation that had ended", async () => {
    const world = new World();
    const seen: string[] = [];
    const child: WorkflowDef<null, string> = { name: "child", version: 1, run: () => Promise.resolve("whole") };
    const def = workflow(async (ctx) => {
      try {
        await ctx.children([{ def: child, id: "run-1/c", input: null }]);
        seen.push("children ended");
        await ctx.parallel([{ name: "p", fn: () => Promise.resolve(1), options: IDEMPOTENT }]);
        seen.push("parallel ended");
        await ctx.waitFor("go", { held: "?" });
      } catch (error) {
        assert.ok(error instanceof Interrupted);
        return "interrupted";
      }
      return "went on";
    });
    assert.equal((await world.run(def)).state, "held");
    const process = world.spawn();
    process.engine.interrupt("run-1", { kind: "abort", by: "operator", detail: null });
    assert.deepEqual(await world.resume(def, "run-1", process), { state: "done", output: "interrupted" });
    assert.deepEqual(seen, ["children ended", "parallel ended", "children ended", "parallel ended"]);
  });

  void it("reaches children, and the parent after them", async () => {
    const child: WorkflowDef<null, string> = {
      name: "child",
      version: 1,
      run: (ctx) => ctx.step("work", untilAborted, READ_ONLY),
    };
    const def = workflow((ctx) => ctx.children([{ def: child, id: "run-1/c", input: null }]));
    const { result, world } = await abortedAfter(1_000, def);
    assert.equal(result.state === "failed" && result.error.code, "INTERRUPTED");
    const interrupted = world.disk.rows.filter(({ type }) => type === "interrupted").map(({ run }) => run);
    assert.deepEqual(interrupted, ["run-1/c", "run-1"]);
  });
});
