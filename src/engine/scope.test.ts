/* oxlint-disable unicorn/consistent-function-scoping -- a test reads better with its helpers in it */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { DurableContext, StepOptions, StepScope, WorkflowDef } from "./context.ts";
import type { RunResult } from "./engine.ts";
import { runsWithin } from "./scope.ts";
import { World } from "./testing/world.ts";
import type { SimulatedProcess } from "./testing/world.ts";

const STEP: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000, target: "bounded" };
const START = { input: null, actor: "operator", environment: "production" } as const;

function workflow(run: (ctx: DurableContext) => Promise<unknown>): WorkflowDef<unknown, unknown> {
  return { name: "test", version: 1, run };
}

/** A workflow that occupies and calls `script` in a step that lets programs act within it. */
function calling(script: (token: string, scope: StepScope) => Promise<unknown>): WorkflowDef<unknown, unknown> {
  return workflow(async (ctx) => {
    await ctx.occupy("production");
    await ctx.step("script", async (scope) => (await script(scope.openScope!(), scope), null), STEP);
    await ctx.step("after", (scope) => Promise.resolve(scope.fence.token), STEP);
  });
}

const changing = (tokens: number[]): WorkflowDef<unknown, unknown> =>
  workflow(async (ctx) => {
    await ctx.occupy("production");
    await ctx.step("change", (scope) => Promise.resolve(tokens.push(scope.fence.token)), STEP);
  });

/** What a program that was handed a token does: starts a run of its own, in a process of its own. */
function nested(
  process: SimulatedProcess,
  token: string,
  def: WorkflowDef<unknown, unknown>,
  id = "nested-1",
): Promise<RunResult> {
  process.engine.start(def, { ...START, id, within: token });
  return process.engine.execute(id, [def]);
}

const codeOf = (result: RunResult): string => (result.state === "failed" ? result.error.code : result.state);

