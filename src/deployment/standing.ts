import type { VerifiedApproval } from "../gate/approval.ts";
import { evaluateApprovals } from "../gate/approval-evaluate.ts";
import { verifyApproval } from "../gate/approval-verify.ts";
import { acceptSigned, acceptUnsigned, describeAttestation, type RecordedAttestation } from "../gate/attestation.ts";
import { sameName, type KeyedPerson } from "../gate/people.ts";
import type { KeptStatement, StatementStore } from "../gate/store.ts";
import { windowState } from "../gate/window.ts";
import { isSunnyError } from "../errors.ts";
import type { Plan, PlanGate } from "../plan/model.ts";
import type { ApprovedWindow } from "../runbook/model.ts";
import { rfc3339, type Millis } from "../clock.ts";
import type { GateOutcome, Permission } from "./ports.ts";

/** A plan, the run that is to carry it out, and who has said what about it until `now`. */
export interface StandingInput {
  readonly plan: Plan;
  readonly runId: string;
  readonly people: readonly KeyedPerson[];
  readonly statements: readonly KeptStatement[];
  readonly now: Millis;
}

/** How long a plan waits for what is missing when no approval says otherwise: an hour. */
const WAIT_MS = 3_600_000;

/**
 * What a run still needs. When nothing is missing the statements are used up: they let this run begin, and no later one
 * of the same plan. Asking again as the same run gives the same.
 */
export async function permissionOf(
  store: StatementStore,
  input: Omit<StandingInput, "statements">,
): Promise<Permission> {
  const { digest } = input.plan;
  const standing = (): Promise<Permission> => permissionFor({ ...input, statements: store.list(digest) });
  const permission = await standing();
  if (permission.missing.length > 0 || permission.denied.length > 0) return permission;
  store.use(digest, input.runId);
  // Another run of the same plan may have been faster.
  return standing();
}

/** Works out from windows, approvals and attestations what a plan still needs. Every statement is verified anew. */
export async function permissionFor(input: StandingInput): Promise<Permission> {
  const { plan, now } = input;
  const parts = [await approvalPart(input), await windowPart(input)];
  const attested = await attestations(input);
  const unattested = attested.filter((gate) => gate.state === "missing");
  const missing = unattested.length === 0 ? [] : [attestationMissing(plan, unattested)];
  return {
    missing: [...parts.flatMap((part) => part.missing), ...missing].map((text) => text + spentNote(input)),
    denied: parts.flatMap((part) => part.denied),
    given: [...parts.flatMap((part) => part.given), ...clockLine(plan, now)],
    attested,
    waitMs: Math.min(WAIT_MS, ...plan.approvals.map((approval) => approval.expiresMs)),
  };
}

/** True when another run has begun on the strength of it. */
function isSpent({ usedBy }: KeptStatement, runId: string): boolean {
  return usedBy !== null && usedBy !== runId;
}

/** Whoever has approved already is told why it does not count. */
function spentNote({ statements, runId }: StandingInput): string {
  const users = new Set(statements.flatMap((one) => (isSpent(one, runId) ? [one.usedBy] : [])));
  return users.size === 0 ? "" : `; what was given before counted for ${[...users].join(", ")}`;
}

interface Part {
  readonly missing: readonly string[];
  readonly denied: readonly string[];
  readonly given: readonly string[];
}

async function verified(input: StandingInput, what: "plan" | "window-override"): Promise<VerifiedApproval[]> {
  const { plan, people, statements, now } = input;
  const context = { people, digest: plan.digest, environment: plan.environment, what, author: plan.author, now };
  const out: VerifiedApproval[] = [];
  for (const statement of statements) {
    if (statement.kind !== "approval") continue;
    const check = await verifyApproval(statement.signed, context);
    if (!check.ok) continue;
    // A denial is about the plan, whoever carries it out.
    if (check.approval.decision === "deny" || !isSpent(statement, input.runId)) out.push(check);
  }
  return out;
}

