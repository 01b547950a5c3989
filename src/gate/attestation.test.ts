import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { isSunnyError, messageOf } from "../errors.ts";
import {
  acceptSigned,
  acceptUnsigned,
  createAttestation,
  describeAttestation,
  parseAttestation,
  type Attestation,
  type AttestationContext,
} from "./attestation.ts";
import { clearSign, generateKey, type KeyPair } from "./pgp.ts";

const NOW = Date.UTC(2026, 2, 1, 12);
const HOUR = 3_600_000;
const DIGEST = `sha256:${"a1".repeat(32)}`;
const GATE = "environment-verification/database-backups-current";

let dba: KeyPair;
let context: AttestationContext;

before(async () => {
  dba = await generateKey("DBA", "dba@sunnypayments.com", NOW - HOUR);
  const people = [
    { name: "Database Admin", roles: ["DBA"], publicKey: dba.publicKey },
    { name: "operator", roles: ["operator"] },
  ];
  context = { people, roles: ["DBA", "operator"], digest: DIGEST, environment: "production", gate: GATE, now: NOW };
});

const text = (changes: Partial<Attestation> = {}): string =>
  createAttestation({
    digest: DIGEST,
    environment: "production",
    gate: GATE,
    name: "operator",
    note: "looked at last night's run",
    issuedAt: NOW,
    expiresAt: NOW + HOUR,
    ...changes,
  });

const refusal = (changes: Partial<Attestation>, changed: Partial<AttestationContext> = {}): string => {
  try {
    acceptUnsigned(text(changes), "root", { ...context, ...changed });
    return "accepted";
  } catch (error) {
    assert.ok(isSunnyError(error, "ATTESTATION_REFUSED"));
    return messageOf(error).replace(`Cannot take the gate "${GATE}" as attested: `, "");
  }
};

describe("an attestation", () => {
  it("reads back as it was written, with a note of one line", () => {
    const read = parseAttestation(text({ note: "two\nlines  " }));
    assert.equal(read?.note, "two lines");
    assert.equal(parseAttestation(`${text()}gate: other\n`), null);
    assert.equal(parseAttestation(text({ expiresAt: NOW })), null);
  });

  it("by somebody without a key is kept as unsigned, with the user who entered it", () => {
    const recorded = acceptUnsigned(text(), "root", context);
    assert.equal(recorded.signature, null);
    assert.equal(describeAttestation(recorded), "attested by operator, unsigned, as root");
  });

  it("by somebody with a key is only taken when they signed it", async () => {
    const signed = await clearSign(text({ name: "Database Admin" }), dba.privateKey, NOW);
    const recorded = await acceptSigned(signed, context);
    assert.match(recorded.signature?.fingerprint ?? "", /^[0-9A-F]{40}$/);
    assert.equal(describeAttestation(recorded), "attested by Database Admin, signed");
    assert.equal(refusal({ name: "Database Admin" }), "Database Admin has a PGP key and must sign");
  });

  it("signed by one person in the name of another is refused", async () => {
    const signed = await clearSign(text(), dba.privateKey, NOW);
    await assert.rejects(
      acceptSigned(signed, context),
      /it speaks for operator, but the key belongs to Database Admin/,
    );
    await assert.rejects(acceptSigned(signed.replace("looked", "booked"), context), /does not fit the text/);
  });

  it("is refused for another gate, plan, environment, time, person or role", () => {
    assert.equal(refusal({ gate: "code-review/x" }), "it is about the gate code-review/x");
    assert.match(refusal({ digest: `sha256:${"b2".repeat(32)}` }), /^it is about sha256:b2b2.*, but this plan is/);
    assert.equal(refusal({ environment: "staging" }), "it is about staging");
    assert.equal(refusal({}, { now: NOW + HOUR }), "it expired at 2026-03-01T13:00:00.000Z");
    assert.equal(refusal({ issuedAt: NOW + HOUR / 2 }), "it is dated in the future");
    assert.equal(refusal({ name: "nobody" }), "the configuration knows nobody called nobody");
    assert.equal(refusal({}, { roles: ["DBA"] }), "operator holds none of the roles DBA");
    assert.equal(refusal({}, { roles: ["*"] }), "accepted");
  });
});
