import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError, type DurableContext } from "../engine/context.ts";
import { World } from "../engine/testing/world.ts";
import type { Json } from "../json.ts";
import type { Operation, ReleaseRef } from "../operation.ts";
import { compileText, TEST_OPERATIONS, testOperation, testRelease } from "../plan/testing.ts";
import type { Plan } from "../plan/model.ts";
import { permissionSignal } from "./permission.ts";
import type { DeploymentOutput, DeploymentPorts, Notice, Permission } from "./ports.ts";
import { decisionSignal } from "./rollback.ts";
import { deploymentWorkflow } from "./workflow.ts";

const RUNBOOK = `# Deployment

## Checklist

- [ ] Reviewed

## Deployment

### 1. Check

\`\`\`bash
./scripts/verify-production-readiness.sh
\`\`\`

### 2. Change

\`\`\`bash
./scripts/migrate.js --env production
./scripts/deploy-production.js
\`\`\`

## Rollback

### Immediate

\`\`\`bash
./scripts/rollback.sh --version <previous-version>
./scripts/rollback-db.sh --version <previous-version>
./scripts/verify-rollback.sh
\`\`\`

## Maintenance windows

- Sunday 01:00-03:00 UTC
`;

const GRANTED: Permission = { missing: [], denied: [], given: ["by the test"], attested: [], waitMs: 3_600_000 };

/** A world in which operations leave their names in `did`, and fail when told to. */
class Scene {
  readonly world = new World();
  readonly did: string[] = [];
  readonly told: string[] = [];
  readonly failing = new Set<string>();
  active: ReleaseRef | null = testRelease("2.0.0");
  permissions: Permission[] = [GRANTED];
  fact = 1;
  readonly plan: Plan;

  constructor(more: Parameters<typeof compileText>[1] = {}) {
    const { plan } = compileText(RUNBOOK, { operations: this.operations(), ...more });
    assert.ok(plan);
    this.plan = plan;
  }

  operations(): ReadonlyMap<string, Operation> {
    const acting = [...TEST_OPERATIONS.values()].map((one) => {
      const run = (name: string) => async (ctx: DurableContext, call: { stepName: string }) =>
        ctx.step(`${call.stepName}/act`, async () => this.act(name), {
          disposition: { kind: "idempotent" },
          deadlineMs: 1_000,
        });
      const back = { kind: "revert", describe: "undone", run: run(`undo ${one.name}`) } as const;
      return testOperation(one.name, one.changes, {
        run: run(one.name),
        ...(one.changes.length === 0 ? {} : { wayBack: back }),
        ...(one.name === "migrate" ? { observe: () => Promise.resolve(this.fact) } : {}),
      });
    });
    return new Map(acting.map((one) => [one.name, one]));
  }

  act(name: string): { summary: string } {
    this.did.push(name);
    if (this.failing.has(name)) throw new TerminalError("CHECK_FAILED", `${name} is broken`);
    return { summary: `${name} is done` };
  }

  ports(): DeploymentPorts {
    return {
      operations: this.operations(),
      permission: async () =>
        (this.permissions.length > 1 ? this.permissions.shift() : this.permissions[0]) as Permission,
      commandGate: () => Promise.reject(new Error("no gate is bound to a command here")),
      activeRelease: async () => this.active,
      observe: async () => this.fact,
      notify: async (_plan, _run, notice) => void this.told.push(notice.event),
    };
  }

  async deploy(): Promise<DeploymentOutput> {
    const result = await this.world.run(deploymentWorkflow(this.ports()), { input: { plan: this.plan } });
    assert.equal(result.state, "done", JSON.stringify(result));
    return (result as { output: unknown }).output as DeploymentOutput;
  }
}

function sceneWithFacts(): Scene {
  const id = "change/migrate";
  const scene = new Scene();
  const step = scene.plan.phases.flatMap((phase) => phase.steps).find((one) => one.operation === "migrate");
  return new Scene({ facts: { [step?.id ?? id]: 1 } });
}

