/* oxlint-disable unicorn/consistent-function-scoping -- a test reads better with its helpers in it */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { SunnyError } from "../errors.ts";
import type { DurableContext, StepOptions, StepScope, WorkflowDef } from "./context.ts";
import { World } from "./testing/world.ts";

const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000, target: "fenced" };

function workflow(run: (ctx: DurableContext) => Promise<unknown>): WorkflowDef<unknown, unknown> {
  return { name: "test", version: 1, run };
}

function begin(world: World, def: WorkflowDef<unknown, unknown>, id = "run-1", process = world.spawn()) {
  process.engine.start(def, { id, input: null, actor: "operator", environment: "production" });
  const execution = process.engine.execute(id, [def]);
  execution.catch(() => undefined);
  return { process, execution };
}

void describe("lease", () => {
  void it("keeps a second process out while the first lives, and names it", async () => {
    const world = new World();
    const def = workflow((ctx) => ctx.sleep("s", 600_000));
    const { process } = begin(world, def);
    await world.clock.pass(300_000);
    await assert.rejects(world.resume(def), (error) => {
      assert.ok(error instanceof SunnyError);
      return error.code === "RUN_BUSY" && error.details["pid"] === process.pid;
    });
  });

  void it("is not taken by who decided so before another process carried the run to a question", async () => {
    const world = new World();
    const asked: string[] = [];
    const def = workflow(async (ctx) => {
      asked.push(ctx.runId);
      await ctx.waitFor("answer", { held: { what: "go on?" } });
    });
    const { process } = begin(world, def);
    await world.clock.pass(500);
    process.kill();
    const seen = world.disk.runs.get("run-1")!;
    assert.equal((await world.resume(def)).state, "held");
    const late = world.spawn();
    await assert.rejects(late.engine.execute("run-1", [def], { seen }), { code: "RUN_BUSY" });
    assert.equal(world.disk.runs.get("run-1")?.state, "held");
    assert.equal(asked.length, 2);
    const again = world.disk.runs.get("run-1")!;
    assert.equal((await late.engine.execute("run-1", [def], { seen: again })).state, "held");
  });

  void it("of a process that is provably dead goes to the next at once, with a newer token", async () => {
    const world = new World();
    const tokens: number[] = [];
    const def = workflow(async (ctx) => {
      const note = (scope: StepScope): Promise<null> => (tokens.push(scope.fence.token), Promise.resolve(null));
      await ctx.step("a", note, IDEMPOTENT);
      await ctx.sleep("s", 1_000);
      await ctx.step("b", note, IDEMPOTENT);
    });
    const { process } = begin(world, def);
    await world.clock.pass(500);
    process.kill();
    assert.equal((await world.resume(def)).state, "done");
    assert.deepEqual(tokens, [1, 2]);
  });

  void it("stays renewed through a wait that is longer than it", async () => {
    const world = new World();
    begin(
      world,
      workflow((ctx) => ctx.sleep("s", 600_000)),
    );
    await world.clock.pass(100_000);
    const left = world.disk.runs.get("run-1")!.lease!.expiresAt - world.clock.now();
    assert.ok(left > 9_000, `${left} ms left`);
  });

  void it("of a dead process waits while a process that acts for it lives", async () => {
    const world = new World();
    const script = world.spawn();
    const hang = (scope: StepScope): Promise<null> => {
      scope.spawned?.({ pid: script.pid, startTime: "1", boot: "boot" });
      return new Promise(() => undefined);
    };
    const def = workflow((ctx) => ctx.step("script", hang, { ...IDEMPOTENT, target: "bounded" }));
    const { process } = begin(world, def);
    await world.clock.pass(1_000);
    process.kill();
    await assert.rejects(world.resume(def), { code: "RUN_BUSY" });
    script.kill();
    const again = world.resume(workflow((ctx) => ctx.step("script", () => Promise.resolve("ran"), IDEMPOTENT)));
    assert.deepEqual(await again, { state: "done", output: "ran" });
  });

  void it("covers the deadline of an effect on a bounded target", async () => {
    const world = new World();
    const hang = (): Promise<null> => new Promise(() => undefined);
    begin(
      world,
      workflow((ctx) => ctx.step("terraform", hang, { ...IDEMPOTENT, target: "bounded", deadlineMs: 900_000 })),
    );
    await world.clock.pass(1_000);
    assert.ok(world.disk.runs.get("run-1")!.lease!.expiresAt - world.clock.now() > 900_000);
  });

  void it("that was lost stops its former holder: no row, no step, nothing that workflow code could notice", async () => {
    const world = new World();
    const seen: string[] = [];
    const def = workflow(async (ctx) => {
      try {
        await ctx.step(
          "slow",
          () => new Promise((resolve) => void world.clock.timer(8_000, () => resolve(1))),
          IDEMPOTENT,
        );
        await ctx.step("next", () => Promise.resolve(seen.push("next")), IDEMPOTENT);
      } catch {
        seen.push("caught");
      } finally {
        seen.push("finally");
      }
    });
    const { execution } = begin(world, def);
    await world.clock.pass(1_000);
    // As a process that was stopped for longer than its lease: another one took over.
    world.disk.runs.set("run-1", { ...world.disk.runs.get("run-1")!, lease: null });
    const rows = world.disk.rows.length;
    assert.deepEqual(await world.clock.until(execution), { state: "superseded" });
    await world.clock.pass(60_000);
    assert.deepEqual(seen, []);
    assert.equal(world.disk.rows.length, rows);
  });

  void it("is asked for before an effect, and then found to be another's before any timer tells it", async () => {
    const world = new World();
    const seen: string[] = [];
    let goOn: () => void = () => undefined;
    const def = workflow((ctx) =>
      ctx.step(
        "renew",
        async (scope) => {
          scope.requireLease?.();
          seen.push("issued");
          await new Promise<void>((resolve) => (goOn = resolve));
          scope.requireLease?.();
          seen.push("replaced");
        },
        IDEMPOTENT,
      ),
    );
    const { execution } = begin(world, def);
    await world.clock.pass(1);
    world.disk.runs.set("run-1", { ...world.disk.runs.get("run-1")!, lease: null });
    goOn();
    assert.deepEqual(await execution, { state: "superseded" });
    assert.deepEqual(seen, ["issued"]);
  });

  void it("aborts what its former holder has under way as soon as that notices", async () => {
    const world = new World();
    let aborted = false;
    const def = workflow((ctx) =>
      ctx.step(
        "a",
        (scope) =>
          new Promise((_, reject) =>
            scope.signal.addEventListener("abort", () => ((aborted = true), reject(scope.signal.reason as Error))),
          ),
        IDEMPOTENT,
      ),
    );
    const { execution } = begin(world, def);
    await world.clock.pass(1_000);
    world.disk.runs.set("run-1", { ...world.disk.runs.get("run-1")!, lease: null });
    assert.deepEqual(await world.clock.until(execution), { state: "superseded" });
    assert.equal(aborted, true);
  });
});

