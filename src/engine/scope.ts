import { sha256 } from "../json.ts";
import { SunnyError } from "../errors.ts";
import type { JournalTransaction } from "./journal.ts";
import { drawToken, environmentOf, isDead } from "./lease.ts";
import type { Claim } from "./lease.ts";
import type { OpenScope, RunRecord, StorageReader, Within } from "./storage.ts";

/*
 * A step may let programs that it starts run operations as part of it. It hands them a token; the lease of its run holds
 * the token's digest while the attempt goes on. So a token is worth nothing once the step has ended, once its process is
 * dead, or once another process has taken the run over: none of that needs anybody to tidy up.
 */

/** When a lease counts. */
export type Standing = Pick<Claim, "liveness" | "now">;

const PREFIX = "sunny-scope";

/** What is handed to programs: names the run, and holds the secret that the journal knows by digest only. */
export function scopeToken(run: string, key: string): string {
  return `${PREFIX} ${run} ${key}`;
}

/** Registers a scope with the lease of a root run. */
export function openScope(tx: JournalTransaction, root: string, step: string, token: string): void {
  const lease = tx.progress(root)?.lease ?? null;
  if (lease === null) return;
  const scope: OpenScope = { sha256: sha256(token), step, guest: null };
  tx.updateRun(root, { lease: { ...lease, scopes: [...(lease.scopes ?? []), scope] } });
}

/**
 * Ends a scope: runs that were started in it and have not ended end here, and the root run gets a newer token than any
 * of them, so that targets which they touched obey it again, and refuse what may be left of them.
 */
export function closeScope(tx: JournalTransaction, root: RunRecord, token: string, actor: string, now: number): void {
  endRunsWithin(tx, root.id, actor, now, sha256(token));
  const lease = tx.progress(root.id)?.lease ?? null;
  if (lease === null) return;
  const scopes = (lease.scopes ?? []).filter((scope) => scope.sha256 !== sha256(token));
  const isOlder = environmentOf(tx, root.environment).token > lease.token;
  tx.updateRun(root.id, {
    lease: { ...lease, scopes, ...(isOlder ? { token: drawToken(tx, root.environment) } : {}) },
  });
}

/** Finds the step that a token belongs to. @throws SCOPE_ENDED */
export function findScope(read: StorageReader, token: string, standing: Standing): Within {
  const [prefix, run = "", key] = token.trim().split(" ");
  const within = { run, step: "", scope: sha256(token.trim()) };
  if (prefix !== PREFIX || key === undefined) throw ended(within, "it is no scope of a step");
  return { ...within, step: requireOpen(read, within, standing).scope.step };
}

/** The run that a nested run belongs to, while the step that started it goes on. @throws SCOPE_ENDED */
export function requireOpen(
  read: Pick<StorageReader, "run">,
  within: Within,
  { liveness, now }: Standing,
): { readonly run: RunRecord; readonly scope: OpenScope } {
  const run = read.run(within.run);
  if (run === undefined) throw ended(within, `this journal has no run ${within.run}`);
  const { lease } = run;
  if (run.endedAt !== null || lease === null) throw ended(within, `${run.id} is ${run.state}`);
  if (lease.expiresAt <= now || isDead({ ...lease, processes: [] }, liveness)) {
    throw ended(within, `the process that carried ${run.id} out is gone`);
  }
  const scope = lease.scopes?.find((one) => one.sha256 === within.scope);
  if (scope === undefined) throw ended(within, `the step of ${run.id} has ended`);
  return { run, scope };
}

/** The run, outermost of all, in whose place a nested run acts. @throws SCOPE_ENDED */
export function hostOf(read: Pick<StorageReader, "run">, within: Within, standing: Standing): RunRecord {
  const { run } = requireOpen(read, within, standing);
  return run.within === null ? run : hostOf(read, run.within, standing);
}

/**
 * Makes `guest` the one run that may change something in the scope, and its own host that in the scope around it; returns
 * the other one when there is one.
 */
export function enter(tx: JournalTransaction, within: Within, guest: string, standing: Standing): string | null {
  const { run, scope } = requireOpen(tx, within, standing);
  const around = run.within === null ? null : enter(tx, run.within, run.id, standing);
  if (around !== null) return around;
  const other = scope.guest === null || scope.guest === guest ? null : tx.run(scope.guest);
  if (other !== undefined && other !== null && other.endedAt === null) return other.id;
  putGuest(tx, run, within, guest);
  return null;
}

/** Makes room for the next one. */
export function leave(tx: JournalTransaction, within: Within, guest: string): void {
  const run = tx.run(within.run);
  const scope = run?.lease?.scopes?.find((one) => one.sha256 === within.scope);
  if (run !== undefined && scope?.guest === guest) putGuest(tx, run, within, null);
}

function putGuest(tx: JournalTransaction, run: RunRecord, within: Within, guest: string | null): void {
  const { lease } = run;
  if (lease === null) return;
  const scopes = (lease.scopes ?? []).map((one) => (one.sha256 === within.scope ? { ...one, guest } : one));
  tx.updateRun(run.id, { lease: { ...lease, scopes } });
}

/** The runs that steps of a run have started, in the order in which they began. */
export function runsWithin(read: Pick<StorageReader, "history" | "run">, run: string): RunRecord[] {
  return read
    .history(run)
    .filter((row) => row.type === "nested")
    .flatMap((row) => read.run((JSON.parse(row.data) as { run: string }).run) ?? []);
}

/** Ends what steps of a run have started and is not over, all of it or that of one scope. */
export function endRunsWithin(
  tx: JournalTransaction,
  run: string,
  actor: string,
  now: number,
  scope: string | null = null,
): void {
  for (const nested of runsWithin(tx, run)) {
    if (nested.endedAt === null && (scope === null || nested.within?.scope === scope)) {
      supersede(tx, nested.id, run, actor, now);
    }
  }
}

/** Ends a run whose place another takes: its lease is gone, so whoever executes it can write nothing more. */
export function supersede(tx: JournalTransaction, run: string, by: string, actor: string, now: number): void {
  const progress = tx.progress(run);
  if (progress === undefined || progress.endedAt !== null) return;
  endRunsWithin(tx, run, actor, now);
  tx.append({ run, type: "end", op: null, kind: null, name: null, attempt: 0, actor, data: { supersededBy: by } });
  tx.updateRun(run, { state: "superseded", endedAt: now, lease: null, question: null });
}

function ended({ run }: Within, why: string): SunnyError {
  return new SunnyError("SCOPE_ENDED", `The step that started this command is over: ${why}`, {
    ...(run === "" ? {} : { place: { deployment: run } }),
    hint: "A command acts as part of a step only while the step runs. Start it by itself, without SUNNY_SCOPE_FD.",
  });
}