test("a deployment runs the phases in order and tells people", async () => {
  const scene = sceneWithFacts();
  const output = await scene.deploy();
  assert.equal(output.outcome, "succeeded");
  assert.deepEqual(scene.did, ["verify-production-readiness", "migrate", "deploy-production"]);
  assert.deepEqual(scene.told, ["started", "succeeded"]);
});

test("a deployment that fails before its first change is refused and takes nothing back", async () => {
  const scene = sceneWithFacts();
  scene.failing.add("verify-production-readiness");
  const output = await scene.deploy();
  assert.equal(output.outcome, "refused");
  assert.match(output.reason ?? "", /verify-production-readiness is broken/);
  assert.deepEqual(scene.did, ["verify-production-readiness"]);
});

test("a deployment that fails after a change goes back by the rollback section", async () => {
  const scene = sceneWithFacts();
  scene.failing.add("deploy-production");
  const output = await scene.deploy();
  assert.equal(output.outcome, "rolled-back");
  assert.deepEqual(scene.did.slice(3), ["rollback", "rollback-db", "verify-rollback"]);
  assert.deepEqual(scene.told, ["started", "rolling-back", "rolled-back"]);
});

test("a deployment whose facts changed since freezing is not carried out", async () => {
  const scene = sceneWithFacts();
  scene.fact = 2;
  const output = await scene.deploy();
  assert.equal(output.outcome, "refused");
  assert.match(output.reason ?? "", /has changed since the plan was frozen/);
  assert.ok(!scene.did.includes("migrate"));
});

test("a deployment is refused when another release has become active since freezing", async () => {
  const scene = sceneWithFacts();
  scene.active = testRelease("2.0.5");
  const output = await scene.deploy();
  assert.equal(output.outcome, "refused");
  assert.match(output.reason ?? "", /active release is 2\.0\.5; the plan was made when it was 2\.0\.0/);
  assert.deepEqual(scene.did, []);
});

test("what an operation's guard refuses has changed nothing, so nothing is taken back", async () => {
  const scene = sceneWithFacts();
  const refuse = async (): Promise<void> => {
    throw new TerminalError("SCHEMA_IN_USE", "web-1 works with it");
  };
  const operations = new Map(scene.operations());
  const migrate = operations.get("migrate") ?? assert.fail("no migrate");
  operations.set("migrate", { ...migrate, guard: refuse });
  const def = deploymentWorkflow({ ...scene.ports(), operations });
  const result = await scene.world.run(def, { input: { plan: scene.plan } });
  const { output } = result as unknown as { output: DeploymentOutput };
  assert.deepEqual([output.outcome, output.reason], ["refused", "web-1 works with it"]);
  assert.deepEqual(scene.did, ["verify-production-readiness"]);
});

test("a run by hand that fails without a way back asks a person, and says which step and why", async () => {
  const scene = sceneWithFacts();
  const [migrate] = scene.plan.phases.flatMap(({ steps }) => steps.filter(({ operation }) => operation === "migrate"));
  assert.ok(migrate);
  const step = { ...migrate, wayBack: { kind: "none", why: "it is a way back itself" } } as const;
  const plan: Plan = { ...scene.plan, kind: "run", rollback: null, phases: [{ title: "By hand", steps: [step] }] };
  scene.failing.add("migrate");
  const asked: string[] = [];
  const notify = async (_plan: Plan, _run: string, { event, text }: Notice): Promise<void> => {
    if (event === "held") asked.push(text);
  };
  const result = await scene.world.run(deploymentWorkflow({ ...scene.ports(), notify }), { input: { plan } });
  assert.equal(result.state, "held");
  assert.match(
    asked[0] ?? "",
    new RegExp(`"${step.title}" failed and is not taken back \\(it is a way back itself\\): `),
  );
});

