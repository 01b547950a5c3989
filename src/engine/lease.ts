import { rfc3339 } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { JournalTransaction } from "./journal.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import type { EnvironmentRecord, Lease, RunRecord } from "./storage.ts";

/** The lease as it is after a renewal: as long as every effect that it covers. */
export function renewed(lease: Lease, now: number, leaseMs: number, covers: Iterable<number>): Lease {
  return { ...lease, expiresAt: Math.max(now + leaseMs, ...covers) };
}

/** Who wants a lease, and how it tells whether another holder lives. `leaseMs` is how long it lasts without renewal. */
export interface Claim {
  readonly owner: ProcessIdentity;
  readonly liveness: (process: ProcessIdentity) => "alive" | "dead" | "unknown";
  readonly now: number;
  readonly leaseMs: number;
}

/**
 * Takes the lease of a root run with a new fencing token. A holder that is provably dead, or is this very process, is
 * superseded at once; any other when its lease has run out.
 *
 * @throws SunnyError with code RUN_BUSY while another process holds it.
 */
export function takeLease(tx: JournalTransaction, run: RunRecord, claim: Claim): Lease {
  const held = run.lease;
  if (
    held !== null &&
    held.expiresAt > claim.now &&
    !isSame(held.owner, claim.owner) &&
    !isDead(held, claim.liveness)
  ) {
    throw new SunnyError(
      "RUN_BUSY",
      `Cannot execute run ${run.id}: process ${held.owner.pid} does so since ${rfc3339(held.acquiredAt)}, lease until ${rfc3339(held.expiresAt)}`,
      {
        place: { deployment: run.id },
        details: { pid: held.owner.pid, since: held.acquiredAt, expiresAt: held.expiresAt },
        hint: "Watch it with `sunny watch`, pause it with `sunny pause`, or wait until its lease has run out.",
      },
    );
  }
  const token = drawToken(tx, run.environment);
  return { token, owner: claim.owner, acquiredAt: claim.now, expiresAt: claim.now + claim.leaseMs, processes: [] };
}

/** The next fencing token of an environment. */
export function drawToken(tx: JournalTransaction, environment: string): number {
  const record = environmentOf(tx, environment);
  const token = record.token + 1;
  tx.putEnvironment({ ...record, token });
  return token;
}

/** What the authority knows of an environment; one never heard of is free. */
export function environmentOf(tx: Pick<JournalTransaction, "environment">, name: string): EnvironmentRecord {
  return tx.environment(name) ?? { name, token: 0, occupiedBy: null, occupiedSince: null };
}

/** Whether it is certain that nobody acts under a lease any more. */
export function isDead({ owner, processes }: Lease, liveness: Claim["liveness"]): boolean {
  return [owner, ...processes].every((process) => liveness(process) === "dead");
}

function isSame(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.startTime === b.startTime && a.boot === b.boot;
}
