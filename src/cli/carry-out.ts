import { randomUUID } from "node:crypto";
import type { RunResult } from "../engine/engine.ts";
import type { Question, RecordedError } from "../engine/rows.ts";
import type { RunRecord } from "../engine/storage.ts";
import { isSunnyError, SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { onTheirWord } from "../deployment/their-word.ts";
import { changesAnything, type Plan } from "../plan/model.ts";
import type { CliContext } from "./context.ts";
import { failureOf } from "./failure.ts";
import { follow } from "./follow.ts";
import { EXIT, exitStatusOfOutcome } from "./output.ts";
import { outputOf, planOf } from "./runs.ts";

/**
 * Registers a run for the plan and carries it out in this process, showing it live. Sets the exit status.
 *
 * @throws INTERRUPTED when Ctrl-C came while the plan was made: then there is nothing to pause
 */
export async function carryOut(context: CliContext, sunny: Sunny, plan: Plan, supersedes?: string): Promise<void> {
  context.signal.throwIfAborted();
  sunny.keepRoom();
  sunny.plans.keep(plan);
  const id = newRunId(plan);
  const { within } = context;
  const parent = within === undefined ? {} : { parent: { run: within.plan.run, step: within.plan.step } };
  sunny.engine.start(sunny.deployment, {
    id,
    input: { plan },
    actor: context.actor,
    environment: plan.environment,
    meta: { kind: plan.kind, release: plan.release?.version ?? null, digest: plan.digest, ...parent },
    ...(within === undefined ? {} : { within: within.token }),
    ...(supersedes === undefined ? {} : { supersedes }),
  });
  await execute(context, sunny, id);
}

/**
 * Takes a run up in this process, until it ends or stops. Ctrl-C pauses it durably; a look at things by hand, which there
 * is no point in resuming, it ends at once.
 */
export async function execute(context: CliContext, sunny: Sunny, id: string): Promise<void> {
  const view = follow(context, sunny, id);
  const onAbort = (): void => {
    const reason = "interrupted at the terminal";
    if (onlyLooks(context, sunny, id)) {
      sunny.engine.interrupt(id, { kind: "abort", by: context.actor, detail: reason });
      return;
    }
    sunny.engine.request(id, { kind: "pause" }, { by: context.actor, reason });
    context.output.note(`${id} pauses as soon as what it is doing now has come to its end.`);
  };
  if (context.signal.aborted) onAbort();
  else context.signal.addEventListener("abort", onAbort, { once: true });
  let result: RunResult;
  try {
    result = await executeOrGoBack(context, sunny, id);
  } catch (error) {
    if (!isSunnyError(error, ...STOPS)) throw error;
    return stopped(context, id, error);
  } finally {
    context.signal.removeEventListener("abort", onAbort);
    await view.stop();
  }
  await conclude(context, sunny, id, result);
}

function onlyLooks({ within }: CliContext, sunny: Sunny, id: string): boolean {
  const run = sunny.journal.read.run(id);
  if (run === undefined || within !== undefined) return false;
  const plan = planOf(run);
  return plan.kind === "run" && !changesAnything(plan);
}

/** What makes a run stop as a crash would: whatever it was doing is settled when it is resumed. */
const STOPS = ["DISK_FULL", "JOURNAL_BUSY", "JOURNAL_CORRUPT", "JOURNAL_UNWRITABLE", "AUDIT_UNWRITABLE"] as const;

/** On a full disk the room that was kept is used to go back, and for nothing else. */
async function executeOrGoBack(context: CliContext, sunny: Sunny, id: string): Promise<RunResult> {
  try {
    return await sunny.execute(id, context.actor);
  } catch (error) {
    if (!isDiskFull(error) || !sunny.releaseRoom()) throw error;
    context.output.note("No space is left under the journal; the room that was kept there is used to go back.");
    // What was recorded before must be published first: nothing is done on top of a record that is not.
    await sunny.journal.flush();
    const detail = "no space is left under the journal";
    sunny.engine.interrupt(id, { kind: "abort", by: "sunny", detail });
    return await sunny.execute(id, context.actor);
  }
}

/** The published audit log is on the same disk as the journal, and may be the first to find no room. */
function isDiskFull(error: unknown): boolean {
  if (isSunnyError(error, "DISK_FULL")) return true;
  return isSunnyError(error, "AUDIT_UNWRITABLE") && error.details["code"] === "ENOSPC";
}

/** Nothing is lost and nothing goes on: that is for a person to know. */
function stopped(context: CliContext, id: string, error: SunnyError): void {
  context.output.error(error);
  context.output.text(`${id} has stopped where it was. Once that is put right, go on with \`sunny resume ${id}\`.`);
  context.output.summary({ deployment: id, outcome: "held", error: error.code });
  context.exit(EXIT.held);
}

/** Short, sortable by nobody, unique: `d-` for deployments, `b-` for rollbacks, `r-` for what is run by hand. */
function newRunId(plan: Plan): string {
  const prefix = plan.kind === "deploy" ? "d" : plan.kind === "rollback" ? "b" : "r";
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

async function conclude(context: CliContext, sunny: Sunny, id: string, result: RunResult): Promise<void> {
  const run = sunny.journal.read.run(id);
  if (run === undefined) throw new Error(`the run ${id} has left the journal`);
  const plan = planOf(run);
  const common = { deployment: id, kind: plan.kind, release: plan.release?.version ?? null, digest: plan.digest };
  switch (result.state) {
    case "done":
      return await ended(context, sunny, run, common);
    case "held":
      context.output.text(heldText(id, result.question));
      context.output.summary({ ...common, outcome: "held", question: result.question });
      return context.exit(EXIT.held);
    case "paused": {
      const interrupted = context.signal.aborted;
      context.output.text(pausedText(id, result.reason, interrupted));
      context.output.summary({ ...common, outcome: "paused", reason: result.reason });
      return context.exit(interrupted ? EXIT.interrupted : EXIT.held);
    }
    case "superseded":
      context.output.text(`${id} is carried on by another process; nothing more was done here.`);
      context.output.summary({ ...common, outcome: "superseded" });
      return context.exit(EXIT.refused);
    case "failed":
      throw new SunnyError("INTERNAL", `${id} ended with a defect: ${result.error.message}`, {
        place: { deployment: id },
        hint: `\`sunny logs ${id}\` shows what ran. Nothing goes on by itself: \`sunny rollback\` takes the environment back.`,
        details: { error: result.error },
      });
  }
}

async function ended(
  context: CliContext,
  sunny: Sunny,
  run: RunRecord,
  common: Record<string, unknown>,
): Promise<void> {
  const plan = planOf(run);
  const output = outputOf(run);
  if (output === null) throw new Error("a run that is done has no output");
  const interrupted = context.signal.aborted && plan.kind === "run" && output.outcome === "refused";
  const status = interrupted ? EXIT.interrupted : exitStatusOfOutcome(output.outcome);
  const open = output.closing.filter((item) => item.state === "open");
  // The view has shown the outcome; events go to machines, and people read the rest.
  if (context.output.json) context.output.text(endLine(run.id, plan, output.outcome, output.reason));
  const failed = output.reason === null ? null : await failureOf(sunny.journal.read, run.id, output.reason);
  if (failed?.hint !== undefined) context.output.text(`  ${failed.hint}`);
  const word = onTheirWord(output.decisions);
  if (word.length > 0) context.output.text(["", "Not proved by Sunny:", ...word.map((one) => `  ${one}`)].join("\n"));
  if (open.length > 0)
    context.output.text(["", "Left for people:", ...open.map((item) => `  ${item.text}`)].join("\n"));
  context.output.summary({
    ...common,
    outcome: output.outcome,
    ...(output.reason === null ? {} : { reason: output.reason, cause: output.cause, ...failed }),
    gates: output.gates,
    given: output.given,
    ...(output.decisions.length === 0 ? {} : { decisions: output.decisions }),
    steps: output.summaries,
    durationMs: (run.endedAt ?? run.createdAt) - run.createdAt,
  });
  context.exit(status);
}

function endLine(id: string, plan: Plan, outcome: string, reason: string | null): string {
  const what =
    plan.kind === "deploy" ? `${plan.service} ${plan.release?.version ?? ""}` : (plan.phases[0]?.title ?? "");
  const because = reason === null ? "" : `: ${reason}`;
  return `${id}  ${what} ${outcome}${because}`;
}

/** Why a run is paused, unless whoever reads it has paused it just now, and how it goes on. */
export function pausedText(id: string, reason: RecordedError | null, byReader = false): string {
  const why = byReader || reason === null ? "" : ` (${reason.message})`;
  const other = reason?.code === "WORKFLOW_VERSION" ? " of the Sunny that began it" : "";
  return `${id} is paused${why}. Go on with \`sunny resume ${id}\`${other}, or go back with \`sunny abort ${id}\`.`;
}

/** What questions of workflows may say. */
interface Asked {
  readonly what?: string;
  readonly choices?: readonly string[];
  /** How things stand, a line each. */
  readonly details?: readonly string[];
  /** Why it could not be decided without a person. */
  readonly reasons?: readonly string[];
  /** What happens when nobody answers, and when. */
  readonly withoutAnswer?: string;
}

/** What a held run asks, with the command that answers. */
export function heldText(id: string, question: Question): string {
  if (question.ask === "resolve") {
    return [
      `${id} is held at ${question.step}`,
      `  intended: ${question.intended}`,
      `  known:    ${question.known}`,
      `  Answer with \`sunny resolve ${id} --step ${question.step} --as ${question.choices.join("|")} --reason TEXT\`.`,
    ].join("\n");
  }
  const asked = question.question as Asked | null;
  const choices = asked?.choices?.join("|") ?? "CHOICE";
  return [
    `${id} is held: ${asked?.what ?? JSON.stringify(question.question)}`,
    ...[...(asked?.details ?? []), ...(asked?.reasons ?? [])].map((detail) => `    ${detail}`),
    ...(asked?.withoutAnswer === undefined ? [] : [`  Without an answer: ${asked.withoutAnswer}.`]),
    `  Answer with \`sunny resolve ${id} --as ${choices} --reason TEXT\`.`,
  ].join("\n");
}
