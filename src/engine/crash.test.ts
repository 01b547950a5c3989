import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { DurableContext, StepOptions, StepScope, WorkflowDef } from "./context.ts";
import { Interrupted } from "./context.ts";
import type { RunResult } from "./engine.ts";
import { Died, World } from "./testing/world.ts";

/** A target that remembers what was done to it, and under which fence. */
class Target {
  readonly effects: string[] = [];
  /** Highest (token, attempt) seen for each key. */
  readonly fences = new Map<string, [number, number]>();
  token = 0;

  act(name: string, scope: StepScope): void {
    this.see(scope);
    this.effects.push(name);
  }

  see({ fence, idempotencyKey }: StepScope): void {
    assert.ok(fence.token >= this.token, `${idempotencyKey} came with an older token`);
    this.token = fence.token;
    const [token, attempt] = this.fences.get(idempotencyKey) ?? [0, 0];
    assert.ok(fence.token > token || fence.attempt >= attempt, `${idempotencyKey} came with an older attempt`);
    this.fences.set(idempotencyKey, [fence.token, fence.attempt]);
  }

  count(name: string): number {
    return this.effects.filter((effect) => effect === name).length;
  }
}

const idempotent: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000, target: "fenced" };

/** Every kind of operation, a probed step that must not happen twice, and a rollback when it was interrupted. */
function deployment(target: Target): WorkflowDef<unknown, unknown> {
  const act = (name: string) => (scope: StepScope) => Promise.resolve(target.act(name, scope)).then(() => name);
  const once: StepOptions<string> = {
    disposition: {
      kind: "probe",
      probe: (scope) => {
        target.see(scope);
        return Promise.resolve(target.count("once") > 0 ? { state: "done", value: "once" } : { state: "not-done" });
      },
    },
    deadlineMs: 60_000,
    target: "fenced",
  };
  const child: WorkflowDef<string, string> = {
    name: "host",
    version: 1,
    run: async (ctx, host) => {
      await ctx.step("drain", act(`drain ${host}`), idempotent);
      return ctx.step("activate", act(`activate ${host}`), idempotent);
    },
  };
  const forward = async (ctx: DurableContext): Promise<unknown> => {
    await ctx.occupy("production");
    const begun = await ctx.now();
    const first = await ctx.step("once", act("once"), once);
    const both = await ctx.parallel(["a", "b"].map((name) => ({ name, fn: act(name), options: idempotent })));
    await ctx.sleep("bake", 5_000);
    const hosts = ["web-1", "web-2"];
    const activated = await ctx.children(hosts.map((host) => ({ def: child, id: `run-1/${host}`, input: host })));
    const approved = await ctx.waitFor<string>("approve", { timeoutMs: 60_000 });
    await ctx.step("last", act("last"), idempotent);
    return { slept: (await ctx.now()) - begun >= 5_000, first, both, activated, approved };
  };
  return {
    name: "deployment",
    version: 1,
    run: async (ctx) => {
      try {
        return { outcome: "succeeded", ...((await forward(ctx)) as object) };
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        await ctx.shielded(() => ctx.step("rollback", act("rollback"), idempotent));
        return { outcome: "rolled-back" };
      }
    },
  };
}

interface Trial {
  readonly result: RunResult;
  readonly commits: number;
  readonly target: Target;
  readonly world: World;
}

/** Runs the deployment; the first process dies at a commit, its successors go on. */
async function trial(
  deaths: { commit: number; phase: "before" | "after" }[],
  abortAt: number | undefined,
): Promise<Trial> {
  const world = new World();
  const target = new Target();
  const def = deployment(target);
  const outside = world.spawn();
  outside.engine.start(def, { id: "run-1", input: null, actor: "operator", environment: "production" });
  outside.engine.request("run-1", { kind: "signal", name: "approve", value: "yes" }, { by: "CTO" });
  if (abortAt !== undefined) {
    world.clock.timer(abortAt, () => {
      if (world.disk.runs.get("run-1")?.endedAt !== null) return;
      outside.engine.interrupt("run-1", { kind: "abort", by: "operator", detail: null });
    });
  }
  let commits = 0;
  for (const dieAt of [...deaths, undefined]) {
    const process = world.spawn(dieAt === undefined ? {} : { dieAt });
    try {
      const result = await world.clock.until(process.engine.execute("run-1", [def]));
      commits = process.commits();
      // Dying after the last commit leaves a run that has ended.
      return { result, commits, target, world };
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
  }
  throw new Error("the last process does not die");
}

function assertWhole(at: string, { result, target, world }: Trial, expected: RunResult): void {
  assert.deepEqual(result, expected, at);
  assert.ok(target.count("once") <= 1, `${at}: what must happen once happened ${target.count("once")} times`);
  assert.equal(world.disk.environments.get("production")?.occupiedBy, null, `${at}: still occupied`);
  assert.equal(world.disk.runs.get("run-1")?.lease, null, `${at}: still leased`);
  const ends = world.disk.rows.filter(({ type, run }) => type === "end" && run === "run-1");
  assert.equal(ends.length, 1, `${at}: ${ends.length} ends`);
  assert.equal(world.disk.rows.at(-1)?.type, "end", `${at}: something follows the end`);
}

void describe("a crash at any commit", () => {
  for (const [what, abortAt] of [
    ["of a deployment that succeeds", undefined],
    ["of a deployment that is aborted while it sleeps", 2_000],
  ] as const) {
    void it(`${what}: a successor reaches the same end`, async () => {
      const whole = await trial([], abortAt);
      assert.equal(whole.result.state, "done");
      assert.ok(whole.commits >= 5);
      for (let commit = 1; commit <= whole.commits; commit++) {
        for (const phase of ["before", "after"] as const) {
          const crashed = await trial([{ commit, phase }], abortAt);
          assertWhole(`${phase} commit ${commit}`, crashed, whole.result);
        }
      }
    });
  }

  void it("and again during the recovery: the third process reaches the same end", async () => {
    const whole = await trial([], undefined);
    for (let first = 2; first <= whole.commits; first += 3) {
      for (let second = 1; second <= whole.commits - first + 2; second += 2) {
        const deaths = [
          { commit: first, phase: "after" as const },
          { commit: second, phase: "before" as const },
        ];
        const crashed = await trial(deaths, undefined);
        assertWhole(`commits ${first} and ${second}`, crashed, whole.result);
      }
    }
  });
});
