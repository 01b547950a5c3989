import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import type { Sunny } from "../main.ts";
import type { Subject } from "../operation.ts";
import type { Plan } from "../plan/model.ts";
import { compileText, TEST_OPERATIONS } from "../plan/testing.ts";
import type { CliContext } from "./context.ts";
import { requireDeclared, stepOf, withinStep } from "./within.ts";

const RUNBOOK = `# Deployment

## Deployment

### 1. Tasks

\`\`\`bash
./scripts/tasks.sh
./scripts/tasks.sh --again
\`\`\`
`;

function planOfTasks(changes: readonly Exclude<Subject, "unknown">[] | null): Plan {
  const { plan } = compileText(RUNBOOK, { noWayBackAccepted: true });
  assert.ok(plan);
  const phases = plan.phases.map((phase) => ({
    ...phase,
    steps: phase.steps.map((step) => ({ ...step, changes: changes ?? (["unknown"] as const) })),
  }));
  return { ...plan, phases };
}

/** A descriptor from which `text` is read. */
function descriptor(t: TestContext, text: string): number {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-within-"));
  writeFileSync(path.join(directory, "scope"), text);
  const fd = openSync(path.join(directory, "scope"), "r");
  t.after(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  return fd;
}

function contextWith(env: Record<string, string>, notes: string[] = []): CliContext {
  return { env, actor: "somebody", output: { note: (text: string) => notes.push(text) } } as unknown as CliContext;
}

function sunnyWith(plan: Plan): Sunny {
  const [first] = plan.phases.flatMap((phase) => phase.steps);
  const run = { id: "r-7", actor: "operator", input: { plan } };
  const within = { run: run.id, step: `${first?.id ?? ""}/run`, scope: "" };
  const scopeOf = (token: string) => {
    assert.equal(token, "sunny-scope r-7 secret");
    return { within, run, host: { id: "d-1" } };
  };
  return { engine: { scopeOf } } as unknown as Sunny;
}

test("a command that no step has called stands by itself", () => {
  const context = contextWith({});
  assert.equal(withinStep(context, sunnyWith(planOfTasks(null))), context);
});

test("a command with the descriptor of a step acts for whoever started that step's run, however often it is read", (t) => {
  const fd = descriptor(t, "sunny-scope r-7 secret\n");
  const plan = planOfTasks(null);
  const context = contextWith({ SUNNY_SCOPE_FD: String(fd) });
  for (let i = 0; i < 2; i++) {
    const called = withinStep(context, sunnyWith(plan));
    assert.equal(called.actor, "operator");
    assert.equal(called.within?.host, "d-1");
    assert.equal(called.within?.release, "2.1.0");
    const step = plan.phases[0]?.steps[0]?.id;
    assert.deepEqual(called.within?.plan, { run: "r-7", step, digest: plan.digest });
  }
});

test("a command whose descriptor was closed on the way stands by itself, and says so", () => {
  for (const value of ["250", "1", "-1", "four", "/etc/passwd"]) {
    const notes: string[] = [];
    const context = contextWith({ SUNNY_SCOPE_FD: value }, notes);
    assert.equal(withinStep(context, sunnyWith(planOfTasks(null))).within, undefined);
    assert.match(notes.join(), /a program in between has closed it/);
  }
});

test("durable steps belong to the plan's step with the longest fitting id", () => {
  const plan = planOfTasks(null);
  const [first, second] = plan.phases[0]?.steps ?? [];
  assert.ok(first !== undefined && second !== undefined);
  assert.equal(stepOf(plan, `${first.id}/run`), first);
  assert.equal(stepOf(plan, `${second.id}/turn-2/run`), second);
  assert.throws(() => stepOf(plan, "elsewhere/run"), /has no step/);
});

test("a step is held to what it was declared to change", (t) => {
  const operation = TEST_OPERATIONS.get("migrate");
  assert.ok(operation);
  const nested = compileText(RUNBOOK, { subject: { kind: "run", operation, args: { _: [] } } }).plan;
  assert.ok(nested);
  const cases = [
    { declared: null, refused: null },
    { declared: ["database", "hosts"], refused: null },
    { declared: ["hosts"], refused: /migrate changes database, and the step ".*" of r-7.* to change only: hosts$/ },
    { declared: [], refused: /declared to change nothing$/ },
  ] as const;
  for (const { declared, refused } of cases) {
    const fd = descriptor(t, "sunny-scope r-7 secret\n");
    const { within } = withinStep(contextWith({ SUNNY_SCOPE_FD: String(fd) }), sunnyWith(planOfTasks(declared)));
    assert.ok(within);
    if (refused === null) requireDeclared(within, nested);
    else assert.throws(() => requireDeclared(within, nested), { code: "SCOPE_EXCEEDED", message: refused });
  }
});
