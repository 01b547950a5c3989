import { randomBytes } from "node:crypto";
import type { Millis } from "../clock.ts";
import { rfc3339 } from "../clock.ts";
import type { KeyedPerson } from "./people.ts";
import { parseTime, readStatement, writeStatement, type StatementForm } from "./statement.ts";

/** What may be approved: the frozen plan, or deploying it outside of every maintenance window. */
export type ApprovalSubject = "plan" | "window-override";

/** What a person signs. Times are milliseconds since the epoch. */
export interface Approval {
  /** Digest of the frozen plan: `sha256:<hex>`. */
  readonly digest: string;
  readonly environment: string;
  readonly what: ApprovalSubject;
  readonly decision: "approve" | "deny";
  readonly role: string;
  readonly name: string;
  readonly issuedAt: Millis;
  readonly expiresAt: Millis;
  /** Hex; tells two otherwise equal statements apart. */
  readonly nonce: string;
}

/** Clear-signed text, or a text and a detached signature over it; signatures are armoured. */
export type SignedText = string | { readonly text: string; readonly signature: string };

/** Why a statement does not count. */
export type ApprovalRefusal =
  | "malformed"
  | "bad-signature"
  | "unknown-signer"
  | "key-revoked"
  | "key-expired"
  | "wrong-person"
  | "role-not-held"
  | "other-digest"
  | "other-environment"
  | "other-subject"
  | "author"
  | "expired"
  | "not-yet-valid";

/** A statement whose signature was verified. `approval.decision` may be `deny`. */
export interface VerifiedApproval {
  readonly ok: true;
  readonly approval: Approval;
  readonly person: KeyedPerson;
  /** Fingerprint of the signer's primary key, upper-case hex. */
  readonly fingerprint: string;
}

/** A statement that does not count; `message` is one sentence for people. */
export interface RefusedApproval {
  readonly ok: false;
  readonly reason: ApprovalRefusal;
  readonly message: string;
  /** What the statement says of itself, where it can be read; not to be trusted. */
  readonly claimed: Approval | null;
}

/** What became of a signed statement. */
export type ApprovalCheck = VerifiedApproval | RefusedApproval;

/** What a statement is held against. */
export interface ApprovalContext {
  readonly people: readonly KeyedPerson[];
  readonly digest: string;
  readonly environment: string;
  readonly what: ApprovalSubject;
  /** Who made the plan; they may deny it, but not approve it. */
  readonly author: string;
  readonly now: Millis;
}

/** What `createApproval` is given; `nonce` defaults to 16 random bytes. */
export type NewApproval = Omit<Approval, "nonce"> & { readonly nonce?: string };

const FORM: StatementForm = {
  heading: "sunny approval v1",
  keys: ["subject", "environment", "what", "decision", "role", "name", "issued-at", "expires-at", "nonce"],
};

/** The text to sign: one heading and nine `key: value` lines, the same bytes for the same approval. */
export function createApproval(approval: NewApproval): string {
  return writeStatement(FORM, {
    subject: approval.digest,
    environment: approval.environment,
    what: approval.what,
    decision: approval.decision,
    role: approval.role,
    name: approval.name,
    "issued-at": rfc3339(approval.issuedAt),
    "expires-at": rfc3339(approval.expiresAt),
    nonce: approval.nonce ?? randomBytes(16).toString("hex"),
  });
}

/** Reads a statement; null when it is not one, to the letter. */
export function parseApproval(text: string): Approval | null {
  const values = readStatement(FORM, text);
  if (values === null) return null;
  const { what, decision, nonce = "", subject: digest = "" } = values;
  const [issuedAt, expiresAt] = [parseTime(values["issued-at"] ?? ""), parseTime(values["expires-at"] ?? "")];
  if (what !== "plan" && what !== "window-override") return null;
  if (decision !== "approve" && decision !== "deny") return null;
  if (!/^sha256:[0-9a-f]{64}$/.test(digest) || !/^[0-9a-f]{8,64}$/.test(nonce)) return null;
  if (Number.isNaN(issuedAt) || Number.isNaN(expiresAt) || expiresAt <= issuedAt) return null;
  const { environment = "", role = "", name = "" } = values;
  if (environment === "" || role === "" || name === "") return null;
  return { digest, environment, what, decision, role, name, issuedAt, expiresAt, nonce };
}
