import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { ATTESTED_BY_ANYBODY, defaultBindings, defaultGate } from "./bindings.ts";
import type { RecordedAttestation } from "./attestation.ts";
import { gateReport, gateResult, type CheckOutcome, type GateSpec } from "./gates.ts";

const NOW = Date.UTC(2026, 2, 1, 12);
const HOUR = 3_600_000;
const known = new Set(defaultBindings().map(({ operation }) => operation));

describe("a gate without a binding in the configuration", () => {
  const cases: [string, string | null][] = [
    ["Production SSL certificates valid", "verify-ssl"],
    ["TLS certs do not expire this month", "verify-ssl"],
    ["Database backups current", "verify-backups"],
    ["A recent backup exists", "verify-backups"],
    ["Monitoring systems operational", "verify-monitoring"],
    ["Load balancers configured", "verify-infrastructure"],
    ["Security scans completed", "security-penetration-test"],
    ["Vulnerability scanning done", "security-penetration-test"],
    ["Database reachable from every host", "check-db-connection"],
    ["All pull requests reviewed and approved", null],
    ["Security review completed", null],
    ["Performance tests passed", null],
    ["Integration tests passed", null],
    ["Dependencies updated", null],
    ["Secrets rotated if needed", null],
    ["Firewall rules verified", null],
    ["Backup on-call engineer named", null],
    ["Certification of the auditor received", null],
  ];
  for (const [text, operation] of cases) {
    it(`"${text}" is ${operation === null ? "attested" : `checked by ${operation}`}`, () => {
      const binding = defaultGate(text, known);
      assert.deepEqual(binding, operation === null ? null : { kind: "operation", name: operation, args: {} });
    });
  }

  it("is documented: docs/reference/gates.md names every operation of the table", () => {
    const page = readFileSync(path.resolve(import.meta.dirname, "../../docs/reference/gates.md"), "utf8");
    for (const { operation } of defaultBindings()) assert.ok(page.includes(`| \`${operation}\` |`), operation);
  });

  it("is attested when the operation that fits is not there", () => {
    assert.equal(defaultGate("Production SSL certificates valid", new Set(["verify-monitoring"])), null);
  });
});

const checked: GateSpec = {
  id: "env/ssl",
  group: "Environment",
  text: "SSL certificates valid",
  binding: { kind: "operation", name: "verify-ssl", args: {} },
};
const attested: GateSpec = { id: "code/review", group: "Code", text: "Reviewed", binding: ATTESTED_BY_ANYBODY };
const outcome = (ok: boolean): CheckOutcome => ({
  ok,
  at: NOW,
  summary: ok ? "valid for 61 days" : "expired",
  evidence: { days: 61 },
});
const recorded = (changes: Partial<RecordedAttestation["attestation"]> = {}): RecordedAttestation => ({
  person: { name: "operator", roles: ["operator"] },
  signature: null,
  osUser: "root",
  attestation: {
    digest: "sha256:00",
    environment: "production",
    gate: "code/review",
    name: "operator",
    note: "seen",
    issuedAt: NOW,
    expiresAt: NOW + HOUR,
    nonce: "00",
    ...changes,
  },
});

describe("gates", () => {
  it("keep what was asked and what answered", () => {
    assert.deepEqual(gateResult(checked, outcome(true), [], NOW), {
      id: "env/ssl",
      group: "Environment",
      text: "SSL certificates valid",
      state: "passed",
      by: "verify-ssl",
      at: NOW,
      note: "valid for 61 days",
      evidence: { asked: { operation: "verify-ssl", args: {} }, answered: { days: 61 }, summary: "valid for 61 days" },
    });
  });

  it("are closed while one is failed or missing, and name both", () => {
    const report = gateReport([checked, attested], { "env/ssl": outcome(false) }, [], NOW);
    assert.equal(report.open, false);
    assert.deepEqual(
      report.failed.map((gate) => gate.note),
      ["expired"],
    );
    assert.deepEqual(
      report.missing.map((gate) => gate.note),
      ["to be attested by a person named in the configuration"],
    );
  });

  it("are open when checks passed and people attested, which stay apart", () => {
    const report = gateReport([checked, attested], { "env/ssl": outcome(true) }, [recorded()], NOW);
    assert.equal(report.open, true);
    assert.deepEqual(
      report.results.map(({ state, by }) => [state, by]),
      [
        ["passed", "verify-ssl"],
        ["attested", "attested by operator, unsigned, as root"],
      ],
    );
  });

  it("are not opened by an attestation where a check is asked for", () => {
    const forChecked = recorded({ gate: "env/ssl" });
    assert.equal(gateResult(checked, outcome(false), [forChecked], NOW).state, "failed");
    assert.equal(gateResult(checked, undefined, [forChecked], NOW).state, "missing");
  });

  it("close again when the attestation has expired, by its own word or by the gate's", () => {
    const short: GateSpec = { ...attested, binding: { kind: "attest", roles: ["CTO"], validMs: HOUR / 2 } };
    assert.equal(gateResult(attested, undefined, [recorded()], NOW + HOUR).state, "missing");
    assert.equal(gateResult(short, undefined, [recorded()], NOW + HOUR / 2).note, "to be attested by CTO");
  });
});