async function approvalPart(input: StandingInput): Promise<Part> {
  const { plan, now } = input;
  if (plan.approvals.length === 0) return { missing: [], denied: [], given: [] };
  const state = evaluateApprovals(plan.approvals, await verified(input, "plan"), now);
  const given = state.standings.flatMap(({ by }) => by.map((one) => `plan approved by ${describe(one)}`));
  const roles = state.standings.filter((one) => one.missing > 0).map((one) => one.required.role);
  const command = `sunny approve ${plan.digest} --role ${roles[0] ?? "ROLE"} --as NAME --key FILE`;
  if (state.state === "denied") return { missing: [], denied: [state.message], given };
  return { missing: state.state === "waiting" ? [`${state.message} (\`${command}\`)`] : [], denied: [], given };
}

async function windowPart(input: StandingInput): Promise<Part> {
  const { plan, now } = input;
  const state = windowState(plan.windows, now);
  if (state.open) return { missing: [], denied: [], given: [] };
  const overrides = await verified(input, "window-override");
  const fitting = overrides.filter((one) => state.overrides.some((window) => sameName(window.role, one.approval.role)));
  const denial = fitting.find((one) => one.approval.decision === "deny");
  if (denial !== undefined)
    return { missing: [], denied: [`the window override was denied by ${describe(denial)}`], given: [] };
  const granted = fitting.find((one) => one.approval.decision === "approve");
  if (granted !== undefined) {
    return { missing: [], denied: [], given: [`outside of the maintenance windows, allowed by ${describe(granted)}`] };
  }
  return { missing: [closedMessage(plan, state.next?.opensAt ?? null, state.overrides)], denied: [], given: [] };
}

function closedMessage(plan: Plan, opensAt: Millis | null, overrides: readonly ApprovedWindow[]): string {
  const next = opensAt === null ? "" : `; the next opens at ${rfc3339(opensAt)}`;
  const role = overrides[0]?.role;
  const way =
    role === undefined
      ? ""
      : ` (\`sunny approve ${plan.digest} --window-override --role ${role} --as NAME --key FILE\`)`;
  return `no maintenance window is open${next}${role === undefined ? "" : `, or ${role} allows it`}${way}`;
}

function clockLine(plan: Plan, now: Millis): string[] {
  const current = windowState(plan.windows, now).current;
  return current === null
    ? []
    : [`maintenance window "${current.window.name}" is open until ${rfc3339(current.closesAt)}`];
}

function describe({ approval, person, fingerprint }: VerifiedApproval): string {
  return `${person.name} as ${approval.role} (PGP ${fingerprint.slice(-16)})`;
}

async function attestations(input: StandingInput): Promise<GateOutcome[]> {
  const outcomes: GateOutcome[] = [];
  for (const gate of input.plan.gates) {
    if (gate.binding.kind === "attest") outcomes.push(await attested(gate, gate.binding.roles, input));
  }
  return outcomes;
}

async function attested(gate: PlanGate, roles: readonly string[], input: StandingInput): Promise<GateOutcome> {
  const { plan, runId, people, statements, now } = input;
  const context = { people, roles, digest: plan.digest, environment: plan.environment, gate: gate.id, now };
  for (const statement of statements) {
    if (statement.kind !== "attestation" || statement.gate !== gate.id || isSpent(statement, runId)) continue;
    const recorded = await accept(statement, context);
    if (recorded === null) continue;
    const { note } = recorded.attestation;
    const by = describeAttestation(recorded).replace(/^attested by /, "");
    return { id: gate.id, text: gate.text, state: "attested", by, evidence: note };
  }
  const by = roles.includes("*") ? "a named person" : roles.join(" or ");
  return { id: gate.id, text: gate.text, state: "missing", by, evidence: "" };
}

async function accept(
  statement: Extract<KeptStatement, { kind: "attestation" }>,
  context: Parameters<typeof acceptSigned>[1],
): Promise<RecordedAttestation | null> {
  try {
    if ("signed" in statement) return await acceptSigned(statement.signed, context);
    return acceptUnsigned(statement.text, statement.osUser, context);
  } catch (error) {
    if (isSunnyError(error, "ATTESTATION_REFUSED")) return null;
    throw error;
  }
}

function attestationMissing(plan: Plan, gates: readonly GateOutcome[]): string {
  const list = gates.map((gate) => `"${gate.text}"`).join(", ");
  const count = gates.length === 1 ? "a gate has" : `${gates.length} gates have`;
  return `${count} no check and nobody has attested ${gates.length === 1 ? "it" : "them"}: ${list} (\`sunny attest ${plan.digest}\`)`;
}
