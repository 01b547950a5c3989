import assert from "node:assert/strict";
import { generateKey } from "openpgp";
import { before, describe, it } from "node:test";
import { createApproval } from "../gate/approval.ts";
import { createAttestation } from "../gate/attestation.ts";
import { loadPeople, type KeyedPerson } from "../gate/people.ts";
import { clearSign } from "../gate/pgp.ts";
import type { KeptStatement, StatementStore, StoredStatement } from "../gate/store.ts";
import type { Plan } from "../plan/model.ts";
import { permissionOf } from "./standing.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const DIGEST = `sha256:${"ab".repeat(32)}`;
const GATE = "code-review/pull-requests-approved";
const PLAN = {
  digest: DIGEST,
  environment: "production",
  author: "operator",
  approvals: [{ role: "CTO", count: 1, expiresMs: 3_600_000 }],
  windows: [{ kind: "approval", name: "Emergency", role: "CTO" }],
  gates: [{ id: GATE, text: "Pull requests approved", binding: { kind: "attest", roles: ["*"], validMs: 3_600_000 } }],
} as unknown as Plan;

/** Statements in memory, as the store promises to keep them. */
function memoryStore(): StatementStore & { readonly kept: KeptStatement[] } {
  const kept: KeptStatement[] = [];
  return {
    kept,
    list: () => [...kept],
    add: (_digest: string, statement: StoredStatement) => void kept.push({ ...statement, usedBy: null }),
    use(_digest, runId) {
      for (const [index, one] of kept.entries()) if (one.usedBy === null) kept[index] = { ...one, usedBy: runId };
    },
  };
}

describe("permission", () => {
  let people: readonly KeyedPerson[];
  let key: string;
  let cto: string;

  before(async () => {
    const made = await generateKey({ userIDs: [{ name: "cto" }], date: new Date(NOW - 1_000), format: "armored" });
    key = made.privateKey;
    people = loadPeople(
      [
        { name: "cto", roles: ["CTO"], publicKeyFile: "cto.asc" },
        { name: "operator", roles: [] },
      ] as never,
      () => made.publicKey,
    );
    cto = "CTO";
  });

  const approval = async (
    what: "plan" | "window-override",
    decision: "approve" | "deny",
  ): Promise<StoredStatement> => ({
    kind: "approval",
    signed: await clearSign(
      createApproval({
        digest: DIGEST,
        environment: "production",
        what,
        decision,
        role: cto,
        name: "cto",
        issuedAt: NOW,
        expiresAt: NOW + 3_600_000,
      }),
      key,
      NOW,
    ),
  });

  const attested = (): StoredStatement => ({
    kind: "attestation",
    gate: GATE,
    osUser: "somebody",
    text: createAttestation({
      digest: DIGEST,
      environment: "production",
      gate: GATE,
      name: "operator",
      note: "read",
      issuedAt: NOW,
      expiresAt: NOW + 3_600_000,
    }),
  });

  async function given(store: StatementStore): Promise<void> {
    store.add(DIGEST, await approval("plan", "approve"));
    store.add(DIGEST, await approval("window-override", "approve"));
    store.add(DIGEST, attested());
  }

  const asked = (store: StatementStore, runId: string): ReturnType<typeof permissionOf> =>
    permissionOf(store, { plan: PLAN, runId, people, now: NOW });

  it("lets the run begin that has everything, and the same again when that run asks again", async () => {
    const store = memoryStore();
    const first = await asked(store, "d-1");
    assert.equal(first.missing.length, 3);
    await given(store);
    for (const permission of [await asked(store, "d-1"), await asked(store, "d-1")]) {
      assert.deepEqual([permission.missing, permission.denied], [[], []]);
      assert.equal(permission.given.length, 2);
    }
  });

  it("that one run has begun with is not there for another run of the same plan, and says whose it was", async () => {
    const store = memoryStore();
    await given(store);
    await asked(store, "d-1");
    const again = await asked(store, "d-2");
    assert.equal(again.missing.length, 3);
    assert.match(again.missing[0] ?? "", /missing: 1 × CTO.*what was given before counted for d-1/);
    await given(store);
    assert.deepEqual((await asked(store, "d-2")).missing, [], "given anew it counts");
  });

  it("stays unused while something is missing", async () => {
    const store = memoryStore();
    store.add(DIGEST, attested());
    await asked(store, "d-1");
    assert.deepEqual(
      store.kept.map((one) => one.usedBy),
      [null],
    );
  });

  it("is refused to every run of a plan that was denied", async () => {
    const store = memoryStore();
    store.add(DIGEST, await approval("plan", "deny"));
    await given(store);
    store.use(DIGEST, "d-1");
    assert.match((await asked(store, "d-2")).denied[0] ?? "", /denied by cto/);
  });

  it("goes to one of two runs that ask at the same moment", async () => {
    const store = memoryStore();
    await given(store);
    const both = await Promise.all([asked(store, "d-1"), asked(store, "d-2")]);
    assert.deepEqual(both.map(({ missing }) => missing.length === 0).toSorted(), [false, true]);
  });
});
