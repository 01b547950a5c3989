import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NEW, OLD, planFor } from "../../test/simulation/environment.ts";
import type { Plan } from "../plan/model.ts";
import { rehearse } from "./rehearse.ts";
import { unsafeByDesign } from "./unsafe.ts";

const command = (text: string): string =>
  text.replace("./scripts/verify-migrations.sh", "./scripts/verify-migrations.sh\nfoo-cache warm");

void describe("rehearse", () => {
  void it("shows for every step of the sample's deployment that a failure ends safely, in seconds", async () => {
    const plan = await planFor({ hosts: 2, active: OLD }, { kind: "deploy" });
    const { steps, unsafe, failures, crashes } = await rehearse(plan);
    assert.deepEqual(unsafe, []);
    assert.equal(steps.length, 13 + 4);
    assert.ok(failures > 100 && crashes.points > 200, `${failures} failures, ${crashes.points} crashes`);
    assert.equal(crashes.same, crashes.points);
    const outcomesOf = (id: string): string[] => {
      const found = steps.find(({ step, part }) => step.operation === id && part === "phases");
      return [...new Set(found?.consequences.map(({ outcome }) => outcome))];
    };
    assert.deepEqual(outcomesOf("backup-databases"), ["refused"]);
    assert.deepEqual(outcomesOf("migrate"), ["rolled-back"]);
    const back = steps.find(({ step, part }) => step.operation === "rollback-db" && part === "rollback");
    assert.deepEqual([...new Set(back?.consequences.map(({ outcome }) => outcome))], ["held, then rolled-back"]);
  });

  void it("begins where a gate that asks for a recent backup is content", async () => {
    const plan = await planFor({ hosts: 2, active: OLD }, { kind: "deploy" });
    const asked = plan.gates.filter(({ text }) => text.includes("backup"));
    assert.equal(asked.length, 1);
    const binding = { kind: "operation", name: "verify-backups", args: {} } as const;
    const gates = plan.gates.map((gate) => (asked.includes(gate) ? { ...gate, binding } : gate));
    assert.deepEqual((await rehearse({ ...plan, gates })).unsafe, []);
  });

  void it("rehearses a rollback and a first deployment", async () => {
    const back = await planFor({ hosts: 2, active: NEW }, { kind: "rollback", gradual: null });
    assert.deepEqual((await rehearse(back)).unsafe, []);
    const first = await planFor({ hosts: 2, active: null }, { kind: "deploy" });
    assert.deepEqual((await rehearse(first)).unsafe, []);
  });

  void it("refuses a step that changes something, has no way back, and of which nobody was asked", async () => {
    const asked = await planFor({ hosts: 2, active: OLD }, { kind: "deploy" }, command);
    assert.deepEqual(unsafeByDesign(asked), []);
    const unasked: Plan = { ...asked, gates: [] };
    const [unsafe] = unsafeByDesign(unasked);
    assert.match(unsafe?.step ?? "", /foo-cache|warm/);
    assert.match(unsafe?.path.join(" → ") ?? "", /changes .*no gate or approval.* → .* → the rollback does not cover/);
  });
});
