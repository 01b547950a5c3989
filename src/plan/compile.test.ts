import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import type { Json } from "../json.ts";
import type { Operation } from "../operation.ts";
import { thaw } from "./digest.ts";
import { planSteps, type Plan, type PlanStep } from "./model.ts";
import { compileText, TEST_OPERATIONS, testOperation, testRelease, testSystem } from "./testing.ts";

const RUNBOOK = `# Deployment

## Checklist

1. **Review**
   - [ ] Reviewed by two people
   - [ ] Certificates valid

## Deployment

### 1. Prepare

\`\`\`bash
# Is it ready
./scripts/verify-production-readiness.sh
terraform plan
terraform apply
\`\`\`

### 2. Change

\`\`\`bash
./scripts/migrate.js --env production
./scripts/deploy-production.js
curl https://api.sunnypayments.com/health
\`\`\`

## Rollback

### Immediate

\`\`\`bash
./scripts/rollback.sh --version <previous-version>
# If needed
./scripts/rollback-db.sh --version <previous-version>
./scripts/verify-rollback.sh
\`\`\`

## Maintenance windows

- Sunday 01:00-03:00 UTC
- Any time with CTO approval
`;

function planOf(text: string, more: Parameters<typeof compileText>[1] = {}): Plan {
  const { plan, diagnostics } = compileText(text, more);
  assert.ok(plan, diagnostics.map((one) => `${one.code} ${one.message}`).join("; "));
  return plan;
}

const codesOf = (text: string, more: Parameters<typeof compileText>[1] = {}): string[] =>
  compileText(text, more).diagnostics.map((one) => one.code);

test("compile keeps the order of the runbook and resolves what commands name", () => {
  const plan = planOf(RUNBOOK);
  const steps = planSteps(plan).map((step) => step.operation);
  assert.deepEqual(steps, [
    "verify-production-readiness",
    "terraform-plan",
    "terraform-apply",
    "migrate",
    "deploy-production",
    "http-check",
  ]);
  const [back, database] = plan.rollback?.steps ?? [];
  assert.deepEqual(back?.args, { _: [], version: "2.0.0" });
  assert.equal(database?.when, "if-needed");
});

test("compile names a rollback section that leads elsewhere than to what is active", () => {
  const literal = RUNBOOK.replace("rollback-db.sh --version <previous-version>", "rollback-db.sh --version 1.9.0");
  const { plan, diagnostics } = compileText(literal);
  assert.ok(plan);
  const found = diagnostics.filter((one) => one.code === "PL214");
  assert.deepEqual(
    found.map(({ line, message }) => [line, message]),
    [[35, "`./scripts/rollback-db.sh --version 1.9.0` names 1.9.0, and the way back is to 2.0.0"]],
  );
  assert.equal(codesOf(RUNBOOK).includes("PL214"), false);
  assert.equal(codesOf(literal, { previous: testRelease("1.9.0") }).includes("PL214"), false);
  const there = literal.replaceAll("<previous-version>", testRelease("2.0.0").id);
  assert.equal(codesOf(there).filter((code) => code === "PL214").length, 1);
});

test("compile makes no rollback of which the runbook goes elsewhere than was asked for", () => {
  const subject = { kind: "rollback", gradual: null } as const;
  const asked = { subject, release: null };
  assert.ok(compileText(RUNBOOK, asked).plan);
  const literal = RUNBOOK.replace("rollback.sh --version <previous-version>", "rollback.sh --version 1.9.0");
  const { plan, diagnostics } = compileText(literal, asked);
  assert.equal(plan, null);
  assert.match(diagnostics.find((one) => one.code === "PL206")?.message ?? "", /names 1\.9\.0.*to 2\.0\.0$/);
});

test("compile gives the same digest for the same input, and another for any change", () => {
  const plan = planOf(RUNBOOK);
  assert.equal(planOf(RUNBOOK).digest, plan.digest);
  const others = [
    planOf(RUNBOOK.replace("Is it ready", "Is it fit")),
    planOf(RUNBOOK, { release: testRelease("2.1.1") }),
    planOf(RUNBOOK, { previous: testRelease("1.9.0") }),
    planOf(RUNBOOK, { author: "cto" }),
    planOf(RUNBOOK, { system: testSystem({ rollout: { canaryPercent: 25 } }) }),
    planOf(RUNBOOK, { facts: Object.fromEntries(planSteps(plan).map((step) => [step.id, { pending: 1 }])) }),
    planOf(RUNBOOK, { sunny: "0.0.1" }),
  ];
  const digests = new Set([plan.digest, ...others.map((one) => one.digest)]);
  assert.equal(digests.size, others.length + 1);
});

test("compile adds what the rollback section does not mention, before its last verification", () => {
  const plan = planOf(RUNBOOK);
  const steps = plan.rollback?.steps.map((step) => `${step.direction} ${step.operation}`);
  assert.deepEqual(steps, ["run rollback", "run rollback-db", "revert terraform-apply", "run verify-rollback"]);
  assert.equal(plan.rollback?.added.length, 1);
});

