/* oxlint-disable unicorn/consistent-function-scoping -- a case reads better with its helpers in it */
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Json } from "../../json.ts";
import { Interrupted, RetryableError, StepFailedError, TerminalError } from "../context.ts";
import type { DurableContext, InterruptReason, StepOptions, StepScope, WorkflowDef } from "../context.ts";
import type { RunResult } from "../engine.ts";

/** What the suite needs of an engine: a run is started, told things while it runs, and awaited. */
export interface ConformingEngine {
  /** Starts a run and begins to execute it. */
  start(def: WorkflowDef<never, unknown>, id: string, input: Json): Promise<void>;
  /** Resolves when the run has ended. */
  result(id: string): Promise<RunResult>;
  signal(id: string, name: string, value: Json): Promise<void>;
  interrupt(id: string, reason: InterruptReason): Promise<void>;
  /** Makes whatever executes the run go away and come back, as after a crash. */
  crash(id: string): Promise<void>;
  /** Lets this much time pass, in the time that the engine's workflows live in. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 10_000, target: "fenced" };
const ABORT: InterruptReason = { kind: "abort", by: "operator", detail: null };

/** Ends with its signal, as an adapter does that kills its command. */
function untilAborted(scope: StepScope): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (scope.signal.aborted) reject(scope.signal.reason as Error);
    scope.signal.addEventListener("abort", () => reject(scope.signal.reason as Error));
  });
}

interface Case {
  readonly what: string;
  /** A workflow; it is given notes to write what it did. */
  run(ctx: DurableContext, notes: string[]): Promise<unknown>;
  /** What happens to it from outside; `noted` resolves when the workflow has written its first so many notes. */
  outside?(engine: ConformingEngine, id: string, noted: (count: number) => Promise<void>): Promise<void>;
  readonly result: RunResult;
  readonly notes?: readonly string[];
}

const done = (output: Json): RunResult => ({ state: "done", output });

const readOnly: StepOptions<never> = {
  disposition: { kind: "idempotent", readOnly: true },
  deadlineMs: 10_000,
  target: "fenced",
};