void describe("occupancy", () => {
  const occupying = workflow(async (ctx) => {
    await ctx.waitFor("approve");
    await ctx.occupy("production");
    await ctx.waitFor("go", { held: "go on?" });
  });

  void it("begins with occupy, outlives the executor, and ends with the run", async () => {
    const world = new World();
    const { process, execution } = begin(world, occupying);
    await world.clock.pass(1_000);
    assert.equal(world.disk.environments.get("production")?.occupiedBy, null);
    process.engine.request("run-1", { kind: "signal", name: "approve", value: 1 }, { by: "CTO" });
    assert.equal((await world.clock.until(execution)).state, "held");
    const { occupiedBy } = world.disk.environments.get("production")!;
    assert.equal(occupiedBy, "run-1");

    const other = await world.run(
      workflow((ctx) => ctx.occupy("production")),
      { id: "run-2" },
    );
    assert.equal(other.state === "failed" && other.error.code, "ENVIRONMENT_OCCUPIED");
    assert.match(
      other.state === "failed" ? other.error.message : "",
      /occupied by run run-1 since 2026-01-05T20:00:01/,
    );

    process.engine.request("run-1", { kind: "signal", name: "go", value: 1 }, { by: "CTO" });
    assert.equal((await world.resume(occupying)).state, "done");
    assert.equal(world.disk.environments.get("production")?.occupiedBy, null);
  });

  void it("draws a newer token than runs had that were there meanwhile", async () => {
    const world = new World();
    const tokens: number[] = [];
    const def = workflow(async (ctx) => {
      await ctx.waitFor("approve");
      await ctx.occupy("production");
      await ctx.step("a", (scope) => Promise.resolve(tokens.push(scope.fence.token)), IDEMPOTENT);
    });
    const { process, execution } = begin(world, def);
    await world.run(
      workflow((ctx) => ctx.occupy("production")),
      { id: "run-2" },
    );
    process.engine.request("run-1", { kind: "signal", name: "approve", value: 1 }, { by: "CTO" });
    await world.clock.until(execution);
    assert.deepEqual(tokens, [3]);
  });

  void it("passes to the run that supersedes the occupant, which ends there", async () => {
    const world = new World();
    const first = begin(world, occupying);
    first.process.engine.request("run-1", { kind: "signal", name: "approve", value: 1 }, { by: "CTO" });
    await world.clock.until(first.execution);
    const process = world.spawn();
    const rollback = workflow((ctx) => ctx.occupy("production"));
    process.engine.start(rollback, {
      id: "back",
      input: null,
      actor: "operator",
      environment: "production",
      supersedes: "run-1",
    });
    assert.equal((await world.resume(rollback, "back", process)).state, "done");
    assert.deepEqual(await world.resume(occupying), { state: "superseded" });
  });
});

