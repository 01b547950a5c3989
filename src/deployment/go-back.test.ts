import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError, type DurableContext } from "../engine/context.ts";
import { World } from "../engine/testing/world.ts";
import type { Operation } from "../operation.ts";
import type { Plan } from "../plan/model.ts";
import { compileText, TEST_OPERATIONS, testOperation, testRelease } from "../plan/testing.ts";
import type { DeploymentOutput } from "./ports.ts";
import { decisionSignal } from "./rollback.ts";
import { deploymentWorkflow } from "./workflow.ts";

const RUNBOOK = `# Service

## Deployment

### 1. Deploy

\`\`\`bash
./scripts/deploy-production.js
\`\`\`

## Rollback

### Immediate

\`\`\`bash
./scripts/rollback.sh --version <previous-version>
./scripts/rollback-db.sh --version <previous-version>
./scripts/verify-rollback.sh
\`\`\`
`;

interface Behaviour {
  /** How often an operation fails, by its name, and whether before or in the step that changes something. */
  readonly failures?: Readonly<Record<string, number>>;
  readonly failing?: "look" | "act";
  /** Called within a step that changes something. */
  readonly onAct?: (name: string, scene: Scene) => void;
}

/** Operations that look first and act then, under the real workflow. */
class Scene {
  readonly world = new World();
  readonly did: string[] = [];
  readonly process = this.world.spawn();
  readonly #behaviour: Behaviour;
  readonly #left: Record<string, number>;
  readonly #subject: "rollback" | "restart-service";

  constructor(subject: "rollback" | "restart-service", behaviour: Behaviour) {
    this.#subject = subject;
    this.#behaviour = behaviour;
    this.#left = { ...behaviour.failures };
  }

  carryOut() {
    const { def, plan } = this.#workflow();
    return this.world.run(def, { input: { plan }, process: this.process });
  }

