import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Approval, VerifiedApproval } from "./approval.ts";
import { evaluateApprovals, type RequiredApproval } from "./approval-evaluate.ts";

const NOW = Date.UTC(2026, 2, 1, 12);
const HOUR = 3_600_000;
const need = (role: string, count = 1): RequiredApproval => ({ role, count, expiresMs: HOUR });

const said = (name: string, role: string, changes: Partial<Approval> = {}): VerifiedApproval => ({
  ok: true,
  person: { name, roles: [role] },
  fingerprint: "F".repeat(40),
  approval: {
    digest: `sha256:${"0".repeat(64)}`,
    environment: "production",
    what: "plan",
    decision: "approve",
    role,
    name,
    issuedAt: NOW,
    expiresAt: NOW + 9 * HOUR,
    nonce: "00000000",
    ...changes,
  },
});

describe("what is required", () => {
  const cases: [string, RequiredApproval[], VerifiedApproval[], string][] = [
    ["nothing", [], [], "granted: no approval is required"],
    ["a CTO, and nobody answered", [need("CTO")], [], "waiting: missing: 1 × CTO"],
    ["a CTO, and one approved", [need("CTO")], [said("lead", "cto")], "granted: approved by lead (cto)"],
    [
      "two operators, and one said so twice",
      [need("operator", 2)],
      [said("lead", "operator"), said("lead", "operator")],
      "waiting: missing: 1 × operator",
    ],
    [
      "two roles, and one person holds both",
      [need("CTO"), need("DBA")],
      [said("lead", "CTO"), said("lead", "DBA")],
      "waiting: missing: 1 × DBA",
    ],
    [
      "two roles, and the one with both moves over for the other",
      [need("CTO"), need("DBA")],
      [said("lead", "CTO"), said("lead", "DBA"), said("deputy", "CTO")],
      "granted: approved by deputy (CTO), lead (DBA)",
    ],
    [
      "a CTO, and a later denial settles it",
      [need("CTO")],
      [said("lead", "CTO"), said("deputy", "CTO", { decision: "deny" })],
      "denied: denied by deputy (CTO)",
    ],
    [
      "a CTO, and somebody without a required role denied",
      [need("CTO")],
      [said("guest", "guest", { decision: "deny" }), said("lead", "CTO")],
      "granted: approved by lead (CTO)",
    ],
    [
      "a CTO within an hour, and the approval is an hour old",
      [need("CTO")],
      [said("lead", "CTO", { issuedAt: NOW - HOUR })],
      "waiting: missing: 1 × CTO",
    ],
  ];
  for (const [name, required, given, expected] of cases) {
    it(name, () => {
      const state = evaluateApprovals(required, given, NOW);
      assert.equal(`${state.state}: ${state.message}`, expected);
    });
  }

  it("stops being granted when the first of the approvals expires", () => {
    const given = [said("lead", "CTO", { issuedAt: NOW - HOUR / 2 }), said("deputy", "DBA")];
    const required = [need("CTO"), need("DBA")];
    const { expiresAt } = evaluateApprovals(required, given, NOW);
    assert.equal(expiresAt, NOW + HOUR / 2);
    assert.equal(evaluateApprovals(required, given, NOW + HOUR / 2 - 1).state, "granted");
    assert.equal(evaluateApprovals(required, given, NOW + HOUR / 2).state, "waiting");
  });
});
