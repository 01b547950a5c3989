import { rfc3339 } from "../clock.ts";
import { isSunnyError } from "../errors.ts";
import type { JournalTransaction } from "./journal.ts";
import { drawToken, environmentOf } from "./lease.ts";
import type { Outcome } from "./rows.ts";
import { enter, hostOf, leave, supersede } from "./scope.ts";
import type { Standing } from "./scope.ts";
import type { RunRecord } from "./storage.ts";

/** Who occupies which environment, on whose behalf. */
export interface Occupation extends Standing {
  readonly environment: string;
  readonly actor: string;
}

/**
 * Occupies an environment for a root run. When newer tokens were given out since the run's lease, it gets a new one,
 * so that whatever other runs did there meanwhile is older. A run that it supersedes ends here. A run that a step of the
 * occupant started acts within that occupancy, one at a time.
 */
export function occupy(tx: JournalTransaction, root: RunRecord, occupation: Occupation): Outcome {
  const { environment, actor, now } = occupation;
  if (root.within !== null) return occupyWithin(tx, root, root.within, occupation);
  const record = environmentOf(tx, environment);
  const occupant = record.occupiedBy;
  if (occupant !== null && occupant !== root.id && occupant !== root.supersedes) {
    return occupied(environment, occupant, record.occupiedSince ?? now);
  }
  if (root.supersedes !== null) supersede(tx, root.supersedes, root.id, actor, now);
  renewToken(tx, root, environment);
  const since = occupant === root.id ? record.occupiedSince : now;
  tx.putEnvironment({ ...environmentOf(tx, environment), occupiedBy: root.id, occupiedSince: since });
  return { result: "ok", value: null };
}

function occupyWithin(
  tx: JournalTransaction,
  root: RunRecord,
  within: NonNullable<RunRecord["within"]>,
  occupation: Occupation,
): Outcome {
  const { environment, now } = occupation;
  try {
    const host = hostOf(tx, within, occupation);
    const record = environmentOf(tx, environment);
    if (record.occupiedBy !== host.id) {
      if (record.occupiedBy !== null) return occupied(environment, record.occupiedBy, record.occupiedSince ?? now);
      const message = `Run ${host.id}, whose step started this one, does not occupy ${environment} itself`;
      return { result: "failed", error: { code: "SCOPE_EXCEEDED", message, details: { run: host.id, environment } } };
    }
    const other = enter(tx, within, root.id, occupation);
    if (other !== null) return occupied(environment, other, tx.run(other)?.createdAt ?? now);
    renewToken(tx, root, environment);
    return { result: "ok", value: null };
  } catch (error) {
    if (!isSunnyError(error, "SCOPE_ENDED")) throw error;
    return { result: "failed", error: { code: error.code, message: error.message, details: null } };
  }
}

/** Frees what a run occupies; its environment is the only one it can. */
export function vacate(tx: JournalTransaction, root: RunRecord): void {
  if (root.within !== null) leave(tx, root.within, root.id);
  const record = environmentOf(tx, root.environment);
  if (record.occupiedBy === root.id) tx.putEnvironment({ ...record, occupiedBy: null, occupiedSince: null });
}

function renewToken(tx: JournalTransaction, root: RunRecord, environment: string): void {
  const lease = tx.progress(root.id)?.lease ?? null;
  if (lease === null || environmentOf(tx, environment).token <= lease.token) return;
  tx.updateRun(root.id, { lease: { ...lease, token: drawToken(tx, environment) } });
}

function occupied(environment: string, run: string, at: number): Outcome {
  const since = rfc3339(at);
  const message = `Environment ${environment} is occupied by run ${run} since ${since}`;
  return {
    result: "failed",
    error: { code: "ENVIRONMENT_OCCUPIED", message, details: { run, since, environment } },
  };
}