  carryOn() {
    return this.world.resume(this.#workflow().def, "run-1", this.process);
  }

  answer(step: string, turn: number, as: string): void {
    const value = { as, by: "dba", reason: "looked at it" };
    this.process.engine.request("run-1", { kind: "signal", name: decisionSignal(step, turn), value }, { by: "dba" });
  }

  #workflow() {
    const operations = new Map([...TEST_OPERATIONS.values()].map((one) => [one.name, this.#acting(one)]));
    const def = deploymentWorkflow({
      operations,
      permission: async () => ({ missing: [], denied: [], given: [], attested: [], waitMs: 1_000 }),
      commandGate: () => Promise.reject(new Error("no gate here")),
      activeRelease: async () => testRelease("2.1.0"),
      observe: async () => null,
      notify: async () => undefined,
    });
    return { def, plan: this.#plan(operations) };
  }

  #plan(operations: ReadonlyMap<string, Operation>): Plan {
    const operation = operations.get("restart-service");
    assert.ok(operation);
    const { plan } = compileText(RUNBOOK, {
      operations,
      ...(this.#subject === "rollback"
        ? { subject: { kind: "rollback", gradual: null }, release: null, previous: testRelease("2.0.0") }
        : { subject: { kind: "run", operation, args: { _: [] } }, release: null }),
    });
    assert.ok(plan);
    return plan;
  }

  #acting(one: Operation): Operation {
    const act = (prefix: string) => async (ctx: DurableContext, call: { readonly stepName: string }) => {
      const name = `${prefix}${one.name}`;
      const fails = (at: "look" | "act"): void => {
        if ((this.#behaviour.failing ?? "act") !== at) return;
        this.#left[name] = (this.#left[name] ?? 0) - 1;
        if (this.#left[name] >= 0) throw new TerminalError("HOST_UNREACHABLE", `${name} reaches no host`);
      };
      const look = async (): Promise<null> => (fails("look"), null);
      const options = { deadlineMs: 1_000 };
      await ctx.step(`${call.stepName}/look`, look, {
        ...options,
        disposition: { kind: "idempotent", readOnly: true },
      });
      if (one.changes.length === 0) return { summary: `${name} found nothing` };
      return ctx.step(`${call.stepName}/act`, async () => this.#act(name, fails), {
        ...options,
        disposition: { kind: "idempotent" },
      });
    };
    const back = { kind: "revert", describe: "it is as it was", run: act("undo ") } as const;
    return testOperation(one.name, one.changes, {
      run: act(""),
      ...(one.changes.length === 0 ? {} : { wayBack: back }),
    });
  }

  #act(name: string, fails: (at: "act") => void): { summary: string } {
    this.did.push(name);
    this.#behaviour.onAct?.(name, this);
    fails("act");
    return { summary: `${name} is done` };
  }
}

type Result = Awaited<ReturnType<Scene["carryOut"]>>;

function outputOf(result: Result): DeploymentOutput {
  assert.equal(result.state, "done");
  return (result as { output: unknown }).output as DeploymentOutput;
}

function askedBy(result: Result): { what: string; details: string[]; choices: string[]; step: string } {
  assert.equal(result.state, "held");
  const { question } = result as { question: { question: unknown } };
  return question.question as ReturnType<typeof askedBy>;
}

test("a rollback that somebody asked for and that fails in the middle can be tried again, and goes on from there", async () => {
  const scene = new Scene("rollback", { failures: { "rollback-db": 1 } });
  const asked = askedBy(await scene.carryOut());
  assert.match(asked.what, /stands still at "Rollback db": rollback-db reaches no host/);
  assert.deepEqual(asked.choices, ["retry", "done", "skip"]);
  assert.deepEqual(asked.details, ["taken back: Rollback", "not yet: Rollback db, Verify rollback"]);
  scene.answer(asked.step, 0, "retry");
  const output = outputOf(await scene.carryOn());
  assert.equal(output.outcome, "succeeded");
  assert.deepEqual(scene.did, ["rollback", "rollback-db", "rollback-db"]);
  assert.deepEqual(
    output.decisions.map((one) => (one as { as: string }).as),
    ["retry"],
  );
});

test("a step of it that a person has done is said to rest on their word, and what comes after it is carried out", async () => {
  const scene = new Scene("rollback", { failures: { rollback: 1 } });
  const { step } = askedBy(await scene.carryOut());
  scene.answer(step, 0, "done");
  const output = outputOf(await scene.carryOn());
  assert.equal(output.outcome, "succeeded");
  assert.deepEqual(scene.did, ["rollback", "rollback-db"]);
  assert.deepEqual(output.decisions, [{ step, title: "Rollback", as: "done", by: "dba", reason: "looked at it" }]);
});

test("an abort stops it where it is, and asks; it is not given up silently", async () => {
  const scene = new Scene("rollback", {
    onAct: (name, { did, process }) => {
      if (name !== "rollback" || did.length > 1) return;
      process.engine.interrupt("run-1", { kind: "abort", by: "operator", detail: "the wrong version" });
    },
  });
  const asked = askedBy(await scene.carryOut());
  assert.match(asked.what, /aborted by operator: the wrong version/);
  scene.answer(asked.step, 0, "retry");
  assert.equal(outputOf(await scene.carryOn()).outcome, "succeeded");
});

test("a rollback that fails before it changed anything is refused", async () => {
  const scene = new Scene("rollback", { failures: { rollback: 1 }, failing: "look" });
  const output = outputOf(await scene.carryOut());
  assert.equal(output.outcome, "refused");
  assert.deepEqual(scene.did, []);
});

test("an operation by hand that fails while it only looks is refused, with nothing to take back", async () => {
  const scene = new Scene("restart-service", { failures: { "restart-service": 1 }, failing: "look" });
  const output = outputOf(await scene.carryOut());
  assert.deepEqual([output.outcome, output.reason], ["refused", "restart-service reaches no host"]);
  assert.deepEqual(scene.did, []);
});

test("one that fails when it acts is taken back", async () => {
  const scene = new Scene("restart-service", { failures: { "restart-service": 1 } });
  assert.equal(outputOf(await scene.carryOut()).outcome, "rolled-back");
  assert.deepEqual(scene.did, ["restart-service", "undo restart-service"]);
});
