import { sleep } from "../clock.ts";
import type { Clock } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import type { EngineOptions, Observed, Request, Requests } from "./engine.ts";
import type { Journal, JournalTransaction } from "./journal.ts";
import { isDead } from "./lease.ts";
import type { Claim } from "./lease.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { liveness } from "./process-identity.ts";
import { toControlRow } from "./run-controls.ts";
import type { Control, ControlRow, Question } from "./rows.ts";
import { findScope, hostOf, requireOpen } from "./scope.ts";
import { startRun } from "./start.ts";
import type { RunRecord } from "./storage.ts";
import { unknownRun } from "./unknown-run.ts";

/** The side of people: requests are rows, so they reach an executor in any process, also one that starts later. */
export function createRequests(options: Pick<EngineOptions, "journal" | "clock" | "liveness" | "limits">): Requests {
  const { journal, clock } = options;
  const isLive = options.liveness ?? liveness;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const rows = requestsOn(journal, clock, isLive, limits.pollMs);
  return {
    ...rows,
    start: (def, start) => startRun({ journal, limits, liveness: isLive }, def, start),
    scopeOf: (token) => {
      const standing = { liveness: isLive, now: clock.now() };
      const within = findScope(journal.read, token, standing);
      return {
        within,
        run: requireOpen(journal.read, within, standing).run,
        host: hostOf(journal.read, within, standing),
      };
    },
    interrupt: (runId, reason) => rows.request(runId, { kind: "interrupt", reason }, { by: reason.by }),
  };
}

function requestsOn(
  journal: Journal,
  clock: Clock,
  isLive: Claim["liveness"],
  pollMs: number,
): Pick<Requests, "request" | "awaitObserved"> {
  const isExecuted = (run: RunRecord): boolean =>
    run.lease !== null && run.lease.expiresAt > clock.now() && !isDead(run.lease, isLive);

  const request = (runId: string, control: Control, { by, reason, signature }: Request): number =>
    journal.transaction((tx) => {
      const run = tx.run(runId);
      if (run === undefined) throw unknownRun(runId);
      if (run.endedAt !== null) {
        throw new SunnyError("RUN_ENDED", `Cannot ${control.kind} run ${runId}: it has ended`, {
          place: { deployment: runId },
          hint: `\`sunny status ${runId}\` shows how it ended; \`sunny rollback\` goes back to an earlier release.`,
          details: { state: run.state },
        });
      }
      if (control.kind === "resolve") assertResolvable(tx, runId, control);
      if (control.kind === "signal") assertUnanswered(tx, run, control);
      const data = { control, reason: reason ?? null, signature: signature ?? null } as unknown as Json;
      const seq = tx.append({
        run: runId,
        type: "control",
        op: null,
        kind: null,
        name: null,
        attempt: 0,
        actor: by,
        data,
      });
      const root = tx.run(run.root)!;
      if (control.kind === "pause" && !isExecuted(root) && root.state !== "held") {
        const paused = { code: "PAUSED", message: `paused by ${by}`, details: null };
        tx.updateRun(root.id, { state: "paused", reason: paused });
      }
      return seq;
    });

  const look = (runId: string, seq: number): Observed | undefined => {
    const run = journal.read.run(runId);
    if (run === undefined) throw unknownRun(runId);
    if (run.observedSeq >= seq) {
      const refused = journal.read
        .rowsAfter(seq, runId, 1_000)
        .some(({ type, data }) => type === "refused" && (data as { control: number }).control === seq);
      return refused ? "refused" : "observed";
    }
    if (run.endedAt !== null) return "ended";
    const root = journal.read.run(run.root);
    return root !== undefined && isExecuted(root) ? undefined : "nobody-runs";
  };

  const awaitObserved: Requests["awaitObserved"] = async (runId, seq, { timeoutMs = 10_000 } = {}) => {
    const end = clock.monotonic() + timeoutMs;
    for (;;) {
      const found = look(runId, seq);
      if (found !== undefined) return found;
      const left = end - clock.monotonic();
      if (left <= 0) return "timed-out";
      await sleep(clock, Math.min(pollMs, left));
    }
  };

  return { request, awaitObserved };
}

/** Of two answers to one question the first counts: whoever gives another must not believe that theirs does. */
function assertUnanswered(tx: JournalTransaction, run: RunRecord, control: Extract<Control, { kind: "signal" }>): void {
  if (run.state !== "held" || run.question?.ask !== "signal" || run.question.signal !== control.name) return;
  const earlier = answerAfter(tx, 0, run.id, (one) => one.kind === "signal" && one.name === control.name);
  if (earlier !== undefined) throw alreadyAnswered(run.id, control.name, earlier);
}

/** The first request of that kind after the row `seq` that was not refused. */
function answerAfter(
  tx: JournalTransaction,
  seq: number,
  runId: string,
  fits: (control: Control) => boolean,
): ControlRow | undefined {
  const refused = tx
    .history(runId)
    .filter(({ type }) => type === "refused")
    .map(({ data }) => (JSON.parse(data) as { readonly control: number }).control);
  return tx
    .controlsAfter(seq, runId)
    .map(toControlRow)
    .find((row) => fits(row.control) && !refused.includes(row.seq));
}

function alreadyAnswered(runId: string, asked: string, { by, control }: ControlRow): SunnyError {
  const value = control.kind === "signal" ? (control.value as { readonly as?: unknown } | null)?.as : undefined;
  const as = control.kind === "resolve" ? control.as : value;
  const what = typeof as === "string" ? ` with "${as}"` : "";
  return new SunnyError("ALREADY_ANSWERED", `Cannot answer "${asked}" of run ${runId}: ${by} has answered it${what}`, {
    place: { deployment: runId },
    hint: `\`sunny status ${runId}\` shows what follows; where nobody carries it out, \`sunny resume ${runId}\` goes on.`,
  });
}

/** A person can only answer what is asked. */
function assertResolvable(tx: JournalTransaction, runId: string, control: Extract<Control, { kind: "resolve" }>): void {
  const rows = tx.history(runId).filter(({ name }) => name === control.step);
  const last = rows.at(-1);
  const place = { deployment: runId, step: control.step };
  if (last?.type !== "held") {
    throw new SunnyError("NOT_HELD", `Cannot resolve step "${control.step}": run ${runId} does not ask about it`, {
      place,
      hint: "See what it asks with `sunny status`.",
    });
  }
  const question = JSON.parse(last.data) as Question;
  const choices = question.ask === "resolve" ? question.choices : [];
  if (!choices.includes(control.as)) {
    throw new SunnyError("RESOLUTION_INVALID", `Step "${control.step}" cannot be resolved as ${control.as}`, {
      place,
      hint: `Choose one of: ${choices.join(", ")}.`,
    });
  }
  const earlier = answerAfter(tx, last.seq, runId, (one) => one.kind === "resolve" && one.step === control.step);
  if (earlier !== undefined) throw alreadyAnswered(runId, control.step, earlier);
  const intent = rows.findLast(({ type }) => type === "intent");
  const kind = (JSON.parse(intent?.data ?? "{}") as { disposition?: string }).disposition;
  if (control.as === "done" && kind === "probe" && control.value === undefined) {
    throw new SunnyError("RESOLUTION_INVALID", `Step "${control.step}" cannot be resolved as done without its value`, {
      place,
      hint: "Give the value that the step would have returned, as JSON.",
    });
  }
}
