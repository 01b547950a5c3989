import assert from "node:assert/strict";
import { test } from "node:test";
import { TerminalError, type DurableContext } from "../engine/context.ts";
import { World } from "../engine/testing/world.ts";
import type { Operation } from "../operation.ts";
import { compileText, testOperation } from "../plan/testing.ts";
import { parseRunbook } from "../runbook/parse.ts";
import type { DeploymentOutput } from "./ports.ts";
import { deploymentWorkflow } from "./workflow.ts";

const runbookOf = (commands: string): string => `# Service

## Deployment

### 1. Deploy

\`\`\`bash
./scripts/deploy-production.js
\`\`\`

## Rollback

### Immediate

\`\`\`bash
./scripts/rollback.sh --version <previous-version>
\`\`\`

## Common issues

### Trouble

\`\`\`bash
${commands}
\`\`\`
`;

const IF_NEEDED = "# Look\n./scripts/check-db-connection.sh\n\n# Reset if needed\n./scripts/reset-db-connections.sh";
const ALWAYS = "# Look\n./scripts/analyze-memory.sh\n\n# Restart\n./scripts/restart-service.sh payments";
const FOREIGN = "# Look\n./scripts/check-db-connection.sh\n\n# Apply\n./scripts/migrate.js --env production";

/** Runs the procedure; an operation fails as often as `failures` says. */
async function carryOut(commands: string, failures: Record<string, number> = {}) {
  const did: string[] = [];
  const left = { ...failures };
  const acting = (name: string, changes: Operation["changes"], restores: boolean): Operation =>
    testOperation(name, changes, {
      ...(restores ? { restores } : {}),
      run: (ctx: DurableContext, { stepName }: { stepName: string }) =>
        ctx.step(`${stepName}/act`, () => act(name), { disposition: { kind: "idempotent" }, deadlineMs: 1_000 }),
      ...(changes.length === 0 ? {} : { wayBack: { kind: "none", why: "nothing is left to take back" } }),
    });
  const act = async (name: string): Promise<{ summary: string }> => {
    did.push(name);
    left[name] = (left[name] ?? 0) - 1;
    if (left[name] >= 0) throw new TerminalError("CHECK_FAILED", `${name} finds something wrong`);
    return { summary: `${name} is done` };
  };
  const operations = new Map(
    [
      acting("check-db-connection", [], false),
      acting("analyze-memory", [], false),
      acting("reset-db-connections", ["hosts"], true),
      acting("restart-service", ["hosts", "traffic"], true),
      acting("migrate", ["database"], false),
      testOperation("deploy-production", ["hosts"]),
      testOperation("rollback", ["hosts"]),
    ].map((one) => [one.name, one]),
  );
  const text = runbookOf(commands);
  const [procedure] = parseRunbook(text, "/r/RUNBOOK.md").runbook.issues;
  assert.ok(procedure);
  const { plan, diagnostics } = compileText(text, { subject: { kind: "procedure", procedure }, operations });
  assert.ok(plan, JSON.stringify(diagnostics));
  const def = deploymentWorkflow({
    operations,
    permission: async () => ({ missing: [], denied: [], given: [], attested: [], waitMs: 1_000 }),
    commandGate: () => Promise.reject(new Error("no gate here")),
    activeRelease: async () => null,
    observe: async () => null,
    notify: async () => {},
  });
  const result = await new World().run(def, { input: { plan } });
  const output = result.state === "done" ? (result.output as unknown as DeploymentOutput) : null;
  return { did, output, question: JSON.stringify(result.state === "held" ? result.question : null) };
}

test("a check that finds something wrong is followed by its remedy, and made again", async () => {
  const { did, output } = await carryOut(IF_NEEDED, { "check-db-connection": 1 });
  assert.equal(output?.outcome, "succeeded");
  assert.deepEqual(did, ["check-db-connection", "reset-db-connections", "check-db-connection"]);
});

test("a remedy that is written without a condition follows as well when it restores a good state", async () => {
  const { did, output } = await carryOut(ALWAYS, { "analyze-memory": 1 });
  assert.equal(output?.outcome, "succeeded");
  assert.deepEqual(did, ["analyze-memory", "restart-service", "analyze-memory"]);
});

test("a remedy that is only made if needed is left out when nothing is wrong, and the record says so", async () => {
  const { did, output } = await carryOut(IF_NEEDED);
  assert.equal(output?.outcome, "succeeded");
  assert.deepEqual(did, ["check-db-connection"]);
  assert.deepEqual(output?.notNeeded.length, 1);
  assert.deepEqual((await carryOut(ALWAYS)).did, ["analyze-memory", "restart-service"]);
});

test("a remedy that does not help is no success, and a person is asked where nothing can be taken back", async () => {
  const { did, output, question } = await carryOut(IF_NEEDED, { "check-db-connection": 2 });
  assert.equal(output, null);
  assert.match(question, /Reset.* failed and is not taken back .*: check-db-connection finds something wrong/);
  assert.deepEqual(did, ["check-db-connection", "reset-db-connections", "check-db-connection"]);
});

test("a check before anything that is no remedy ends the procedure before it is touched", async () => {
  const { did, output } = await carryOut(FOREIGN, { "check-db-connection": 1 });
  assert.equal(output?.outcome, "refused");
  assert.deepEqual(did, ["check-db-connection"]);
});
