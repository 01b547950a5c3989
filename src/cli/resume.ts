import type { RunResult } from "../engine/engine.ts";
import { toControlRow } from "../engine/run-controls.ts";
import type { RunRecord } from "../engine/storage.ts";
import { withRemedy } from "../error-remedies.ts";
import { isSunnyError, SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import { execute, heldText, pausedText } from "./carry-out.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./output.ts";
import { findRun, outputOf } from "./runs.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "deployment (default: the newest that has not ended)")
    .option("--all", "every one that can go on by itself; safe to call from a timer or at boot")
    .action(async (id: string | undefined, options: { all?: boolean }) => {
      const sunny = await context.sunny();
      if (options.all === true) await resumeAll(context, sunny);
      else await execute(context, sunny, resumable(sunny, id).id);
    });
};

/**
 * Takes up whatever nobody carries out and no person has to decide about, also what was answered since. Whatever waits is
 * named each time; the exit status tells of what was taken up now, so that a timer reports a question once and not for ever.
 */
async function resumeAll(context: CliContext, sunny: Sunny): Promise<void> {
  const open = sunny.journal.read
    .runs(500)
    .filter((run) => run.endedAt === null && run.within === null && run.root === run.id);
  const taken: string[] = [];
  for (const { id } of open) {
    // Another process may have come further meanwhile.
    const run = findRun(sunny, id);
    if (run.endedAt !== null) continue;
    if (sunny.isCarriedOut(run.id)) context.output.text(elsewhere(run.id));
    else if (isStopped(run) && !isAnswered(sunny, run)) context.output.text(waitingText(run));
    else if (await takeUp(context, sunny, run)) taken.push(run.id);
  }
  if (open.length === 0) context.output.text("Nothing was left to go on with.");
  const waiting = open.map((run) => findRun(sunny, run.id)).filter((run) => run.endedAt === null && isStopped(run));
  context.output.summary({ taken: taken.length, deployments: taken, waiting: waiting.map((run) => run.id) });
}

function isStopped({ state }: RunRecord): boolean {
  return state === "held" || state === "paused";
}

/** Whoever answered, or aborted, may have been ended before their process went on with the run. */
function isAnswered(sunny: Sunny, { id, observedSeq }: RunRecord): boolean {
  return sunny.journal.read
    .controlsAfter(observedSeq, id)
    .some((row) => ["resolve", "signal", "interrupt"].includes(toControlRow(row).control.kind));
}

/** False when another process was quicker, which is as well, or when it cannot be taken up. */
async function takeUp(context: CliContext, sunny: Sunny, seen: RunRecord): Promise<boolean> {
  const { id } = seen;
  let result: RunResult;
  try {
    result = await sunny.execute(id, context.actor, seen);
  } catch (error) {
    if (isSunnyError(error, "RUN_BUSY")) {
      const now = findRun(sunny, id);
      const ended = `${id} was carried to its end by another process.`;
      context.output.text(now.endedAt !== null ? ended : isStopped(now) ? waitingText(now) : elsewhere(id));
      return false;
    }
    context.output.note(`${id} could not be taken up:`);
    context.output.error(withRemedy(error));
    context.exit(EXIT.refused);
    return false;
  }
  const run = findRun(sunny, id);
  const state = outputOf(run)?.outcome ?? result.state;
  context.output.event("deployment", { deployment: id, state });
  if (result.state === "held" || result.state === "paused") {
    context.output.text(waitingText(run));
    context.exit(EXIT.held);
  } else context.output.text(`${id} was taken up: ${state}.`);
  return true;
}

function elsewhere(id: string): string {
  return `${id} is carried out by another process.`;
}

function waitingText(run: RunRecord): string {
  const { id, state, question, reason } = run;
  return state === "held" && question !== null ? heldText(id, question) : pausedText(id, reason);
}

/** The run that is named, also one that has ended, whose end is then shown; else the newest that has not. */
function resumable(sunny: Sunny, id: string | undefined): RunRecord {
  const run = findRun(sunny, id);
  if (id !== undefined || run.endedAt === null) return run;
  throw new SunnyError("NOTHING_TO_RESUME", "Every deployment of this environment has ended", {
    hint: "`sunny status` lists them; `sunny deploy` starts one.",
  });
}
