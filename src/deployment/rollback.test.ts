import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError, type DurableContext } from "../engine/context.ts";
import { World } from "../engine/testing/world.ts";
import type { Operation } from "../operation.ts";
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
./scripts/verify-ssl.sh
./scripts/rollback.sh --version <previous-version>
./scripts/verify-rollback.sh
\`\`\`
`;

/** A deployment that fails and goes back; the operations in `failures` fail that often. */
class Scene {
  readonly world = new World();
  readonly did: string[] = [];
  readonly told: string[] = [];
  readonly process = this.world.spawn();
  readonly #left: Record<string, number>;

  constructor(failures: Record<string, number>) {
    this.#left = { "deploy-production": 1, ...failures };
  }

  async carryOut() {
    const { def, plan } = this.#workflow();
    return this.world.run(def, { input: { plan }, process: this.process });
  }

  async carryOn() {
    return this.world.resume(this.#workflow().def, "run-1", this.process);
  }

  #workflow() {
    const operations = new Map([...TEST_OPERATIONS.values()].map((one) => [one.name, this.#acting(one)]));
    const { plan } = compileText(RUNBOOK, { operations });
    assert.ok(plan);
    const def = deploymentWorkflow({
      operations,
      permission: async () => ({ missing: [], denied: [], given: [], attested: [], waitMs: 1_000 }),
      commandGate: () => Promise.reject(new Error("no gate here")),
      activeRelease: async () => testRelease("2.0.0"),
      observe: async () => null,
      notify: async (_plan, _run, { text }) => void this.told.push(text),
    });
    return { def, plan };
  }

  answer(step: string, turn: number, as: string): void {
    const value = { as, by: "dba", reason: "looked at it" };
    this.process.engine.request("run-1", { kind: "signal", name: decisionSignal(step, turn), value }, { by: "dba" });
  }

  #acting(one: Operation): Operation {
    const run = (ctx: DurableContext, { stepName }: { stepName: string }) =>
      ctx.step(`${stepName}/act`, () => this.#act(one.name), {
        disposition: { kind: "idempotent" },
        deadlineMs: 1_000,
      });
    return testOperation(one.name, one.changes, { run });
  }

  async #act(name: string): Promise<{ summary: string }> {
    this.did.push(name);
    this.#left[name] = (this.#left[name] ?? 0) - 1;
    if (this.#left[name] >= 0) throw new TerminalError("CHECK_FAILED", `${name} is broken`);
    return { summary: `${name} is done` };
  }
}

const outputOf = (result: object): DeploymentOutput => (result as { output: unknown }).output as DeploymentOutput;

test("a check before what takes back says how it was, and is made again afterwards", async () => {
  const scene = new Scene({ "verify-ssl": 1 });
  const output = outputOf(await scene.carryOut());
  assert.equal(output.outcome, "rolled-back");
  assert.deepEqual(scene.did.slice(1), ["verify-ssl", "rollback", "verify-rollback", "verify-ssl"]);
  assert.deepEqual(output.decisions, []);
});

test("a check that is still broken when everything is taken back holds the rollback", async () => {
  const scene = new Scene({ "verify-ssl": 2 });
  const result = await scene.carryOut();
  assert.equal(result.state, "held");
  assert.match(JSON.stringify(result), /The rollback stands still at .*verify-ssl is broken/);
  assert.ok(scene.did.includes("rollback"));
});

test("what rests on a person's word is said with the end, and is not called proved", async () => {
  const scene = new Scene({ rollback: 1 });
  assert.equal((await scene.carryOut()).state, "held");
  const question = scene.process.journal.read.run("run-1")?.question;
  const signal = question?.ask === "signal" ? question.signal : "";
  const step = signal.replace(/^decision\//, "").replace(/\/turn-1$/, "");
  scene.answer(step, 1, "done");
  const output = outputOf(await scene.carryOn());
  assert.equal(output.outcome, "rolled-back");
  assert.deepEqual(output.decisions, [{ step, title: "Rollback", as: "done", by: "dba", reason: "looked at it" }]);
  assert.match(scene.told.at(-1) ?? "", /was rolled back: .*; "Rollback" was done by hand, says dba: looked at it$/);
});