test("a denial refuses the deployment before anything happens", async () => {
  const scene = sceneWithFacts();
  scene.permissions = [{ ...GRANTED, denied: ["denied by CTO"] }];
  const output = await scene.deploy();
  assert.equal(output.outcome, "refused");
  assert.equal(output.reason, "denied by CTO");
  assert.deepEqual(scene.did, []);
});

test("silence is a denial when the time for an approval is over", async () => {
  const scene = sceneWithFacts();
  scene.permissions = [{ ...GRANTED, missing: ["approval by CTO"] }];
  const output = await scene.deploy();
  assert.equal(output.outcome, "refused");
  assert.match(output.reason ?? "", /nobody gave what was missing: approval by CTO/);
});

test("people are told once what is missing, and again only when something else is", async () => {
  const scene = sceneWithFacts();
  const needs = (missing: string): Permission => ({ ...GRANTED, missing: [missing] });
  scene.permissions = [needs("approval by CTO"), needs("approval by CTO"), needs("the window"), GRANTED];
  const texts: string[] = [];
  const process = scene.world.spawn();
  const def = deploymentWorkflow({
    ...scene.ports(),
    notify: async (_plan, _run, { event, text }) => void (event === "waiting" && texts.push(text)),
  });
  process.engine.start(def, { id: "run-1", input: { plan: scene.plan }, actor: "operator", environment: "production" });
  for (const look of [1, 2, 3]) {
    process.engine.request("run-1", { kind: "signal", name: permissionSignal(look), value: null }, { by: "cto" });
  }
  await scene.world.clock.until(process.engine.execute("run-1", [def]));
  assert.deepEqual(texts, ["run-1 waits for permission: approval by CTO", "run-1 waits for permission: the window"]);
});

test("people are told before a run waits for one of them, with the command that answers", async () => {
  const scene = sceneWithFacts();
  scene.failing.add("deploy-production").add("rollback-db");
  const notices: Notice[] = [];
  const ports: DeploymentPorts = { ...scene.ports(), notify: async (_plan, _run, notice) => void notices.push(notice) };
  const result = await scene.world.run(deploymentWorkflow(ports), { input: { plan: scene.plan } });
  assert.equal(result.state, "held");
  const held = notices.find((one) => one.event === "held");
  assert.match(held?.text ?? "", /^run-1 waits for a person: The rollback stands still at .*rollback-db is broken/);
  assert.match(JSON.stringify(held?.detail), /sunny resolve run-1 --as retry\|done\|skip --reason TEXT/);
});

test("a deployment that waits goes on as soon as somebody approves", async () => {
  const scene = sceneWithFacts();
  scene.permissions = [{ ...GRANTED, missing: ["approval by CTO"] }, GRANTED];
  const process = scene.world.spawn();
  const def = deploymentWorkflow(scene.ports());
  process.engine.start(def, { id: "run-1", input: { plan: scene.plan }, actor: "operator", environment: "production" });
  process.engine.request("run-1", { kind: "signal", name: permissionSignal(1), value: null }, { by: "cto" });
  const result = await scene.world.clock.until(process.engine.execute("run-1", [def as never]));
  assert.equal((result as unknown as { output: DeploymentOutput }).output.outcome, "succeeded");
});

test("a rollback step that fails holds the run, and goes on as a person decides", async () => {
  const scene = sceneWithFacts();
  scene.failing.add("deploy-production").add("rollback-db");
  const def = deploymentWorkflow(scene.ports()) as never;
  const held = await scene.world.run(def, { input: { plan: scene.plan } });
  assert.equal(held.state, "held");
  const step = scene.plan.rollback?.steps.find((one) => one.operation === "rollback-db");
  const process = scene.world.spawn();
  scene.failing.delete("rollback-db");
  const value = { as: "retry", by: "dba", reason: "lock is gone" };
  process.engine.request("run-1", { kind: "signal", name: decisionSignal(step?.id ?? "", 1), value }, { by: "dba" });
  const result = await scene.world.resume(def, "run-1", process);
  const { output } = result as unknown as { output: DeploymentOutput };
  assert.equal(output.outcome, "rolled-back");
  assert.deepEqual(output.decisions, [{ ...value, step: step?.id, title: step?.title }]);
  assert.equal(scene.did.filter((name) => name === "rollback-db").length, 2);
});

