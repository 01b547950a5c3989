/* oxlint-disable unicorn/consistent-function-scoping -- a test reads better with its helpers in it */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { RetryableError, StepFailedError, TerminalError } from "./context.ts";
import type { DurableContext, StepOptions, StepScope, WorkflowDef } from "./context.ts";
import { World } from "./testing/world.ts";

const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000 };

function workflow(run: (ctx: DurableContext, input: unknown) => Promise<unknown>): WorkflowDef<unknown, unknown> {
  return { name: "test", version: 1, run };
}

void describe("engine", () => {
  void it("runs steps in order and returns the output of the workflow", async () => {
    const world = new World();
    const seen: string[] = [];
    const def = workflow(async (ctx, input) => {
      const a = await ctx.step("a", () => Promise.resolve(seen.push("a")), IDEMPOTENT);
      const b = await ctx.step("b", () => Promise.resolve(seen.push("b")), IDEMPOTENT);
      return { a, b, input };
    });
    const result = await world.run(def, { input: { x: 1 } });
    assert.deepEqual(result, { state: "done", output: { a: 1, b: 2, input: { x: 1 } } });
    assert.deepEqual(seen, ["a", "b"]);
  });

  void it("commits the outcome of one step and the intent of the next together", async () => {
    const world = new World();
    const process = world.spawn();
    const def = workflow(async (ctx) => {
      for (let i = 0; i < 10; i++) await ctx.step(`s${i}`, () => Promise.resolve(i), IDEMPOTENT);
    });
    await world.run(def, { process });
    // start, lease, ten intents, end
    assert.equal(process.commits(), 13);
  });

  void it("journals an outcome soon when the workflow does something else than its next operation", async () => {
    const world = new World();
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const def = workflow(async (ctx) => {
      await ctx.step("a", () => Promise.resolve(1), IDEMPOTENT);
      await gate;
    });
    const result = world.run(def);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(world.disk.rows.at(-1)?.type, "outcome");
    release();
    assert.equal((await result).state, "done");
  });

  void it("tries retryable errors again within the policy and reports the last code", async () => {
    const world = new World();
    let calls = 0;
    const def = workflow((ctx) =>
      ctx.step(
        "a",
        () => {
          calls += 1;
          return Promise.reject(new RetryableError("BUSY", "the target is busy"));
        },
        { ...IDEMPOTENT, retry: { maxAttempts: 3, initialMs: 100, factor: 10, maxMs: 500 } },
      ),
    );
    const begun = world.clock.monotonic();
    const result = await world.run(def);
    assert.deepEqual(result, {
      state: "failed",
      error: { code: "BUSY", message: "the target is busy", details: null },
    });
    assert.equal(calls, 3);
    assert.equal(world.clock.monotonic() - begun, 600);
  });

  void it("gives every attempt the same idempotency key and a growing fence", async () => {
    const world = new World();
    const scopes: StepScope[] = [];
    const def = workflow((ctx) =>
      ctx.step(
        "a",
        (scope) => {
          scopes.push(scope);
          return scopes.length < 3 ? Promise.reject(new RetryableError("BUSY", "busy")) : Promise.resolve(null);
        },
        { ...IDEMPOTENT, retry: { maxAttempts: 3 } },
      ),
    );
    await world.run(def);
    assert.deepEqual(
      scopes.map(({ idempotencyKey, fence }) => [idempotencyKey, fence.token, fence.attempt]),
      [
        ["run-1/a", 1, 1],
        ["run-1/a", 1, 2],
        ["run-1/a", 1, 3],
      ],
    );
  });

  void it("lets workflow code catch a terminal failure with code and details", async () => {
    const world = new World();
    const def = workflow(async (ctx) => {
      try {
        await ctx.step("a", () => Promise.reject(new TerminalError("BAD", "it is bad", { n: 1 })), IDEMPOTENT);
        return null;
      } catch (error) {
        assert.ok(error instanceof StepFailedError);
        return [error.step, error.code, error.message, error.details];
      }
    });
    assert.deepEqual(await world.run(def), { state: "done", output: ["a", "BAD", "it is bad", { n: 1 }] });
  });

  void it("runs parallel steps to their ends and reports them in the order of declaration", async () => {
    const world = new World();
    const def = workflow(async (ctx) => {
      const slow = new Promise<string>((resolve) => world.clock.timer(5_000, () => resolve("slow")));
      const fail = (): Promise<string> => Promise.reject(new TerminalError("BAD", "bad"));
      const results = await ctx.parallel([
        { name: "slow", fn: () => slow, options: IDEMPOTENT },
        { name: "bad", fn: fail, options: IDEMPOTENT },
        { name: "quick", fn: () => Promise.resolve("quick"), options: IDEMPOTENT },
      ]);
      return results.map((result) => (result.ok ? result.value : result.error.code));
    });
    assert.deepEqual(await world.run(def), { state: "done", output: ["slow", "BAD", "quick"] });
  });

  void it("pauses over a second operation while one is pending, and neither settles", async () => {
    const world = new World();
    let settled = 0;
    const def = workflow(async (ctx) => {
      const count = (): void => void (settled += 1);
      const both = [
        ctx.step("a", () => Promise.resolve(1), IDEMPOTENT).then(count, count),
        ctx.step("b", () => Promise.resolve(1), IDEMPOTENT).then(count, count),
      ];
      await Promise.all(both);
    });
    const result = await world.run(def);
    assert.equal(result.state, "paused");
    assert.equal(result.state === "paused" && result.reason.code, "OPERATION_PENDING");
    assert.equal(settled, 0);
  });

  void it("pauses over a name that is used twice", async () => {
    const world = new World();
    const def = workflow(async (ctx) => {
      await ctx.step("a", () => Promise.resolve(1), IDEMPOTENT);
      await ctx.step("a", () => Promise.resolve(1), IDEMPOTENT);
    });
    const result = await world.run(def);
    assert.equal(result.state === "paused" && result.reason.code, "REPLAY_MISMATCH");
  });

  void it("pauses over a defect of workflow code, and goes on when it was corrected", async () => {
    const world = new World();
    let effects = 0;
    const make = (broken: boolean): WorkflowDef<unknown, unknown> =>
      workflow(async (ctx) => {
        await ctx.step("a", () => Promise.resolve((effects += 1)), IDEMPOTENT);
        if (broken) throw new TypeError("undefined is not a function");
        return "fine";
      });
    const paused = await world.run(make(true));
    assert.equal(paused.state === "paused" && paused.reason.code, "WORKFLOW_DEFECT");
    assert.deepEqual(await world.resume(make(false)), { state: "done", output: "fine" });
    assert.equal(effects, 1);
  });

  for (const [what, changed] of Object.entries({
    "another name": ["x", "b"],
    "another order": ["b", "a"],
    "a removed step": ["a"],
  })) {
    void it(`pauses over changed code: ${what}`, async () => {
      const world = new World();
      const make = (names: string[]): WorkflowDef<unknown, unknown> =>
        workflow(async (ctx) => {
          for (const name of names) await ctx.step(name, () => Promise.resolve(1), IDEMPOTENT);
          await ctx.waitFor("go", { held: "?" });
        });
      assert.equal((await world.run(make(["a", "b"]))).state, "held");
      const result = await world.resume(make(changed));
      assert.equal(result.state === "paused" && result.reason.code, "REPLAY_MISMATCH");
    });
  }

  void it("pauses over another version of the workflow, and says which it needs", async () => {
    const world = new World();
    const def = workflow((ctx) => ctx.waitFor("go", { held: "?" }));
    await world.run(def);
    const result = await world.resume({ ...def, version: 2 });
    assert.equal(result.state === "paused" && result.reason.code, "WORKFLOW_VERSION");
    assert.match(result.state === "paused" ? result.reason.message : "", /version 1 .* has version 2/);
  });

  void it("refuses values that are no JSON or too large", async () => {
    for (const [value, code] of [
      [1n, "PAYLOAD_INVALID"],
      ["x".repeat(5 * 1024 * 1024), "PAYLOAD_TOO_LARGE"],
    ] as const) {
      const world = new World();
      const def = workflow((ctx) => ctx.step<unknown>("a", () => Promise.resolve(value), IDEMPOTENT));
      const result = await world.run(def);
      assert.equal(result.state === "failed" && result.error.code, code);
    }
  });

  void it("ends a step at its deadline even when it never returns, and runs it once more to settle it", async () => {
    const world = new World();
    let calls = 0;
    const def = workflow((ctx) =>
      ctx.step("a", () => ((calls += 1), new Promise(() => undefined)), { ...IDEMPOTENT, deadlineMs: 1_000 }),
    );
    const result = await world.run(def);
    assert.equal(result.state === "failed" && result.error.code, "STEP_DEADLINE");
    assert.equal(calls, 2);
    // Twice a second and ten of grace, and half a second between.
    assert.equal(world.clock.monotonic(), 22_500);
  });

  void it("remembers time and ids", async () => {
    const world = new World();
    const seen: unknown[] = [];
    const def = workflow(async (ctx) => {
      seen.push([await ctx.now(), await ctx.uuid()]);
      await ctx.waitFor("go", { held: "?" });
    });
    await world.run(def);
    await world.clock.pass(10_000);
    await world.resume(def);
    assert.deepEqual(seen[1], seen[0]);
  });

  void it("sleeps until an absolute time across a restart", async () => {
    const world = new World();
    const first = world.spawn();
    const def = workflow((ctx) => ctx.sleep("rest", 60_000));
    first.engine.start(def, { id: "run-1", input: null, actor: "operator", environment: "production" });
    const dead = first.engine.execute("run-1", [def]);
    dead.catch(() => undefined);
    await world.clock.pass(50_000);
    first.kill();
    const begun = world.clock.monotonic();
    assert.equal((await world.resume(def)).state, "done");
    assert.equal(world.clock.monotonic() - begun, 10_000);
  });

  void it("keeps what children returned and resumes the one that had not ended", async () => {
    const world = new World();
    const effects: string[] = [];
    const child: WorkflowDef<string, string> = {
      name: "child",
      version: 1,
      run: async (ctx, input) => {
        await ctx.step("work", () => Promise.resolve(effects.push(input)), IDEMPOTENT);
        if (input === "two") await ctx.waitFor("go", { held: "may two go on?" });
        return `${input} done`;
      },
    };
    const def = workflow((ctx) =>
      ctx.children(["one", "two"].map((input) => ({ def: child, id: `run-1/${input}`, input }))),
    );
    const held = await world.run(def);
    assert.equal(held.state, "held");
    const process = world.spawn();
    process.engine.request("run-1/two", { kind: "signal", name: "go", value: null }, { by: "operator" });
    const result = await world.resume(def, "run-1", process);
    assert.deepEqual(result, {
      state: "done",
      output: [
        { ok: true, value: "one done" },
        { ok: true, value: "two done" },
      ],
    });
    assert.deepEqual(effects, ["one", "two"]);
  });
});