void describe("a journal that cannot be written", () => {
  void it("stops the run like a crash, and what was not journaled is resolved on resume", async () => {
    const world = new World();
    const effects: string[] = [];
    const seen: string[] = [];
    const def = workflow(async (ctx) => {
      try {
        for (const name of ["a", "b", "c"]) await ctx.step(name, () => Promise.resolve(effects.push(name)), IDEMPOTENT);
      } catch {
        seen.push("caught");
      } finally {
        seen.push("finally");
      }
    });
    const full = new SunnyError("DISK_FULL", "no space");
    const process = world.spawn({ failFrom: { commit: 4, error: full } });
    await assert.rejects(world.run(def, { process }), { code: "DISK_FULL" });
    assert.deepEqual(seen, []);
    process.kill();
    assert.equal((await world.resume(def)).state, "done");
    assert.deepEqual(effects, ["a", "a", "b", "c"]);
    assert.deepEqual(seen, ["finally"]);
  });

  void it("does nothing new when the evidence cannot be written", async () => {
    const world = new World();
    const effects: string[] = [];
    let left = 2;
    const sink = {
      append: () => {
        left -= 1;
        if (left < 0) throw new SunnyError("AUDIT_UNWRITABLE", "no log");
      },
      committed: () => undefined,
      rolledBack: () => undefined,
      flush: () => undefined,
    };
    const def = workflow(async (ctx) => {
      for (const name of ["a", "b", "c"]) await ctx.step(name, () => Promise.resolve(effects.push(name)), IDEMPOTENT);
    });
    await assert.rejects(world.run(def, { process: world.spawn({ sink }) }), { code: "AUDIT_UNWRITABLE" });
    assert.deepEqual(effects, ["a"]);
    assert.equal(world.disk.rows.length, 2);
  });
});
