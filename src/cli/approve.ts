import { readFileSync } from "node:fs";
import path from "node:path";
import { messageOf, SunnyError } from "../errors.ts";
import { createApproval, type ApprovalSubject } from "../gate/approval.ts";
import { sameName, type KeyedPerson } from "../gate/people.ts";
import { approvalError, signApproval, verifyApproval } from "../gate/approval-verify.ts";
import type { Sunny } from "../main.ts";
import type { Plan } from "../plan/model.ts";
import { Secret } from "../secret.ts";
import type { CliContext } from "./context.ts";
import { planOfReference } from "./plan-ref.ts";
import { wakeWaiting } from "./wake.ts";
import type { Configure } from "./configure.ts";

interface Options {
  readonly role?: string;
  readonly key?: string;
  readonly signed?: string;
  readonly print?: boolean;
  readonly deny?: boolean;
  readonly windowOverride?: boolean;
  readonly hours?: string;
}

export const configure: Configure = (command, context) => {
  command
    .argument("[plan]", "a plan file, a digest, or a deployment (default: the one that waits)")
    .option("--role <role>", "the role in which you approve (default: your first)")
    .option("--window-override", "allow it outside of the maintenance windows, instead of approving the plan")
    .option("--deny", "deny it")
    .option("--key <file>", "sign with this armoured PGP private key ($SUNNY_KEY_PASSPHRASE unlocks it)")
    .option("--print", "print the text to sign elsewhere (gpg --clearsign)")
    .option("--signed <file>", "hand in a text that was signed elsewhere")
    .option("--hours <n>", "how long it counts", "1")
    .action((reference: string | undefined, options: Options) => approve(context, reference, options));
};

async function approve(context: CliContext, reference: string | undefined, options: Options): Promise<void> {
  const sunny = await context.sunny();
  const plan = planOfReference(context, sunny, reference);
  const what: ApprovalSubject = options.windowOverride === true ? "window-override" : "plan";
  if (options.print === true) return context.output.text(statement(context, sunny, plan, what, options));
  const signed = await signedText(context, sunny, plan, what, options);
  const check = await verifyApproval(signed, {
    people: sunny.people,
    digest: plan.digest,
    environment: plan.environment,
    what,
    author: plan.author,
    now: context.clock.now(),
  });
  if (!check.ok) {
    sunny.record(context.actor, "approval.refused", "failure", plan, { what, reason: check.reason });
    throw approvalError(check);
  }
  const unasked = notAsked(check.approval.role, plan, what);
  if (unasked !== null) {
    sunny.record(context.actor, "approval.refused", "failure", plan, { what, reason: "role-not-asked" });
    throw unasked;
  }
  sunny.statements.add(plan.digest, { kind: "approval", signed });
  const { name, decision, role } = check.approval;
  sunny.record(name, `approval.${decision === "approve" ? "granted" : "denied"}`, "success", plan, {
    what,
    role,
    fingerprint: check.fingerprint,
  });
  wakeWaiting(sunny, plan, name);
  const done = decision === "approve" ? "approved" : "denied";
  const subject = what === "plan" ? "the plan" : "a deployment outside of the windows";
  context.output.text(`${name} (${role}) has ${done} ${subject} ${plan.digest}`);
  context.output.summary({ digest: plan.digest, decision, role, by: name, what });
}

function statement(context: CliContext, sunny: Sunny, plan: Plan, what: ApprovalSubject, options: Options): string {
  const person = sunny.people.find((one) => one.name.toLowerCase() === context.actor.toLowerCase());
  if (person === undefined) {
    throw new SunnyError("USAGE", `The configuration knows nobody called "${context.actor}"`, {
      hint: `Say who you are with --as NAME; known are ${sunny.people.map((one) => one.name).join(", ") || "none"}.`,
    });
  }
  const hours = Number(options.hours);
  if (!(hours > 0 && hours <= 168)) {
    throw new SunnyError("USAGE", `--hours ${options.hours} is not a number from 0 to 168`, {
      hint: "One week is the most.",
    });
  }
  const now = context.clock.now();
  return createApproval({
    digest: plan.digest,
    environment: plan.environment,
    what,
    decision: options.deny === true ? "deny" : "approve",
    role: options.role ?? roleOf(person, plan, what),
    name: person.name,
    issuedAt: now,
    expiresAt: now + hours * 3_600_000,
  });
}

/** The roles whose word counts for the plan, or for a deployment outside of its windows; empty: nobody's is needed. */
function askedRoles(plan: Plan, what: ApprovalSubject): readonly string[] {
  if (what === "plan") return plan.approvals.map((approval) => approval.role);
  return plan.windows.flatMap((window) => (window.kind === "approval" ? [window.role] : []));
}

/** Their first role that is asked for; else their first, which is then refused by name. */
function roleOf(person: KeyedPerson, plan: Plan, what: ApprovalSubject): string {
  const asked = askedRoles(plan, what);
  return person.roles.find((role) => asked.some((one) => sameName(one, role))) ?? person.roles[0] ?? "";
}

/** A word that nobody waits for must not look as if it had helped. */
function notAsked(role: string, plan: Plan, what: ApprovalSubject): SunnyError | null {
  const asked = askedRoles(plan, what);
  if (asked.some((one) => sameName(one, role))) return null;
  const subject = what === "plan" ? "this plan" : "a deployment outside of the windows";
  const who = asked.length === 0 ? "nobody is asked" : `asked is ${asked.join(" or ")}`;
  return new SunnyError("APPROVAL_REFUSED", `The word of ${role} on ${subject} does not count: ${who}`, {
    hint: "Nothing was recorded. `sunny plan` shows who may approve it.",
  });
}

async function signedText(
  context: CliContext,
  sunny: Sunny,
  plan: Plan,
  what: ApprovalSubject,
  options: Options,
): Promise<string> {
  if (options.signed !== undefined) return read(context, options.signed);
  if (options.key === undefined) {
    throw new SunnyError("USAGE", "An approval must be signed", {
      hint: "Give --key FILE, or --print the text, sign it with `gpg --clearsign`, and hand it in with --signed FILE.",
    });
  }
  const passphrase = context.env["SUNNY_KEY_PASSPHRASE"];
  return signApproval(
    statement(context, sunny, plan, what, options),
    read(context, options.key),
    context.clock.now(),
    passphrase === undefined ? undefined : new Secret(passphrase, "passphrase of the approver's key"),
  );
}

function read(context: CliContext, file: string): string {
  try {
    return readFileSync(path.resolve(context.cwd, file), "utf8");
  } catch (error) {
    throw new SunnyError("FILE_UNREADABLE", `Cannot read ${file}: ${messageOf(error)}`, {
      place: { file },
      cause: error,
    });
  }
}