test("an abort takes back what was begun", async () => {
  const scene = sceneWithFacts();
  const process = scene.world.spawn();
  const def = deploymentWorkflow({
    ...scene.ports(),
    notify: async () => void process.engine.interrupt("run-1", { kind: "abort", by: "operator", detail: "wrong day" }),
  });
  process.engine.start(def, { id: "run-1", input: { plan: scene.plan }, actor: "operator", environment: "production" });
  const result = await scene.world.clock.until(process.engine.execute("run-1", [def as never]));
  const { output } = result as unknown as { output: DeploymentOutput };
  assert.ok(["rolled-back", "refused"].includes(output.outcome));
  assert.match(output.reason ?? "", /aborted by operator: wrong day/);
});

/** A first deployment that failed in its rollout, held where a person is asked. */
async function failedFirst(): Promise<{
  scene: Scene;
  answer: (as: string) => Promise<DeploymentOutput>;
  asked: Json;
}> {
  const scene = new Scene({ previous: null, noWayBackAccepted: true, facts: {} });
  scene.active = null;
  scene.failing.add("deploy-production");
  const phases = scene.plan.phases.map((phase) => ({
    ...phase,
    steps: phase.steps.map((step) => (step.operation === "migrate" ? { ...step, facts: 1 } : step)),
  }));
  const def = deploymentWorkflow(scene.ports());
  const held = await scene.world.run(def, { input: { plan: { ...scene.plan, phases, rollback: null } } });
  assert.equal(held.state, "held");
  const asked = held.state === "held" && held.question.ask === "signal" ? held.question.question : null;
  const answer = async (as: string): Promise<DeploymentOutput> => {
    const process = scene.world.spawn();
    const value = { as, by: "operator", reason: "seen" };
    process.engine.request(
      "run-1",
      { kind: "signal", name: decisionSignal("no-way-back", 1), value },
      { by: "operator" },
    );
    const result = await scene.world.resume(def, "run-1", process);
    assert.equal(result.state, "done", JSON.stringify(result));
    return (result as unknown as { output: DeploymentOutput }).output;
  };
  return { scene, answer, asked: asked };
}

test("a first deployment that fails is held, and says what can be taken back and what that means", async () => {
  const { asked } = await failedFirst();
  const { choices, details } = asked as { choices: string[]; details: string[] };
  assert.deepEqual(choices, ["rollback", "done"]);
  assert.match(
    details.join("\n"),
    /rollback: Take back: Deploy production.*undone.*\n.*rollback: Take back: Migrate.*\ndone: /,
  );
});

test("a first deployment is taken back step by step, newest first, when a person says so", async () => {
  const { scene, answer } = await failedFirst();
  scene.did.length = 0;
  const output = await answer("rollback");
  assert.equal(output.outcome, "rolled-back");
  assert.deepEqual(
    scene.did,
    ["undo deploy-production", "undo migrate"],
    "a step that was not begun is not taken back",
  );
  assert.deepEqual(output.decisions, [
    { step: "no-way-back", title: "what has no way back", as: "rollback", by: "operator", reason: "seen" },
  ]);
});

test("a first deployment stays as it failed when a person says that it is to", async () => {
  const { scene, answer } = await failedFirst();
  scene.did.length = 0;
  assert.equal((await answer("done")).outcome, "rolled-back");
  assert.deepEqual(scene.did, []);
});

test("taking a first deployment back asks again about a step of it that fails", async () => {
  const { scene, answer } = await failedFirst();
  scene.failing.add("undo deploy-production");
  await assert.rejects(answer("rollback"), /"state":"held".*stands still at \\"Take back: Deploy production/s);
});
