import type { Millis } from "../clock.ts";
import type { VerifiedApproval } from "./approval.ts";
import { sameName } from "./people.ts";

/** So many people in this role must approve; an approval counts for at most `expiresMs` after it was issued. */
export interface RequiredApproval {
  readonly role: string;
  readonly count: number;
  readonly expiresMs: number;
}

/** One requirement and who has met it. */
export interface ApprovalStanding {
  readonly required: RequiredApproval;
  readonly by: readonly VerifiedApproval[];
  /** How many more are needed. */
  readonly missing: number;
}

/** `granted` when all are there, `denied` when anybody entitled said no, else `waiting`. */
export interface ApprovalState {
  readonly state: "granted" | "waiting" | "denied";
  readonly standings: readonly ApprovalStanding[];
  /** The first denial; null without one. */
  readonly deniedBy: VerifiedApproval | null;
  /** When the first approval that counts stops counting; null when none counts. */
  readonly expiresAt: Millis | null;
  /** One sentence for people. */
  readonly message: string;
}

/**
 * Holds verified statements against what is required. Nobody counts twice, not even in two roles; a denial by anybody in
 * a required role settles it, whatever comes later; an approval that has expired counts no more. `given` is in the order
 * in which the statements came.
 */
export function evaluateApprovals(
  required: readonly RequiredApproval[],
  given: readonly VerifiedApproval[],
  now: Millis,
): ApprovalState {
  const relevant = given.filter((item) => required.some(({ role }) => sameName(role, item.approval.role)));
  const deniedBy = relevant.find((item) => item.approval.decision === "deny") ?? null;
  const chosen = assign(required, relevant, now);
  const standings = required.map((requirement, index) => {
    const by = chosen.filter((slot) => slot.requirement === index).flatMap(({ item }) => item ?? []);
    return { required: requirement, by, missing: requirement.count - by.length };
  });
  const ends = standings.flatMap(({ required: { expiresMs }, by }) => by.map((item) => endOf(item, expiresMs)));
  const expiresAt = ends.length === 0 ? null : Math.min(...ends);
  const waiting = standings.some((standing) => standing.missing > 0);
  const state = deniedBy !== null ? "denied" : waiting ? "waiting" : "granted";
  return { state, standings, deniedBy, expiresAt, message: describe(state, standings, deniedBy) };
}

/** One approval that is needed, and the one that fills it. */
interface Slot {
  readonly requirement: number;
  item: VerifiedApproval | null;
}

/**
 * Fills as many slots as possible with different people: augmenting paths in a bipartite graph (Kuhn 1955). Somebody
 * with two roles is moved to the other one when that lets another person count.
 */
function assign(required: readonly RequiredApproval[], given: readonly VerifiedApproval[], now: Millis): Slot[] {
  const slots = required.flatMap(({ count }, requirement) =>
    Array.from({ length: count }, (): Slot => ({ requirement, item: null })),
  );
  const place = (name: string, tried: Set<Slot>): boolean => {
    for (const slot of slots) {
      const requirement = required[slot.requirement];
      const item = given.find((one) => one.person.name === name && requirement && counts(one, requirement, now));
      if (item === undefined || tried.has(slot)) continue;
      tried.add(slot);
      if (slot.item !== null && !place(slot.item.person.name, tried)) continue;
      slot.item = item;
      return true;
    }
    return false;
  };
  for (const name of new Set(given.map((item) => item.person.name))) place(name, new Set());
  return slots;
}

function counts(item: VerifiedApproval, required: RequiredApproval, now: Millis): boolean {
  const { decision, role } = item.approval;
  return decision === "approve" && sameName(role, required.role) && now < endOf(item, required.expiresMs);
}

function endOf(item: VerifiedApproval, expiresMs: number): Millis {
  return Math.min(item.approval.expiresAt, item.approval.issuedAt + expiresMs);
}

function describe(
  state: ApprovalState["state"],
  standings: readonly ApprovalStanding[],
  deniedBy: VerifiedApproval | null,
): string {
  if (deniedBy !== null) return `denied by ${deniedBy.person.name} (${deniedBy.approval.role})`;
  if (standings.length === 0) return "no approval is required";
  if (state === "granted") {
    const names = standings.flatMap(({ by }) => by.map((item) => `${item.person.name} (${item.approval.role})`));
    return `approved by ${names.join(", ")}`;
  }
  const missing = standings.filter((standing) => standing.missing > 0);
  return `missing: ${missing.map((standing) => `${standing.missing} × ${standing.required.role}`).join(", ")}`;
}
