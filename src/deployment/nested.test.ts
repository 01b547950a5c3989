import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError, type DurableContext } from "../engine/context.ts";
import { World } from "../engine/testing/world.ts";
import type { Operation } from "../operation.ts";
import type { Plan, PlanStep } from "../plan/model.ts";
import { compileText, TEST_OPERATIONS, testOperation, testRelease } from "../plan/testing.ts";
import { waysBackOf, type NestedChange } from "./nested.ts";
import type { DeploymentOutput, Progress } from "./ports.ts";
import { decisionSignal } from "./rollback.ts";
import { deploymentWorkflow } from "./workflow.ts";

const RUNBOOK = `# Deployment

## Deployment

### 1. Tasks

\`\`\`bash
./scripts/tasks.sh
\`\`\`

## Rollback

### Immediate

\`\`\`bash
./scripts/rollback.sh --version <previous-version>
./scripts/verify-rollback.sh
\`\`\`
`;

function step(operation: string, changes: PlanStep["changes"], back: boolean): PlanStep {
  const plan = compileText(RUNBOOK).plan;
  const [some] = plan?.phases.flatMap((phase) => phase.steps) ?? [];
  assert.ok(some);
  const wayBack = back
    ? ({ kind: "revert", describe: "undone" } as const)
    : ({ kind: "none", why: "a restart leaves nothing to take back" } as const);
  return { ...some, id: operation, title: operation, operation, args: { _: [] }, changes, wayBack };
}

function change(run: string, ...steps: PlanStep[]): NestedChange {
  return { run, release: testRelease("2.1.0"), previous: testRelease("2.0.0"), steps };
}

test("what the rollback section brings back anyway is not taken back twice", () => {
  const changes = [change("r-1", step("migrate", ["database"], true)), change("r-2", step("deploy", ["hosts"], true))];
  const found = waysBackOf(changes, new Set(["hosts"]));
  assert.deepEqual(
    found.steps.map((one) => [one.run, one.step.id, one.step.direction]),
    [["r-1", "nested/r-1/migrate", "revert"]],
  );
});

test("the newest change is taken back first, and what cannot be is named with its reason", () => {
  const changes = [
    change("r-1", step("migrate", ["database"], true), step("renew-ssl", ["certificates"], true)),
    change("r-2", step("restart-service", ["hosts"], false)),
    change("r-3", step("migrate", ["database"], true)),
  ];
  const found = waysBackOf(changes, new Set());
  assert.deepEqual(
    found.steps.map((one) => one.step.id),
    ["nested/r-3/migrate", "nested/r-1/renew-ssl", "nested/r-1/migrate"],
  );
  assert.deepEqual(found.left, [{ id: "nested/r-2/restart-service", why: "a restart leaves nothing to take back" }]);
});

/** A deployment whose only step is a script that fails after it has started runs. */
class Scene {
  readonly world = new World();
  readonly did: string[] = [];
  readonly failing = new Set(["subprocess"]);
  reads = 0;
  readonly plan: Plan;

  constructor() {
    const { plan } = compileText(RUNBOOK, { operations: this.operations() });
    assert.ok(plan);
    this.plan = plan;
  }

  operations(): ReadonlyMap<string, Operation> {
    const acting = [...TEST_OPERATIONS.values()].map((one) => {
      const run =
        (name: string) =>
        (ctx: DurableContext, { stepName, actedIn = "" }: { stepName: string; actedIn?: string }) =>
          ctx.step(`${stepName}/act`, () => this.act(actedIn === "" ? name : `${name} of ${actedIn}`), {
            disposition: { kind: "idempotent" },
            deadlineMs: 1_000,
          });
      const back = { kind: "revert", describe: "undone", run: run(`undo ${one.name}`) } as const;
      const wayBack = one.name === "subprocess" ? ({ kind: "none", why: "foreign" } as const) : back;
      return testOperation(one.name, one.changes, {
        run: run(one.name),
        ...(one.changes.length === 0 ? {} : { wayBack }),
      });
    });
    return new Map(acting.map((one) => [one.name, one]));
  }

  act(name: string): Promise<{ summary: string }> {
    this.did.push(name);
    if (this.failing.has(name)) return Promise.reject(new TerminalError("CHECK_FAILED", `${name} is broken`));
    return Promise.resolve({ summary: `${name} is done` });
  }

  workflow() {
    return deploymentWorkflow({
      operations: this.operations(),
      permission: () => Promise.resolve({ missing: [], denied: [], given: [], attested: [], waitMs: 1 }),
      commandGate: () => Promise.reject(new Error("no gate is bound to a command here")),
      activeRelease: () => Promise.resolve(testRelease("2.0.0")),
      observe: () => Promise.resolve(null),
      notify: () => Promise.resolve(),
      nested: () => {
        this.reads += 1;
        return [change("r-1", step("migrate", ["database"], true), step("restart-service", ["infrastructure"], false))];
      },
    }) as never;
  }
}

test("what a script has started is taken back before the last verification of the rollback", async () => {
  const scene = new Scene();
  const result = await scene.world.run(scene.workflow(), { input: { plan: scene.plan } });
  assert.equal((result as unknown as { output: DeploymentOutput }).output.outcome, "rolled-back");
  assert.deepEqual(scene.did, ["subprocess", "rollback", "undo migrate of r-1", "verify-rollback"]);
  const progress = scene.world.disk.statuses.get("run-1")?.value as unknown as Progress;
  assert.ok(progress.done.includes("nested/r-1/migrate"));
  assert.match(progress.summaries["nested/r-1/restart-service"] ?? "", /^stays as it is: a restart leaves nothing/);
});

test("a way back of a nested run that fails holds the rollback, and a resumed one reads the runs no second time", async () => {
  const scene = new Scene();
  scene.failing.add("undo migrate of r-1");
  const held = await scene.world.run(scene.workflow(), { input: { plan: scene.plan } });
  assert.equal(held.state, "held");
  scene.failing.delete("undo migrate of r-1");
  const process = scene.world.spawn();
  const name = decisionSignal("nested/r-1/migrate", 1);
  process.engine.request(
    "run-1",
    { kind: "signal", name, value: { as: "retry", by: "dba", reason: "" } },
    { by: "dba" },
  );
  const result = await scene.world.resume(scene.workflow(), "run-1", process);
  assert.equal((result as unknown as { output: DeploymentOutput }).output.outcome, "rolled-back");
  assert.equal(scene.reads, 1);
});

test("a plan of a step of another plan needs no gates, windows and approvals of its own, and says of which", () => {
  const guarded = `${RUNBOOK}\n## Checklist\n\n- [ ] Reviewed\n\n## Maintenance windows\n\n- Sunday 01:00-03:00 UTC\n`;
  const operation = TEST_OPERATIONS.get("deploy-production");
  assert.ok(operation);
  const subject = { kind: "run", operation, args: { _: [] } } as const;
  const alone = compileText(guarded, { subject }).plan;
  assert.deepEqual([alone?.gates.length, alone?.windows.length, alone?.within], [1, 1, undefined]);
  const within = { run: "d-1", step: "tasks/tasks", digest: "sha256:0" };
  const nested = compileText(guarded, { subject, within }).plan;
  assert.deepEqual([nested?.gates.length, nested?.windows.length, nested?.within], [0, 0, within]);
});
