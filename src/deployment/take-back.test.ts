import assert from "node:assert/strict";
import { test } from "node:test";
import type { DurableContext, WorkflowDef } from "../engine/context.ts";
import { World } from "../engine/testing/world.ts";
import type { Operation } from "../operation.ts";
import { compileText, TEST_OPERATIONS, testOperation, testRelease } from "../plan/testing.ts";
import { takeBackPlan } from "../plan/take-back.ts";
import type { DeploymentInput } from "./input.ts";
import type { DeploymentOutput } from "./ports.ts";
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
./scripts/verify-rollback.sh
\`\`\`
`;

/** Operations that leave their names, and the run that they act for, in `did`. */
function acting(did: string[], hold: () => Promise<void>): Map<string, Operation> {
  const each = [...TEST_OPERATIONS.values()].map((one) =>
    testOperation(one.name, one.changes, {
      run: (ctx: DurableContext, { stepName, actedIn }) =>
        ctx.step(
          `${stepName}/act`,
          async () => {
            did.push(actedIn === undefined ? one.name : `${one.name} of ${actedIn}`);
            if (one.name === "deploy-production") await hold();
            return { summary: "done" };
          },
          { disposition: { kind: "idempotent" }, deadlineMs: 60_000 },
        ),
    }),
  );
  return new Map(each.map((one) => [one.name, one]));
}

test("a newer Sunny pauses what another one began, and carries out its recorded rollback in its place", async () => {
  const world = new World();
  const did: string[] = [];
  const process = world.spawn();
  // Somebody asks to pause while the deployment acts, and upgrades Sunny then.
  const hold = async (): Promise<void> => void process.engine.request("d-1", { kind: "pause" }, { by: "operator" });
  const operations = acting(did, hold);
  const { plan } = compileText(RUNBOOK, { operations });
  assert.ok(plan);
  const begun = deploymentWorkflow({
    operations,
    permission: async () => ({ missing: [], denied: [], given: [], attested: [], waitMs: 1_000 }),
    commandGate: () => Promise.reject(new Error("no gate here")),
    activeRelease: async () => testRelease("2.0.0"),
    observe: async () => null,
    notify: async () => {},
  });
  const upgraded: WorkflowDef<DeploymentInput, DeploymentOutput> = { ...begun, version: begun.version + 1 };
  const execute = (id: string, def: typeof begun) => world.clock.until(process.engine.execute(id, [def as never]));
  process.engine.start(begun, { id: "d-1", input: { plan }, actor: "operator", environment: "production" });
  assert.equal((await execute("d-1", begun)).state, "paused");
  const misfit = await execute("d-1", upgraded);
  assert.equal(misfit.state === "paused" && misfit.reason.code, "WORKFLOW_VERSION");

  const who = { sunny: "0.2.0", workflow: { name: upgraded.name, version: upgraded.version }, author: "operator" };
  const back = takeBackPlan(plan, { run: "d-1", reason: "upgraded", ...who });
  assert.notEqual(back.digest, plan.digest);
  const start = { id: "b-1", input: { plan: back }, actor: "operator", environment: "production", supersedes: "d-1" };
  process.engine.start(upgraded, start);
  const result = await execute("b-1", upgraded);
  assert.equal(result.state === "done" && (result.output as unknown as DeploymentOutput).outcome, "succeeded");
  assert.deepEqual(did, ["deploy-production", "rollback of d-1", "verify-rollback of d-1"]);
  assert.equal(process.journal.read.run("d-1")?.state, "superseded");
  assert.equal(process.journal.read.environment("production")?.occupiedBy, null);
});

test("a rollback that cannot go on is begun anew by its own steps", () => {
  const { plan } = compileText(RUNBOOK, { subject: { kind: "rollback", gradual: null }, release: null });
  assert.ok(plan);
  const who = { sunny: "0.2.0", workflow: { name: "deployment", version: 2 }, author: "operator", reason: "upgraded" };
  const { rollback, takesBack } = takeBackPlan(plan, { run: "b-1", ...who });
  assert.deepEqual(
    rollback?.steps.map(({ operation }) => operation),
    ["rollback", "verify-rollback"],
  );
  assert.equal(takesBack, "b-1");
});
