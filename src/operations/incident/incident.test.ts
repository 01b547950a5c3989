import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TerminalError, type WorkflowDef } from "../../engine/context.ts";
import { World } from "../../engine/testing/world.ts";
import type { OperationCall, OperationReport } from "../../operation.ts";
import { compileText, TEST_OPERATIONS, testOperation, testSystem } from "../../plan/testing.ts";
import { parseRunbook } from "../../runbook/parse.ts";
import { followInstruction, type IncidentPorts } from "./follow-instruction.ts";
import { guidanceFor } from "./guidance.ts";

describe("what Sunny has to offer for an instruction", () => {
  const cases: [string, string[], RegExp][] = [
    ["Isolate affected systems", ["verify-infrastructure"], /traffic set HOST --state maint/],
    ["Rotate all credentials", ["verify-ssl"], /renew-ssl -- --force/],
    ["Stop write operations", ["check-db-connection"], /--state drain/],
    ["Restore from backups", ["backup-databases"], /backup-databases -- --verify/],
    ["Verify data integrity", ["check-db-connection", "verify-migrations"], /verify-migrations/],
    ["Assess data loss extent", ["check-db-connection", "verify-migrations"], /check-db-connection/],
    ["Resume operations", ["verify-infrastructure"], /restart-service/],
    ["Switch to backup systems", ["verify-infrastructure"], /--state ready/],
    ["Identify root cause", ["verify-infrastructure", "check-db-connection", "analyze-memory"], /sunny monitor/],
    ["Prepare incident report", [], /sunny audit export ID --out DIR/],
    ["Enable enhanced logging", [], /^$/],
  ];
  for (const [text, looks, suggested] of cases) {
    it(`"${text}": looks with ${looks.join(", ") || "nothing"}`, () => {
      const { look, suggest } = guidanceFor(text);
      assert.deepEqual(
        look.map(({ operation }) => operation),
        looks,
      );
      assert.match(suggest.join("\n"), suggested);
    });
  }
});

const RUNBOOK = `# Service

## Emergency Procedures

### Data Loss

1. Stop write operations
2. Resume operations

   \`\`\`bash
   ./scripts/restart-service.sh payments
   \`\`\`

## Contacts

- DBA: dba@example.org
`;

/** Runs the first instruction of the procedure on the real engine. */
class Scene {
  readonly world = new World();
  readonly told: string[] = [];
  readonly process = this.world.spawn();
  looks: () => OperationReport = () => ({ summary: "it answers" });
  readonly #ports: IncidentPorts = {
    operations: () =>
      new Map([
        ["check-db-connection", testOperation("check-db-connection", [], { run: async () => this.looks() })],
        ["verify-infrastructure", testOperation("verify-infrastructure", ["hosts"])],
      ]),
    tell: async ({ incident, to }, { actor }) => void this.told.push(`${incident} ${to[0]?.role} ${actor}`),
  };

  /** The plan's steps as a workflow of that one operation. */
  workflow(): WorkflowDef<unknown, OperationReport[]> {
    const operation = followInstruction(this.#ports);
    const { runbook } = parseRunbook(RUNBOOK, "/r/RUNBOOK.md");
    const [emergency] = runbook.emergencies;
    assert.ok(emergency);
    const operations = new Map([...TEST_OPERATIONS, [operation.name, operation]]);
    const { plan } = compileText(RUNBOOK, { subject: { kind: "emergency", emergency }, operations });
    assert.ok(plan);
    assert.deepEqual([plan.kind, plan.windows, plan.rollback], ["procedure", [], null]);
    const steps = plan.phases.flatMap((phase) => phase.steps);
    const callFor = (step: (typeof steps)[number]): OperationCall<unknown> => ({
      args: operation.args.parse(step.args),
      facts: null,
      system: testSystem(),
      release: null,
      previous: null,
      stepName: step.id,
      actor: "operator",
      mode: "by-hand",
      earlier: {},
    });
    const run: WorkflowDef<unknown, OperationReport[]>["run"] = async (ctx) => {
      const reports: OperationReport[] = [];
      for (const step of steps) reports.push(await operation.run(ctx, callFor(step)));
      return reports;
    };
    return { name: "incident", version: 1, run };
  }

  /** Carries on until the next question or the end. */
  async carryOn(def: WorkflowDef<unknown, OperationReport[]>): Promise<unknown> {
    return this.world.resume(def, "run-1", this.process);
  }

  answer(as: string, reason: string): void {
    const { question } = this.process.journal.read.run("run-1")!;
    assert.equal(question?.ask, "signal");
    const name = question.ask === "signal" ? question.signal : "";
    const value = { as, by: "dba", reason };
    this.process.engine.request("run-1", { kind: "signal", name, value }, { by: "dba" });
  }

  question(): string {
    return JSON.stringify(this.process.journal.read.run("run-1")?.question);
  }
}

describe("an emergency procedure", () => {
  it("tells the contacts once, and puts each instruction to a person with what is seen and what may help", async () => {
    const scene = new Scene();
    const def = scene.workflow();
    const held = await scene.world.run(def, { process: scene.process });
    assert.equal(held.state, "held");
    assert.match(
      scene.question(),
      /Stop write operations.*found {2}check-db-connection: it answers.*no read-only mode/,
    );
    scene.answer("done", "the API refuses writes");
    await scene.carryOn(def);
    assert.match(scene.question(), /Resume operations.*try {4}\.\/scripts\/restart-service\.sh payments/);
    assert.doesNotMatch(scene.question(), /verify-infrastructure:/, "what would change something is not called");
    scene.answer("skip", "not needed");
    const result = (await scene.carryOn(def)) as { output: OperationReport[] };
    assert.deepEqual(
      result.output.map(({ summary }) => summary),
      ["done by dba: the API refuses writes", "left out by dba: not needed"],
    );
    assert.deepEqual(scene.told, ["Data Loss DBA operator"]);
  });

  it("goes on when what it looks at is broken, and says so", async () => {
    const scene = new Scene();
    scene.looks = () => {
      throw new TerminalError("CHECK_FAILED", "the database is gone");
    };
    await scene.world.run(scene.workflow(), { process: scene.process });
    assert.match(scene.question(), /WRONG {2}check-db-connection: the database is gone/);
  });

  it("ends when a person says so, with who and why", async () => {
    const scene = new Scene();
    const def = scene.workflow();
    await scene.world.run(def, { process: scene.process });
    scene.answer("abort", "false alarm");
    const result = (await scene.carryOn(def)) as { error: { message: string } };
    assert.match(result.error.message, /dba ended it at "Stop write operations": false alarm/);
  });
});
