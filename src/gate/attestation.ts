import { randomBytes } from "node:crypto";
import type { Millis } from "../clock.ts";
import { rfc3339 } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { SignedText } from "./approval.ts";
import { holdsRole, sameName, type KeyedPerson } from "./people.ts";
import { CLOCK_SKEW_MS, verifySigned } from "./pgp.ts";
import { parseTime, readStatement, writeStatement, type StatementForm } from "./statement.ts";

/** A named person says that a gate holds, for one plan. Times are milliseconds since the epoch. */
export interface Attestation {
  /** Digest of the frozen plan: `sha256:<hex>`. */
  readonly digest: string;
  readonly environment: string;
  /** The gate's id in the plan. */
  readonly gate: string;
  readonly name: string;
  /** What the person looked at, one line; may be empty. */
  readonly note: string;
  readonly issuedAt: Millis;
  readonly expiresAt: Millis;
  /** Hex. */
  readonly nonce: string;
}

/** An attestation that counts. Without `signature` it is only as good as the login of `osUser`, and is shown so. */
export interface RecordedAttestation {
  readonly attestation: Attestation;
  readonly person: KeyedPerson;
  readonly signature: { readonly fingerprint: string } | null;
  /** The operating system's user who entered it; null when it is signed. */
  readonly osUser: string | null;
}

/** What an attestation is held against. `roles` with "*" admits everybody who is named in the configuration. */
export interface AttestationContext {
  readonly people: readonly KeyedPerson[];
  readonly roles: readonly string[];
  readonly digest: string;
  readonly environment: string;
  readonly gate: string;
  readonly now: Millis;
}

const FORM: StatementForm = {
  heading: "sunny attestation v1",
  keys: ["subject", "environment", "gate", "name", "note", "issued-at", "expires-at", "nonce"],
};

/** The text of an attestation; `nonce` defaults to 16 random bytes. */
export function createAttestation(attestation: Omit<Attestation, "nonce"> & { readonly nonce?: string }): string {
  return writeStatement(FORM, {
    subject: attestation.digest,
    environment: attestation.environment,
    gate: attestation.gate,
    name: attestation.name,
    note: attestation.note,
    "issued-at": rfc3339(attestation.issuedAt),
    "expires-at": rfc3339(attestation.expiresAt),
    nonce: attestation.nonce ?? randomBytes(16).toString("hex"),
  });
}

/** Reads an attestation; null when it is not one, to the letter. */
export function parseAttestation(text: string): Attestation | null {
  const values = readStatement(FORM, text);
  if (values === null) return null;
  const { subject: digest = "", environment = "", gate = "", name = "", note = "", nonce = "" } = values;
  const [issuedAt, expiresAt] = [parseTime(values["issued-at"] ?? ""), parseTime(values["expires-at"] ?? "")];
  if (!(issuedAt < expiresAt) || [digest, environment, gate, name, nonce].includes("")) return null;
  return { digest, environment, gate, name, note, issuedAt, expiresAt, nonce };
}

/**
 * Records what a signed attestation says.
 * @throws ATTESTATION_REFUSED when the signature, the person, their role, the gate, the plan or the time does not fit.
 */
export async function acceptSigned(signed: SignedText, context: AttestationContext): Promise<RecordedAttestation> {
  const holders = context.people.filter((person) => person.publicKey !== undefined);
  const keys = holders.map((person) => person.publicKey ?? "");
  const signature = await verifySigned(signed, keys, context.now);
  if (!signature.ok) throw refused(context.gate, signature.message);
  const attestation = parseAttestation(signature.text);
  const person = holders[signature.signer];
  if (attestation === null || person === undefined)
    throw refused(context.gate, "the signed text is not an attestation");
  if (!sameName(attestation.name, person.name)) {
    throw refused(context.gate, `it speaks for ${attestation.name}, but the key belongs to ${person.name}`);
  }
  check(attestation, person, context);
  return { attestation, person, signature: { fingerprint: signature.fingerprint }, osUser: null };
}

/**
 * Records an attestation on the word of the operating system's user. Only for a person without a key: whoever has one
 * signs, so that nobody can speak for them.
 * @throws ATTESTATION_REFUSED as above, for an unknown person, and for one who has a key.
 */
export function acceptUnsigned(text: string, osUser: string, context: AttestationContext): RecordedAttestation {
  const attestation = parseAttestation(text);
  if (attestation === null) throw refused(context.gate, "the text is not an attestation");
  const person = context.people.find((candidate) => sameName(candidate.name, attestation.name));
  if (person === undefined) throw refused(context.gate, `the configuration knows nobody called ${attestation.name}`);
  if (person.publicKey !== undefined) throw refused(context.gate, `${person.name} has a PGP key and must sign`);
  check(attestation, person, context);
  return { attestation, person, signature: null, osUser };
}

/** For people: "attested by DBA, signed" or "attested by operator, unsigned, as root". */
export function describeAttestation({ person, osUser }: RecordedAttestation): string {
  return `attested by ${person.name}, ${osUser === null ? "signed" : `unsigned, as ${osUser}`}`;
}

function check(attestation: Attestation, person: KeyedPerson, context: AttestationContext): void {
  const { roles, gate, digest, environment, now } = context;
  const refuse = (why: string): SunnyError => refused(gate, why);
  if (!roles.includes("*") && !roles.some((role) => holdsRole(person, role))) {
    throw refuse(`${person.name} holds none of the roles ${roles.join(", ")}`);
  }
  if (attestation.gate !== gate) throw refuse(`it is about the gate ${attestation.gate}`);
  if (attestation.digest !== digest) throw refuse(`it is about ${attestation.digest}, but this plan is ${digest}`);
  if (attestation.environment !== environment) throw refuse(`it is about ${attestation.environment}`);
  if (attestation.issuedAt > now + CLOCK_SKEW_MS) throw refuse("it is dated in the future");
  if (attestation.expiresAt <= now) throw refuse(`it expired at ${rfc3339(attestation.expiresAt)}`);
}

function refused(gate: string, why: string): SunnyError {
  return new SunnyError("ATTESTATION_REFUSED", `Cannot take the gate "${gate}" as attested: ${why}`, {
    hint: "The plan shows for each gate who may attest it.",
    details: { gate },
  });
}