test("compile takes everything back by itself when the runbook has no rollback section", () => {
  const without = `${RUNBOOK.slice(0, RUNBOOK.indexOf("## Rollback"))}${RUNBOOK.slice(RUNBOOK.indexOf("## Maintenance"))}`;
  const steps = planOf(without).rollback?.steps.map((step) => `${step.direction} ${step.operation}`);
  assert.deepEqual(steps, ["revert deploy-production", "revert migrate", "revert terraform-apply"]);
});

test("compile binds gates from the configuration by text or id, and leaves the rest to people", () => {
  const binding = { kind: "operation", name: "verify-ssl", args: {} } as const;
  const plan = planOf(RUNBOOK, { system: testSystem({ gates: { "Certificates valid": binding } }) });
  assert.deepEqual(
    plan.gates.map((gate) => gate.binding.kind),
    ["attest", "operation"],
  );
});

test("compile asks for acceptance when there is nothing to go back to", () => {
  const { plan, diagnostics } = compileText(RUNBOOK, { previous: null });
  assert.equal(plan, null);
  assert.ok(diagnostics.some((one) => one.code === "PL207"));
});

test("compile plans a first deployment once its missing way back is accepted", () => {
  const text = RUNBOOK.replace(/## Rollback[\s\S]*?(?=## Maintenance)/, "");
  const plan = planOf(text, { previous: null, noWayBackAccepted: true });
  assert.equal(plan.rollback, null);
  assert.equal(plan.noWayBackAccepted, true);
});

test("compile guards changes by windows and checklist, but not what restores a good state", () => {
  const restart = TEST_OPERATIONS.get("restart-service");
  const deploy = TEST_OPERATIONS.get("deploy-production");
  assert.ok(restart && deploy);
  const free = planOf(RUNBOOK, { subject: { kind: "run", operation: restart, args: { _: ["payments"] } } });
  assert.deepEqual([free.windows.length, free.gates.length], [0, 0]);
  const guarded = planOf(RUNBOOK, { subject: { kind: "run", operation: deploy, args: { _: [] } } });
  assert.deepEqual([guarded.windows.length, guarded.gates.length], [2, 2]);
});

test("compile runs a script of somebody else's as a subprocess whose changes are unknown", () => {
  const text = RUNBOOK.replace("./scripts/verify-production-readiness.sh", "./tools/smoke.sh --fast");
  const [step] = planSteps(planOf(text));
  assert.equal(step?.operation, "subprocess");
  assert.deepEqual(step?.changes, ["unknown"]);
  assert.equal(step?.source.kind, "foreign");
  assert.deepEqual((step?.args as { argv?: string[] } | undefined)?.argv, ["/r/tools/smoke.sh", "--fast"]);
});

test("compile takes what the configuration declares of a foreign command", () => {
  const text = RUNBOOK.replace("./scripts/verify-production-readiness.sh", "./tools/smoke.sh --fast");
  const system = testSystem({
    commands: { "./tools/smoke.sh --fast": { changes: [], disposition: "idempotent", timeoutMs: 5_000 } },
  });
  const [step] = planSteps(planOf(text, { system }));
  assert.deepEqual(step?.changes, []);
  assert.equal(step?.wayBack, null);
  assert.equal(step?.deadlineMs, 5_000);
});

test("compile takes a request that does not only read for a change, unless the configuration says that it is none", () => {
  const request = "curl -f -X POST https://api.sunnypayments.com/cache";
  const text = RUNBOOK.replace("curl https://api.sunnypayments.com/health", request);
  const stepOf = (plan: Plan): PlanStep | undefined =>
    planSteps(plan).find(({ operation }) => operation === "http-check");
  assert.deepEqual(stepOf(planOf(RUNBOOK))?.changes, []);
  assert.deepEqual(stepOf(planOf(text))?.changes, ["unknown"]);
  assert.equal(stepOf(planOf(text))?.wayBack?.kind, "none");
  const system = testSystem({ commands: { [request]: { changes: [] } } });
  assert.deepEqual(stepOf(planOf(text, { system }))?.changes, []);
});

test("compile says which settings fit nothing in the runbook", () => {
  const system = testSystem({
    gates: { "Certificate valid": { kind: "operation", name: "verify-ssl" } },
    commands: { "./tools/smoke.sh": { changes: [] } },
  });
  const messages = compileText(RUNBOOK, { system }).diagnostics.filter((one) => one.code === "PL211");
  assert.deepEqual(
    messages.map((one) => one.message),
    [
      'Nothing in the runbook fits gates["Certificate valid"]; did you mean "Certificates valid"?',
      'Nothing in the runbook fits commands["./tools/smoke.sh"]',
    ],
  );
});

test("compile starts a foreign script as it is written, by the bytes that were planned", () => {
  const file = "/r/tools/smoke.sh";
  const script = { file, found: "beside the runbook", sha256: "ab", operation: null, executable: false } as const;
  const scripts = new Map([["./tools/smoke.sh", script]]);
  const deployment = (command: string): string => `# R\n\n## Deployment\n\n\`\`\`sh\n${command}\n\`\`\`\n`;
  const [step] = planSteps(planOf(deployment("bash ./tools/smoke.sh --fast"), { scripts }));
  assert.deepEqual((step?.args as { argv?: string[] } | undefined)?.argv, ["bash", file, "--fast"]);
  assert.deepEqual((step?.args as { script?: unknown } | undefined)?.script, { file, sha256: "ab" });
  const refused = compileText(deployment("./tools/smoke.sh --fast"), { scripts });
  assert.deepEqual(
    refused.diagnostics.filter((one) => one.severity === "error").map((one) => one.code),
    ["PL210"],
  );
});

test("compile refuses a gate whose check does not exist, takes other arguments, or changes something", () => {
  const operations = new Map(TEST_OPERATIONS);
  operations.set("verify-ssl", testOperation("verify-ssl", [], { args: z.strictObject({ _: z.array(z.string()) }) }));
  const cases = [
    ["verify-sll", {}, /no such operation; did you mean "verify-ssl"/],
    ["verify-ssl", { host: "x" }, /there is no option --host/],
    ["deploy-production", {}, /changes hosts, traffic, and a check only looks/],
  ] as const;
  for (const [name, args, expected] of cases) {
    const system = testSystem({ gates: { "Certificates valid": { kind: "operation", name, args } } });
    const { plan, diagnostics } = compileText(RUNBOOK, { system, operations });
    assert.equal(plan, null);
    assert.match(diagnostics.find((one) => one.code === "PL212")?.message ?? "", expected);
  }
});

test("compile takes only the named hosts back in a gradual rollback, and the whole section when all go", () => {
  const operations = new Map(TEST_OPERATIONS);
  operations.set("gradual-rollback", testOperation("gradual-rollback", ["hosts", "traffic"], { restores: true }));
  const hosts = ["web-1", "web-2"].map((name, at) => ({ name, root: `/h/${name}`, port: 8001 + at }));
  const stepsFor = (gradual: Json): string[] =>
    planSteps(
      planOf(RUNBOOK, { operations, system: testSystem({ hosts }), subject: { kind: "rollback", gradual } }),
    ).map((step) => step.operation);
  assert.deepEqual(stepsFor({ _: [], hosts: "web-2" }), ["gradual-rollback"]);
  const whole = ["gradual-rollback", "rollback-db", "verify-rollback"];
  assert.deepEqual(stepsFor({ _: [], hosts: "web-2, web-1" }), whole);
  assert.deepEqual(stepsFor({ _: [] }), whole);
});

test("compile asks an operation whether its arguments can be meant, in a runbook and by hand", () => {
  const operation = {
    ...TEST_OPERATIONS.get("restart-service"),
    check: () => "there is no service billing",
  } as Operation;
  const operations = new Map([...TEST_OPERATIONS, ["restart-service", operation]]);
  const inRunbook = "# R\n\n## Deployment\n\n```sh\n./scripts/restart-service.sh billing\n```\n";
  const subject = { kind: "run", operation, args: { _: ["billing"] } } as const;
  for (const { plan, diagnostics } of [
    compileText(inRunbook, { operations }),
    compileText(RUNBOOK, { operations, subject }),
  ]) {
    assert.equal(plan, null);
    const wrong = diagnostics.filter((one) => one.code === "PL206");
    assert.equal(wrong.length, 1);
    assert.match(wrong[0]?.message ?? "", /there is no service billing/);
  }
});

test("compile names a script that is nowhere, and the one that may have been meant", () => {
  const mistyped = RUNBOOK.replace("verify-production-readiness.sh", "verify-production-readines.sh");
  const { plan, diagnostics } = compileText(mistyped, { scripts: new Map() });
  assert.equal(plan, null);
  const first = diagnostics.find((one) => one.code === "PL201");
  assert.match(first?.message ?? "", /readines\.sh`; did you mean `\.\/scripts\/verify-production-readiness\.sh`\?$/);
  assert.equal(first?.line, 15);
});

test("thaw accepts what compile froze, and nothing that was altered since", () => {
  const plan = planOf(RUNBOOK);
  const text = JSON.stringify(plan);
  assert.equal(thaw(text, "plan.json").digest, plan.digest);
  for (const altered of [
    text.replace("2.1.0", "2.1.9"),
    text.slice(0, -2),
    "{}",
    text.replace('"format":1', '"format":9'),
  ]) {
    assert.throws(() => thaw(altered, "plan.json"), { code: "PLAN_INVALID" });
  }
});