const CASES: readonly Case[] = [
  {
    what: "returns what steps returned",
    run: async (ctx) => [
      await ctx.step("a", () => Promise.resolve(1), IDEMPOTENT),
      await ctx.step("b", () => Promise.resolve({ x: "y" }), IDEMPOTENT),
    ],
    result: done([1, { x: "y" }]),
  },
  {
    what: "gives a terminal failure to the workflow, with code and details, and does not try again",
    run: async (ctx, notes) => {
      const fail = (): Promise<never> => {
        notes.push("tried");
        return Promise.reject(new TerminalError("BAD", "it is bad", { n: 1 }));
      };
      try {
        return await ctx.step("a", fail, { ...IDEMPOTENT, retry: { maxAttempts: 5 } });
      } catch (error) {
        assert.ok(error instanceof StepFailedError);
        return [error.step, error.code, error.details];
      }
    },
    result: done(["a", "BAD", { n: 1 }]),
    notes: ["tried"],
  },
  {
    what: "tries again within the policy and keeps the code when the attempts are used up",
    run: (ctx, notes) => {
      const busy = (scope: StepScope): Promise<never> => {
        notes.push(`attempt ${scope.fence.attempt}`);
        return Promise.reject(new RetryableError("BUSY", "busy"));
      };
      return ctx.step("a", busy, { ...IDEMPOTENT, retry: { maxAttempts: 3, initialMs: 1 } });
    },
    result: { state: "failed", error: { code: "BUSY", message: "busy", details: null } },
    notes: ["attempt 1", "attempt 2", "attempt 3"],
  },
  {
    what: "runs parallel steps to their ends, in the order of declaration",
    run: async (ctx) => {
      const settled = await ctx.parallel([
        { name: "a", fn: () => Promise.resolve("a"), options: IDEMPOTENT },
        { name: "b", fn: () => Promise.reject(new TerminalError("BAD", "bad")), options: IDEMPOTENT },
        { name: "c", fn: () => Promise.resolve("c"), options: IDEMPOTENT },
      ]);
      return settled.map((one) => (one.ok ? one.value : one.error.code));
    },
    result: done(["a", "BAD", "c"]),
  },
  {
    what: "runs children and reports the failed one",
    run: async (ctx) => {
      const child: WorkflowDef<string, string> = {
        name: "conformance-child",
        version: 1,
        run: async (own, input) => {
          if (input === "bad") throw new TerminalError("BAD", "bad");
          return own.step("work", () => Promise.resolve(`${input} done`), IDEMPOTENT);
        },
      };
      const ids = ["one", "bad"].map((input) => ({ def: child, id: `${ctx.runId}-${input}`, input }));
      return (await ctx.children(ids)).map((one) => (one.ok ? one.value : one.error.code));
    },
    result: done(["one done", "BAD"]),
  },
  {
    what: "waits for a signal",
    run: (ctx) => ctx.waitFor("approve"),
    outside: async (engine, id) => {
      await engine.pass(50);
      await engine.signal(id, "approve", { by: "CTO" });
    },
    result: done({ ok: true, value: { by: "CTO" } }),
  },
  {
    what: "ends a wait in which nothing comes",
    run: (ctx) => ctx.waitFor("approve", { timeoutMs: 30 }),
    result: done({ ok: false, timedOut: true }),
  },
  {
    what: "gives the same time and id after a crash, and repeats no step that ended",
    run: async (ctx, notes) => {
      const before = [await ctx.now(), await ctx.uuid()];
      const kept = await ctx.step("keep", () => Promise.resolve((notes.push("effect"), before)), IDEMPOTENT);
      notes.push("waits");
      await ctx.waitFor("go");
      return kept[0] === before[0] && kept[1] === before[1];
    },
    outside: async (engine, id, noted) => {
      await noted(2);
      await engine.crash(id);
      await engine.signal(id, "go", null);
    },
    result: done(true),
    notes: ["effect", "waits", "waits"],
  },
  {
    what: "runs an idempotent step again that a crash cut off, with a newer fence",
    run: async (ctx, notes) => {
      let first: StepScope["fence"] | undefined;
      const act = (scope: StepScope): Promise<string> => {
        notes.push("begun");
        if (notes.length === 1) return new Promise(() => (first = scope.fence));
        return Promise.resolve("whole");
      };
      const value = await ctx.step("a", act, IDEMPOTENT);
      return [value, first === undefined];
    },
    outside: async (engine, id, noted) => {
      await noted(1);
      await engine.crash(id);
    },
    result: done(["whole", true]),
    notes: ["begun", "begun"],
  },
  {
    what: "asks the world about a probed step that a crash cut off",
    run: (ctx, notes) => {
      const act = (): Promise<string> => {
        notes.push("begun");
        return new Promise(() => undefined);
      };
      const probe = () => Promise.resolve({ state: "done", value: "found" } as const);
      return ctx.step("a", act, { ...IDEMPOTENT, disposition: { kind: "probe", probe } });
    },
    outside: async (engine, id, noted) => {
      await noted(1);
      await engine.crash(id);
    },
    result: done("found"),
    notes: ["begun"],
  },
  {
    what: "aborts the running step and lets the workflow roll back",
    run: async (ctx, notes) => {
      try {
        await ctx.step("a", untilAborted, readOnly);
        return "went on";
      } catch (error) {
        assert.ok(error instanceof Interrupted);
        await ctx.shielded(() => ctx.step("back", () => Promise.resolve(notes.push("back")), IDEMPOTENT));
        return error.reason.by;
      }
    },
    outside: async (engine, id) => {
      await engine.pass(50);
      await engine.interrupt(id, ABORT);
    },
    result: done("operator"),
    notes: ["back"],
  },
  {
    what: "aborts a wait",
    run: async (ctx) => {
      try {
        return await ctx.waitFor("approve");
      } catch (error) {
        return error instanceof Interrupted ? error.reason.kind : "another error";
      }
    },
    outside: async (engine, id) => {
      await engine.pass(50);
      await engine.interrupt(id, ABORT);
    },
    result: done("abort"),
  },
];

/** Runs every case against an engine; the same for each implementation of `DurableContext`. */
export function conformance(name: string, make: () => Promise<ConformingEngine>): void {
  void describe(`${name} as an engine`, () => {
    for (const [i, { what, run, outside, result, notes }] of CASES.entries()) {
      void it(what, async () => {
        const engine = await make();
        const written: string[] = [];
        const def: WorkflowDef<null, unknown> = {
          name: `conformance-${i}`,
          version: 1,
          run: (ctx) => run(ctx, written),
        };
        try {
          await engine.start(def, `conformance-run-${i}`, null);
          await outside?.(engine, `conformance-run-${i}`, async (count) => {
            while (written.length < count) await engine.pass(5);
          });
          assert.deepEqual(await engine.result(`conformance-run-${i}`), result);
          if (notes !== undefined) assert.deepEqual(written, notes);
        } finally {
          await engine.close();
        }
      });
    }
  });
}
