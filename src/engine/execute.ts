import { sleep } from "../clock.ts";
import type { Clock } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import { conclude } from "./conclude.ts";
import type { Ending } from "./conclude.ts";
import type { WorkflowDef } from "./context.ts";
import type { EngineOptions, RunResult } from "./engine.ts";
import { Execution } from "./execution.ts";
import type { Journal } from "./journal.ts";
import { takeLease } from "./lease.ts";
import type { Claim } from "./lease.ts";
import type { EngineLimits } from "./limits.ts";
import { vacate } from "./occupancy.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import type { RecordedError } from "./rows.ts";
import { RunContext } from "./run-context.ts";
import { endRunsWithin, requireOpen } from "./scope.ts";
import { Halted } from "./settling.ts";
import type { Lease, RunRecord } from "./storage.ts";
import { unknownRun } from "./unknown-run.ts";
import { versionError } from "./versions.ts";

/** What an executor needs of its surroundings. */
export interface ExecuteOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  readonly owner: ProcessIdentity;
  readonly liveness: Claim["liveness"];
  readonly ids: () => string;
  readonly scrub: (text: string) => string;
  readonly verify: EngineOptions["verify"];
  readonly runId: string;
  readonly defs: readonly WorkflowDef<never, unknown>[];
  readonly actor: string | undefined;
  /** The run as it was when it was decided to take it up; undefined takes it up as it is. */
  readonly seen: Pick<RunRecord, "executions"> | undefined;
}

/** One turn at a run: lease, replay, going on, and what is left when it ends. */
export async function executeRun(options: ExecuteOptions): Promise<RunResult> {
  const { journal, runId, defs } = options;
  const known = journal.read.run(runId);
  if (known === undefined || known.root !== runId) throw unknownRun(runId);
  requireUnchanged(known, options.seen);
  if (known.endedAt !== null) return resultOf(known);
  const claimed = claim(options, known);
  if ("unfit" in claimed) return { state: "paused", reason: claimed.unfit };
  const { lease, run, since } = claimed;
  const execution = new Execution({ ...options, root: run, lease, since, actor: options.actor ?? run.actor });
  const def = defs.find(({ name, version }) => name === run.workflow && version === run.version)!;
  const context = new RunContext(execution, run, journal.read.history(runId));
  execution.contexts.add(context);
  execution.open();
  void turn(execution, context, def);
  const end = await execution.ended;
  // What was running has been told to end; nobody waits for it longer than a step may take for that.
  const waiting = new AbortController();
  await Promise.race([
    execution.quiet(),
    sleep(options.clock, options.limits.graceMs, waiting.signal).catch(() => undefined),
  ]);
  waiting.abort(new Halted());
  if ("error" in end) throw end.error;
  await journal.flush();
  return end.result;
}

async function turn(execution: Execution, context: RunContext, def: WorkflowDef<never, unknown>): Promise<void> {
  try {
    await execution.pull();
    const ending = await conclude(context, def);
    finish(execution, context, ending);
    execution.halt({
      result: ending.ok ? { state: "done", output: ending.output } : { state: "failed", error: ending.error },
    });
  } catch (error) {
    if (!(error instanceof Halted)) execution.halt({ error });
  }
}

/** Takes the lease, or notes that this code cannot go on with the run. */
function claim(
  options: ExecuteOptions,
  known: RunRecord,
): { unfit: RecordedError } | { lease: Lease; run: RunRecord; since: number } {
  const { journal, clock, runId, owner, limits } = options;
  const actor = options.actor ?? known.actor;
  const unfit = versionError(known, options.defs);
  const row = { run: runId, op: null, kind: null, name: null, attempt: 0, actor } as const;
  return journal.transaction((tx) => {
    const run = tx.run(runId)!;
    requireUnchanged(run, options.seen);
    const now = clock.now();
    if (run.within !== null) requireOpen(tx, run.within, { liveness: options.liveness, now });
    const lease = takeLease(tx, run, { owner, liveness: options.liveness, now, leaseMs: limits.leaseMs });
    // What steps of an earlier executor had started must not go on beside this one.
    endRunsWithin(tx, runId, actor, now);
    if (unfit !== undefined) {
      if (run.reason?.code !== unfit.code) tx.append({ ...row, type: "paused", data: { ...unfit } });
      tx.updateRun(runId, { state: "paused", reason: unfit, lease: null });
      return { unfit };
    }
    const executions = run.executions + 1;
    const data: Json = { token: lease.token, pid: owner.pid, executions };
    if (executions > 1) tx.append({ ...row, type: "resumed", data });
    const changes = { state: "running", reason: null, question: null, lease, executions } as const;
    tx.updateRun(runId, changes);
    return { lease, run: { ...run, ...changes }, since: tx.lastSeq() };
  });
}

/** Whoever took the run up since has come further, or to a question that is put to a person once. */
function requireUnchanged(run: RunRecord, seen: ExecuteOptions["seen"]): void {
  if (seen === undefined || run.executions === seen.executions) return;
  throw new SunnyError("RUN_BUSY", `Cannot execute run ${run.id}: another process has carried it on meanwhile`, {
    place: { deployment: run.id },
    hint: "`sunny status` shows how far it is.",
  });
}

function finish(execution: Execution, context: RunContext, ending: Ending): void {
  const { root, actor } = execution.options;
  context.commit((tx) => {
    const data: Json = ending.ok ? { output: ending.output } : { error: { ...ending.error } };
    tx.append({ run: root.id, type: "end", op: null, kind: null, name: null, attempt: 0, actor, data });
    tx.updateRun(root.id, {
      ...(ending.ok ? { state: "done", output: ending.output } : { state: "failed", error: ending.error }),
      question: null,
      lease: null,
      endedAt: execution.clock.now(),
    });
    vacate(tx, root);
  });
}

function resultOf(run: RunRecord): RunResult {
  if (run.state === "superseded") return { state: "superseded" };
  return run.error === null ? { state: "done", output: run.output } : { state: "failed", error: run.error };
}
