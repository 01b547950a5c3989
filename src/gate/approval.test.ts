import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, describe, it } from "node:test";
import * as fc from "fast-check";
import { without } from "../../test/support/programs.ts";
import { isSunnyError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { createApproval, parseApproval, type ApprovalContext, type NewApproval } from "./approval.ts";
import { approvalError, signApproval, verifyApproval } from "./approval-verify.ts";
import type { KeyedPerson } from "./people.ts";
import { generateKey, type KeyPair } from "./pgp.ts";

const NOW = Date.UTC(2026, 2, 1, 12);
const DIGEST = `sha256:${"a1".repeat(32)}`;
const HOUR = 3_600_000;

let cto: KeyPair;
let dba: KeyPair;
let stranger: KeyPair;
let people: KeyedPerson[];
let context: ApprovalContext;

before(async () => {
  [cto, dba, stranger] = await Promise.all([
    generateKey("CTO", "cto@sunnypayments.com", NOW - HOUR),
    generateKey("DBA", "dba@sunnypayments.com", NOW - HOUR, new Secret("open sesame", "passphrase")),
    generateKey("Stranger", "stranger@example.org", NOW - HOUR),
  ]);
  people = [
    { name: "Chief Technology Officer", roles: ["CTO"], publicKey: cto.publicKey },
    { name: "Database Admin", roles: ["DBA", "operator"], publicKey: dba.publicKey },
    { name: "operator", roles: ["operator", "CTO"] },
  ];
  context = { people, digest: DIGEST, environment: "production", what: "plan", author: "operator", now: NOW };
});

const statement = (changes: Partial<NewApproval> = {}): string =>
  createApproval({
    digest: DIGEST,
    environment: "production",
    what: "plan",
    decision: "approve",
    role: "CTO",
    name: "Chief Technology Officer",
    issuedAt: NOW,
    expiresAt: NOW + HOUR,
    ...changes,
  });

const refusedFor = async (
  text: string,
  changes: Partial<ApprovalContext> = {},
  key = cto.privateKey,
): Promise<string> => {
  const check = await verifyApproval(await signApproval(text, key, NOW), { ...context, ...changes });
  return check.ok ? "counts" : `${check.reason}: ${check.message}`;
};

const isUnusable = (error: unknown): boolean => isSunnyError(error, "APPROVAL_KEY_UNUSABLE");

describe("an approval", () => {
  it("is nine lines that say everything, and reads back as it was written", () => {
    const text = statement({ nonce: "00112233445566778899aabbccddeeff" });
    assert.equal(
      text,
      [
        "sunny approval v1",
        `subject: ${DIGEST}`,
        "environment: production",
        "what: plan",
        "decision: approve",
        "role: CTO",
        "name: Chief Technology Officer",
        "issued-at: 2026-03-01T12:00:00.000Z",
        "expires-at: 2026-03-01T13:00:00.000Z",
        "nonce: 00112233445566778899aabbccddeeff",
        "",
      ].join("\n"),
    );
    assert.equal(parseApproval(text)?.expiresAt, NOW + HOUR);
  });

  it("counts when the right person signed it, and names the key", async () => {
    const check = await verifyApproval(await signApproval(statement(), cto.privateKey, NOW), context);
    assert.ok(check.ok);
    assert.equal(check.person.name, "Chief Technology Officer");
    assert.match(check.fingerprint, /^[0-9A-F]{40}$/);
    assert.equal(check.approval.decision, "approve");
  });

  it("can be signed with a locked key when its passphrase is given, and only then", async () => {
    const text = statement({ role: "DBA", name: "Database Admin" });
    const signed = await signApproval(text, dba.privateKey, NOW, new Secret("open sesame", "passphrase"));
    assert.ok((await verifyApproval(signed, context)).ok);
    await assert.rejects(signApproval(text, dba.privateKey, NOW), isUnusable);
    await assert.rejects(signApproval(text, dba.privateKey, NOW, new Secret("wrong", "passphrase")), isUnusable);
    await assert.rejects(signApproval(text, dba.publicKey, NOW), isUnusable);
  });

  it("of another plan says which one it is about", async () => {
    const other = `sha256:${"b2".repeat(32)}`;
    assert.equal(
      await refusedFor(statement({ digest: other })),
      `other-digest: it is about ${other}, but this plan is ${DIGEST}`,
    );
  });

  it("does not count elsewhere, for something else, too late or too early", async () => {
    assert.match(await refusedFor(statement({ environment: "staging" })), /^other-environment: it is about staging/);
    assert.match(await refusedFor(statement({ what: "window-override" })), /^other-subject: /);
    assert.equal(await refusedFor(statement(), { now: NOW + HOUR }), "expired: it expired at 2026-03-01T13:00:00.000Z");
    assert.match(await refusedFor(statement({ issuedAt: NOW + HOUR / 2 })), /^not-yet-valid: /);
  });

  it("does not count when the signer lacks the role, speaks for somebody else, or made the plan", async () => {
    assert.equal(
      await refusedFor(statement({ role: "CEO" })),
      "role-not-held: Chief Technology Officer is not CEO, but CTO",
    );
    assert.match(
      await refusedFor(statement({ name: "operator" })),
      /^wrong-person: it speaks for operator, but the key/,
    );
    assert.match(await refusedFor(statement(), { author: "chief technology  officer" }), /^author: .* made the plan/);
  });

  it("from a key that belongs to nobody is refused", async () => {
    assert.match(
      await refusedFor(statement(), {}, stranger.privateKey),
      /^unknown-signer: nobody has the key [0-9A-F]{16}/,
    );
  });

  it("is refused when one letter of it was changed after signing, and every refusal makes a coded error", async () => {
    const signed = await signApproval(statement(), cto.privateKey, NOW);
    const check = await verifyApproval(signed.replace("decision: approve", "decision: deny"), context);
    assert.ok(!check.ok);
    assert.equal(check.reason, "bad-signature");
    const error = approvalError(check);
    assert.equal(error.code, "APPROVAL_REFUSED");
    assert.match(error.message, /^The denial by Chief Technology Officer does not count: the signature does not fit/);
  });

  it("is refused when it is anything but one clear-signed statement", async () => {
    const signed = await signApproval(statement(), cto.privateKey, NOW);
    const cases = ["", "approve", statement(), cto.publicKey, signed.slice(0, -80)];
    for (const text of cases) {
      const check = await verifyApproval(text, context);
      assert.ok(!check.ok && check.reason === "malformed", `accepted: ${text.slice(0, 40)}`);
    }
    const free = await refusedFor("I approve everything\n");
    assert.match(free, /^malformed: the signed text is not an approval/);
    assert.match(await refusedFor(`${statement()}decision: approve\n`), /^malformed/);
  });

  it("a denial counts though it is old, and the author may deny", async () => {
    const signed = await signApproval(statement({ decision: "deny" }), cto.privateKey, NOW);
    const check = await verifyApproval(signed, { ...context, now: NOW + 9 * HOUR, author: "Chief Technology Officer" });
    assert.ok(check.ok);
    assert.equal(check.approval.decision, "deny");
  });

  it("never verifies after any single change to the signed text", async () => {
    const signed = await signApproval(statement(), cto.privateKey, NOW);
    const from = signed.indexOf("sunny approval v1");
    const to = signed.indexOf("-----BEGIN PGP SIGNATURE");
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: from, max: to - 2 }),
        fc.constantFrom("a", "Z", "7", " ", "-", ":"),
        async (at, letter) => {
          const changed = signed.slice(0, at) + letter + signed.slice(at + 1);
          // White space at the end of a line is not part of what OpenPGP signs, and Sunny writes none.
          fc.pre(changed.replaceAll(/[ \t]+$/gm, "") !== signed);
          assert.equal((await verifyApproval(changed, context)).ok, false);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("the signer's key", () => {
  it("is refused once it is revoked, also for signatures made before", async () => {
    const { readPrivateKey, revokeKey } = await import("openpgp");
    const signed = await signApproval(statement(), cto.privateKey, NOW);
    const key = await readPrivateKey({ armoredKey: cto.privateKey });
    const { publicKey } = await revokeKey({ key, date: new Date(NOW + 1000), format: "armored" });
    const revoked = people.map((person) => (person.roles[0] === "CTO" ? { ...person, publicKey } : person));
    const check = await verifyApproval(signed, { ...context, people: revoked });
    assert.ok(!check.ok);
    assert.equal(check.reason, "key-revoked");
  });

  it("is refused once it has expired", async () => {
    const { generateKey: generate } = await import("openpgp");
    const short = await generate({
      type: "ecc",
      curve: "ed25519Legacy",
      userIDs: { name: "CTO" },
      date: new Date(NOW - HOUR),
      keyExpirationTime: 2 * 3600,
      format: "armored",
    });
    const signed = await signApproval(statement({ expiresAt: NOW + 9 * HOUR }), short.privateKey, NOW);
    const holder = [{ name: "Chief Technology Officer", roles: ["CTO"], publicKey: short.publicKey }];
    assert.ok((await verifyApproval(signed, { ...context, people: holder })).ok);
    const check = await verifyApproval(signed, { ...context, people: holder, now: NOW + 2 * HOUR });
    assert.ok(!check.ok);
    assert.equal(check.reason, "key-expired");
  });
});

describe("GnuPG", { skip: without("gpg") }, () => {
  it("signs a printed statement so that Sunny accepts it, clear-signed and detached", async () => {
    const home = mkdtempSync(path.join(tmpdir(), "sunny-gpg-"));
    const run = (...args: string[]): void => {
      const options = { env: { PATH: process.env["PATH"], GNUPGHOME: home } };
      const result = spawnSync("gpg", ["--batch", "--yes", "--faked-system-time", `${NOW / 1000}`, ...args], options);
      assert.equal(result.status, 0, result.stderr.toString());
    };
    try {
      const file = path.join(home, "statement");
      writeFileSync(path.join(home, "key.asc"), cto.privateKey);
      writeFileSync(file, statement());
      run("--import", path.join(home, "key.asc"));
      run("--clearsign", "--output", `${file}.asc`, file);
      assert.ok((await verifyApproval(readFileSync(`${file}.asc`, "utf8"), context)).ok);
      run("--detach-sign", "--armor", "--output", `${file}.sig`, file);
      const signature = readFileSync(`${file}.sig`, "utf8");
      assert.ok(!(await verifyApproval({ text: statement(), signature }, context)).ok, "another nonce, other text");
      assert.ok((await verifyApproval({ text: readFileSync(file, "utf8"), signature }, context)).ok);
    } finally {
      spawnSync("gpgconf", ["--homedir", home, "--kill", "all"]);
      rmSync(home, { recursive: true, force: true });
    }
  });
});