void describe("a run that a step has started", () => {
  void it("changes what the run of the step occupies, and is recorded with it", async () => {
    const world = new World();
    const tokens: number[] = [];
    let inner: RunResult | undefined;
    const outer = calling(async (token) => {
      inner = await nested(world.spawn(), token, changing(tokens));
    });
    const result = await world.run(outer);
    assert.equal(result.state, "done");
    assert.equal(inner?.state, "done");
    const { read } = world.spawn().journal;
    assert.deepEqual(
      runsWithin(read, "run-1").map(({ id, within }) => [id, within?.run, within?.step]),
      [["nested-1", "run-1", "script"]],
    );
    assert.equal(world.disk.environments.get("production")?.occupiedBy, null);
  });

  void it("acts with a newer token, and the run of the step gets a newer one yet when the step is over", async () => {
    const world = new World();
    const tokens: number[] = [];
    const outer = calling((token) => nested(world.spawn(), token, changing(tokens)));
    await world.run(outer);
    const after = world.disk.rows.find((row) => row.type === "outcome" && row.name === "after");
    const later = (after?.data as { value: number } | undefined)?.value;
    assert.deepEqual([tokens, later], [[2], 3]);
  });

  void it("leaves the environment occupied when it ends", async () => {
    const world = new World();
    let occupant: string | null | undefined;
    const outer = calling(async (token) => {
      await nested(world.spawn(), token, changing([]));
      occupant = world.disk.environments.get("production")?.occupiedBy;
    });
    await world.run(outer);
    assert.equal(occupant, "run-1");
  });

  void it("is refused when it cannot show the token", async () => {
    const world = new World();
    let inner: RunResult | undefined;
    const outer = calling(async (token) => {
      const process = world.spawn();
      const guess = token.replace(/\S+$/, "0");
      assert.throws(() => nested(process, guess, changing([])), { code: "SCOPE_ENDED" });
      assert.throws(() => nested(process, "something else", changing([])), { code: "SCOPE_ENDED" });
      const def = changing([]);
      process.engine.start(def, { ...START, id: "stranger" });
      inner = await process.engine.execute("stranger", [def]);
    });
    await world.run(outer);
    assert.equal(inner === undefined ? "" : codeOf(inner), "ENVIRONMENT_OCCUPIED");
    assert.equal(world.disk.runs.has("nested-1"), false);
  });

  void it("is refused once the step is over, and by what is left of a dead process", async () => {
    const world = new World();
    let kept = "";
    await world.run(calling((token) => Promise.resolve((kept = token))));
    assert.throws(() => world.spawn().engine.start(changing([]), { ...START, id: "late", within: kept }), {
      code: "SCOPE_ENDED",
    });

    const process = world.spawn();
    const outer = calling((token) => ((kept = token), new Promise(() => {})));
    process.engine.start(outer, { ...START, id: "run-2" });
    process.engine.execute("run-2", [outer]).catch(() => undefined);
    await world.clock.pass(1_000);
    const late = world.spawn();
    assert.equal(late.engine.scopeOf(kept).host.id, "run-2");
    process.kill();
    assert.throws(() => late.engine.scopeOf(kept), { code: "SCOPE_ENDED", message: /run-2 out is gone/ });
  });

  void it("ends with the step when it has not ended by then, and writes nothing more", async () => {
    const world = new World();
    const effects: string[] = [];
    let inner: Promise<RunResult> | undefined;
    const slow = workflow(async (ctx) => {
      await ctx.occupy("production");
      await ctx.sleep("s", 20_000);
      await ctx.step("late", () => Promise.resolve(effects.push("late")), STEP);
    });
    const outer = calling((token) => {
      inner = nested(world.spawn(), token, slow);
      return new Promise<void>((resolve) => void world.clock.timer(1_000, resolve));
    });
    assert.equal((await world.run(outer)).state, "done");
    assert.deepEqual(await world.clock.until(inner!), { state: "superseded" });
    assert.deepEqual(effects, []);
    assert.equal(world.disk.runs.get("nested-1")?.state, "superseded");
  });

  void it("ends when the run of the step is taken up by another process", async () => {
    const world = new World();
    const slow = workflow(async (ctx) => {
      await ctx.occupy("production");
      await ctx.sleep("s", 600_000);
    });
    let turn = 0;
    const outer = calling(async (token) => {
      turn += 1;
      if (turn === 1) await nested(world.spawn(), token, slow).catch(() => undefined);
    });
    const first = world.spawn();
    first.engine.start(outer, { ...START, id: "run-1" });
    first.engine.execute("run-1", [outer]).catch(() => undefined);
    await world.clock.pass(1_000);
    first.kill();
    assert.equal((await world.resume(outer)).state, "done");
    assert.equal(world.disk.runs.get("nested-1")?.state, "superseded");
    assert.equal((await world.resume(slow, "nested-1")).state, "superseded");
  });

  void it("shares the step with one other at most that changes something", async () => {
    const world = new World();
    const ends: string[] = [];
    const slow = workflow(async (ctx) => {
      await ctx.occupy("production");
      await ctx.sleep("s", 5_000);
    });
    const outer = calling(async (token) => {
      const first = nested(world.spawn(), token, slow, "first");
      await new Promise<void>((resolve) => void world.clock.timer(1_000, resolve));
      const second = await nested(world.spawn(), token, changing([]), "second");
      ends.push(codeOf(second), codeOf(await first));
      ends.push(codeOf(await nested(world.spawn(), token, changing([]), "third")));
    });
    await world.run(outer);
    assert.deepEqual(ends, ["ENVIRONMENT_OCCUPIED", "done", "done"]);
  });

  void it("may start further ones, which belong to the outermost run", async () => {
    const world = new World();
    const tokens: number[] = [];
    let host = "";
    const middle = calling((token) => {
      const process = world.spawn();
      host = process.engine.scopeOf(token).host.id;
      return nested(process, token, changing(tokens), "inner");
    });
    const outer = calling((token) => nested(world.spawn(), token, middle, "middle"));
    assert.equal((await world.run(outer)).state, "done");
    assert.equal(host, "run-1");
    assert.equal(world.disk.runs.get("inner")?.state, "done");
  });

  void it("may change nothing when the run of the step occupies nothing", async () => {
    const world = new World();
    let inner: RunResult | undefined;
    const outer = workflow((ctx) =>
      ctx.step(
        "script",
        async (scope) => ((inner = await nested(world.spawn(), scope.openScope!(), changing([]))), null),
        STEP,
      ),
    );
    await world.run(outer);
    assert.equal(inner === undefined ? "" : codeOf(inner), "SCOPE_EXCEEDED");
  });
});
