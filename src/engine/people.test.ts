/* oxlint-disable unicorn/consistent-function-scoping -- a test reads better with its helpers in it */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { SunnyError } from "../errors.ts";
import { Interrupted } from "./context.ts";
import type { DurableContext, StepOptions, StepScope, WorkflowDef } from "./context.ts";
import { World } from "./testing/world.ts";

const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000 };

function workflow(run: (ctx: DurableContext, input: unknown) => Promise<unknown>): WorkflowDef<unknown, unknown> {
  return { name: "test", version: 1, run };
}

void describe("a run that people decide about", () => {
  const manual = (calls: string[], raise?: (scope: StepScope) => Promise<void>): WorkflowDef<unknown, unknown> =>
    workflow(async (ctx) => {
      try {
        return await ctx.step(
          "charge",
          () => {
            calls.push("charge");
            return calls.length === 1 ? Promise.reject(new Error("connection lost")) : Promise.resolve("charged");
          },
          {
            disposition: {
              kind: "manual",
              intended: "charge the card",
              whenDone: "done by hand",
              ...(raise && { raiseFence: raise }),
            },
            deadlineMs: 1_000,
          },
        );
      } catch (error) {
        return error instanceof Interrupted ? "rolled back" : "failed";
      }
    });

  for (const [as, output, calls] of [
    ["done", "done by hand", 1],
    ["skip", "done by hand", 1],
    ["retry", "charged", 2],
    ["rollback", "rolled back", 1],
  ] as const) {
    void it(`holds at a manual step whose outcome is unknown, and goes on as "${as}" says`, async () => {
      const world = new World();
      const seen: string[] = [];
      const fences: number[] = [];
      const def = manual(seen, (scope) => {
        fences.push(scope.fence.token * 10 + scope.fence.attempt);
        return Promise.resolve();
      });
      const held = await world.run(def);
      assert.deepEqual(held, {
        state: "held",
        question: {
          ask: "resolve",
          step: "charge",
          intended: "charge the card",
          known: "connection lost",
          choices: ["done", "retry", "skip", "rollback"],
        },
      });
      const process = world.spawn();
      process.engine.request("run-1", { kind: "resolve", step: "charge", as }, { by: "DBA", reason: "looked" });
      assert.deepEqual(await world.resume(def, "run-1", process), { state: "done", output });
      assert.equal(seen.length, calls);
      // The target sees the newer fence before the hold, and the newer token before the decision.
      assert.deepEqual(fences, [12, 22]);
      const outcome = world.disk.rows.find(({ type }) => type === "outcome")?.data as { by?: string };
      if (as === "done" || as === "skip") assert.equal(outcome.by, "DBA");
    });
  }

  void it("does not believe that it is done while its target cannot be told of the newer fence", async () => {
    const world = new World();
    const def = manual([], () => Promise.reject(new Error("no route")));
    await world.run(def);
    const process = world.spawn();
    process.engine.request("run-1", { kind: "resolve", step: "charge", as: "done" }, { by: "DBA" });
    const result = await world.resume(def, "run-1", process);
    assert.equal(result.state, "held");
    assert.match(JSON.stringify(result), /could not be reached: no route/);
  });

  void it("asks the world first when a step can be probed, and holds when that does not help", async () => {
    const world = new World();
    let state: "done" | "not-done" | "unknown" = "unknown";
    let calls = 0;
    const def = workflow((ctx) =>
      ctx.step("install", () => ((calls += 1), Promise.reject(new Error("lost"))), {
        disposition: {
          kind: "probe",
          probe: () => Promise.resolve(state === "done" ? { state, value: "found" } : { state }),
        },
        deadlineMs: 1_000,
      }),
    );
    assert.equal((await world.run(def)).state, "held");
    state = "done";
    assert.deepEqual(await world.resume(def), { state: "done", output: "found" });
    assert.equal(calls, 1);
  });

  void it("refuses answers to what is not asked", async () => {
    const world = new World();
    const process = world.spawn();
    await world.run(manual([]), { process });
    const resolve = (step: string, as: "done" | "retry") => () =>
      process.engine.request("run-1", { kind: "resolve", step, as }, { by: "DBA" });
    assert.throws(resolve("other", "done"), { code: "NOT_HELD" });
    assert.throws(() => process.engine.request("nope", { kind: "pause" }, { by: "DBA" }), { code: "RUN_UNKNOWN" });
  });

  void it("takes the first of two answers to a question, and tells whoever gives the second", async () => {
    const world = new World();
    const process = world.spawn();
    await world.run(manual([]), { process });
    const resolve = (as: "done" | "rollback", by: string) => () =>
      process.engine.request("run-1", { kind: "resolve", step: "charge", as }, { by });
    resolve("done", "DBA")();
    assert.throws(resolve("rollback", "CTO"), { code: "ALREADY_ANSWERED", message: /DBA has answered it with "done"/ });
    const { output } = (await world.resume(manual([]), "run-1", process)) as { output: unknown };
    assert.equal(output, "done by hand");
  });

  void it("takes the first of two signals that answer what is asked", async () => {
    const world = new World();
    const process = world.spawn();
    const def = workflow((ctx) => ctx.waitFor("decision", { held: { what: "go on?" } }));
    await world.run(def, { process });
    const signal = (as: string, by: string) => () =>
      process.engine.request("run-1", { kind: "signal", name: "decision", value: { as } }, { by });
    signal("retry", "DBA")();
    assert.throws(signal("skip", "CTO"), { code: "ALREADY_ANSWERED", message: /DBA has answered it with "retry"/ });
    assert.deepEqual(await world.resume(def, "run-1", process), {
      state: "done",
      output: { ok: true, value: { as: "retry" } },
    });
  });

  void it("takes no request that its verifier refuses, and says so", async () => {
    const world = new World();
    const process = world.spawn({
      verify: ({ by }) => {
        if (by !== "CTO") throw new SunnyError("USAGE", "not signed by the CTO");
      },
    });
    let observed: Promise<string> | undefined;
    world.clock.timer(1_000, () => {
      const seq = process.engine.request("run-1", { kind: "signal", name: "go", value: 1 }, { by: "operator" });
      observed = process.engine.awaitObserved("run-1", seq);
    });
    world.clock.timer(5_000, () =>
      process.engine.request("run-1", { kind: "signal", name: "go", value: 2 }, { by: "CTO" }),
    );
    const result = await world.run(
      workflow((ctx) => ctx.waitFor("go")),
      { process },
    );
    assert.deepEqual(result, { state: "done", output: { ok: true, value: 2 } });
    assert.equal(await observed, "refused");
  });

  void it("pauses at the next operation and goes on when it is resumed", async () => {
    const world = new World();
    const process = world.spawn();
    const seen: string[] = [];
    const def = workflow(async (ctx) => {
      const slow = (name: string) => () => {
        seen.push(name);
        return new Promise<null>((resolve) => void world.clock.timer(2_000, () => resolve(null)));
      };
      await ctx.step("a", slow("a"), IDEMPOTENT);
      await ctx.step("b", slow("b"), IDEMPOTENT);
    });
    world.clock.timer(1_000, () => process.engine.request("run-1", { kind: "pause" }, { by: "operator" }));
    const result = await world.run(def, { process });
    assert.equal(result.state === "paused" && result.reason.code, "PAUSED");
    assert.deepEqual(seen, ["a"]);
    assert.equal((await world.resume(def)).state, "done");
    assert.deepEqual(seen, ["a", "b"]);
  });

  void it("expires a wait, and an answer that came too late does not count", async () => {
    const world = new World();
    const def = workflow((ctx) => ctx.waitFor("approve", { timeoutMs: 1_000 }));
    const first = world.spawn();
    first.engine.start(def, { id: "run-1", input: null, actor: "operator", environment: "production" });
    first.engine.execute("run-1", [def]).catch(() => undefined);
    await world.clock.pass(500);
    first.kill();
    await world.clock.pass(5_000);
    const process = world.spawn();
    process.engine.request("run-1", { kind: "signal", name: "approve", value: true }, { by: "CTO" });
    const result = await world.resume(def, "run-1", process);
    assert.deepEqual(result, { state: "done", output: { ok: false, timedOut: true } });
  });

  void it("tells that nobody runs", async () => {
    const world = new World();
    const process = world.spawn();
    await world.run(
      workflow((ctx) => ctx.waitFor("go", { held: "?" })),
      { process },
    );
    const seq = process.engine.request("run-1", { kind: "signal", name: "go", value: 1 }, { by: "operator" });
    assert.equal(await process.engine.awaitObserved("run-1", seq), "nobody-runs");
  });
});
