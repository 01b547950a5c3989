import type { Millis } from "../clock.ts";
import { rfc3339 } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import {
  parseApproval,
  type Approval,
  type ApprovalCheck,
  type ApprovalContext,
  type ApprovalRefusal,
  type RefusedApproval,
  type SignedText,
} from "./approval.ts";
import { holdsRole, sameName, type KeyedPerson } from "./people.ts";
import { clearSign, CLOCK_SKEW_MS, verifySigned } from "./pgp.ts";

/**
 * Clear-signs the text of `createApproval` at time `now`.
 * @throws APPROVAL_KEY_UNUSABLE when the key is not a private key, is locked, or the passphrase is wrong.
 */
export async function signApproval(
  text: string,
  privateKey: string,
  now: Millis,
  passphrase?: Secret,
): Promise<string> {
  return clearSign(text, privateKey, now, passphrase);
}

/**
 * Says whether a signed statement counts: one signature by a key of the person it names, who holds the role, about this
 * very digest, environment and subject, in time, and, for an approval, not by the plan's author. Never rejects.
 */
export async function verifyApproval(signed: SignedText, context: ApprovalContext): Promise<ApprovalCheck> {
  const holders = context.people.filter((person) => person.publicKey !== undefined);
  const keys = holders.map((person) => person.publicKey ?? "");
  const signature = await verifySigned(signed, keys, context.now);
  const approval = signature.text === null ? null : parseApproval(signature.text);
  if (!signature.ok) return refusal(signature.reason, signature.message, approval);
  if (approval === null) return refusal("malformed", "the signed text is not an approval that Sunny wrote", null);
  const person = holders[signature.signer];
  if (person === undefined) return refusal("unknown-signer", "nobody has the key that signed it", approval);
  const problem = standing(approval, person, context) ?? scope(approval, context) ?? timing(approval, context.now);
  if (problem !== null) return refusal(problem.reason, problem.message, approval);
  return { ok: true, approval, person, fingerprint: signature.fingerprint };
}

/** The error that a refused statement is reported with. */
export function approvalError(refused: RefusedApproval): SunnyError {
  const kind = refused.claimed?.decision === "deny" ? "denial" : "approval";
  const by = refused.claimed === null ? "" : ` by ${refused.claimed.name}`;
  return new SunnyError("APPROVAL_REFUSED", `The ${kind}${by} does not count: ${refused.message}`, {
    hint: "Nothing was recorded as approved. `sunny plan` shows the digest and who may approve it.",
    details: { reason: refused.reason },
  });
}

type Problem = { readonly reason: ApprovalRefusal; readonly message: string };

/** May this person say this? */
function standing(approval: Approval, person: KeyedPerson, context: ApprovalContext): Problem | null {
  const { name, role, decision } = approval;
  if (!sameName(name, person.name)) {
    return { reason: "wrong-person", message: `it speaks for ${name}, but the key belongs to ${person.name}` };
  }
  if (!holdsRole(person, role)) {
    return { reason: "role-not-held", message: `${person.name} is not ${role}, but ${person.roles.join(", ")}` };
  }
  if (decision === "approve" && sameName(person.name, context.author)) {
    return { reason: "author", message: `${person.name} made the plan, and nobody approves a plan of their own` };
  }
  return null;
}

/** Is it about this? */
function scope(approval: Approval, context: ApprovalContext): Problem | null {
  if (approval.digest !== context.digest) {
    const message = `it is about ${approval.digest}, but this plan is ${context.digest}`;
    return { reason: "other-digest", message };
  }
  if (approval.environment !== context.environment) {
    const message = `it is about ${approval.environment}, but this is ${context.environment}`;
    return { reason: "other-environment", message };
  }
  if (approval.what !== context.what) {
    return {
      reason: "other-subject",
      message: `it is about the ${approval.what}, but the ${context.what} is asked for`,
    };
  }
  return null;
}

/** Is it in time? A denial does not expire. */
function timing(approval: Approval, now: Millis): Problem | null {
  if (approval.issuedAt > now + CLOCK_SKEW_MS) {
    return { reason: "not-yet-valid", message: `it is dated ${rfc3339(approval.issuedAt)}, which is in the future` };
  }
  if (approval.decision === "approve" && approval.expiresAt <= now) {
    return { reason: "expired", message: `it expired at ${rfc3339(approval.expiresAt)}` };
  }
  return null;
}

function refusal(reason: ApprovalRefusal, message: string, claimed: Approval | null): RefusedApproval {
  return { ok: false, reason, message, claimed };
}
