import { rfc3339 } from "../clock.ts";
import type { Progress } from "../deployment/ports.ts";
import { onTheirWord } from "../deployment/their-word.ts";
import { runsWithin } from "../engine/scope.ts";
import type { RunRecord } from "../engine/storage.ts";
import type { Sunny } from "../main.ts";
import { adminText, unreadText } from "../operations/rollout/server-text.ts";
import { planSteps, type Plan, type PlanStep } from "../plan/model.ts";
import { heldText, pausedText } from "./carry-out.ts";
import type { CliContext } from "./context.ts";
import { occupantOf } from "./occupied.ts";
import { findRun, outputOf, planOf } from "./runs.ts";
import { stepOf } from "./within.ts";
import type { Configure } from "./configure.ts";

export const configure: Configure = (command, context) => {
  command
    .argument("[id]", "one deployment in full (default: a list, newest first)")
    .option("--limit <n>", "how many are listed", "20")
    .action(async (id: string | undefined, options: { limit: string }) => {
      const sunny = await context.sunny();
      if (id === undefined) await list(context, sunny, Number(options.limit));
      else one(context, sunny, findRun(sunny, id));
    });
};

async function list(context: CliContext, sunny: Sunny, limit: number): Promise<void> {
  const runs = sunny.journal.read.runs(Number.isInteger(limit) && limit > 0 ? limit : 20);
  const occupant = occupantOf(sunny);
  const environment = await sunny.environment();
  const { unread, read } = environment;
  for (const host of sunny.system.hosts) {
    const server = environment.servers.find((each) => each.name === host.name);
    const probe = environment.probes.get(host.name) ?? null;
    const traffic =
      server === undefined
        ? unread.length === 0
          ? "not behind the load balancer"
          : "traffic unknown"
        : `${adminText(server)}, weight ${server.weightPercent} %, ${server.up ? "up" : "down"}`;
    context.output.event("host", {
      host: host.name,
      version: probe?.version ?? null,
      ok: probe?.ok ?? false,
      ...server,
    });
    context.output.text(`${host.name.padEnd(12)} ${(probe?.version ?? "no answer").padEnd(10)} ${traffic}`);
  }
  for (const message of unreadText(unread, read)) {
    context.output.event("problem", { message });
    context.output.text(message);
  }
  context.output.text("");
  for (const run of runs) {
    const plan = planOf(run);
    const waits = waitsFor(sunny, run);
    context.output.event("run", {
      ...describe(run),
      carriedOut: sunny.isCarriedOut(run.id),
      ...(waits === null ? {} : { waitingFor: waits }),
    });
    const mark = run.id === occupant ? "*" : " ";
    context.output.text(
      `${mark} ${run.id}  ${rfc3339(run.createdAt)}  ${title(plan).padEnd(34)} ${standing(sunny, run)}`,
    );
    if (waits !== null) context.output.text(`    waits for ${waits}`);
  }
  if (runs.length === 0) context.output.text("Nothing has run here yet. Start with `sunny deploy`.");
  if (occupant !== null)
    context.output.text(`\n* occupies ${sunny.system.environment}: \`sunny status ${occupant}\` shows it in full.`);
  context.output.summary({ runs: runs.length, occupant });
}

function one(context: CliContext, sunny: Sunny, run: RunRecord): void {
  const plan = planOf(run);
  const progress = progressOf(sunny, run);
  const { output } = context;
  output.text(`${run.id}  ${title(plan)}  ${standing(sunny, run)}`);
  output.text(`started ${rfc3339(run.createdAt)} by ${run.actor}; plan ${plan.digest}`);
  if (progress !== null) {
    for (const gate of progress.gates) output.text(`  gate ${gate.state.padEnd(9)} ${gate.text} (${gate.by})`);
    for (const text of progress.given) output.text(`  given ${text}`);
    const nested = runsWithin(sunny.journal.read, run.id);
    const interrupted = isInterrupted(sunny, run);
    const show = (heading: string, steps: readonly PlanStep[]): void =>
      showSteps(context, heading, steps, { progress, run, interrupted, nested });
    for (const phase of plan.phases) show(phase.title, phase.steps);
    if (plan.rollback !== null && (progress.stage === "rollback" || progress.reason !== null)) {
      show(`Back to ${plan.rollback.target.version}`, plan.rollback.steps);
    }
    showTakenBack(context, progress);
    for (const text of progress.waitingFor) output.text(`waits for: ${text}`);
    if (progress.reason !== null) output.text(`goes back because: ${progress.reason}`);
  }
  if (run.question !== null && run.endedAt === null) output.text(heldText(run.id, run.question));
  if (run.error !== null) output.text(`ended with: ${run.error.code}  ${run.error.message}`);
  const ended = outputOf(run);
  if (ended?.reason !== undefined && ended.reason !== null) output.text(`reason: ${ended.reason}`);
  for (const word of onTheirWord(ended?.decisions ?? [])) output.text(`not proved by Sunny: ${word}`);
  const nested = runsWithin(sunny.journal.read, run.id).map((one) => describe(one));
  const next = nextStep(sunny, run);
  if (next !== null) output.text(next);
  output.summary({
    ...describe(run),
    carriedOut: sunny.isCarriedOut(run.id),
    progress,
    steps: planSteps(plan).map((step) => step.id),
    nested,
  });
}

interface Shown {
  readonly progress: Progress;
  readonly run: RunRecord;
  /** Nobody carries it out any more. */
  readonly interrupted: boolean;
  /** The runs that its steps have started. */
  readonly nested: readonly RunRecord[];
}

function showSteps(context: CliContext, heading: string, steps: readonly PlanStep[], shown: Shown): void {
  const { progress, run, nested } = shown;
  context.output.text(heading);
  for (const step of steps) {
    const summary = progress.summaries[step.id];
    context.output.text(
      `  ${wordOf(step, shown).padEnd(11)} ${step.title}${summary === undefined ? "" : `: ${summary}`}`,
    );
    for (const one of nested) {
      if (one.within === null || stepOf(planOf(run), one.within.step).id !== step.id) continue;
      context.output.text(`  ${"".padEnd(10)}   ${one.id}  ${title(planOf(one))}  ${stateOf(one)}`);
    }
  }
}

/** What became of the changes of nested runs, for which the plan has no step. */
function showTakenBack(context: CliContext, progress: Progress): void {
  for (const [id, summary] of Object.entries(progress.summaries)) {
    if (!id.startsWith("nested/")) continue;
    const word = progress.done.includes(id) ? "done" : progress.failed.includes(id) ? "failed" : "left";
    context.output.text(`  ${word.padEnd(10)} ${id}: ${summary}`);
  }
}

function wordOf(step: PlanStep, { progress, run, interrupted }: Shown): string {
  if (progress.current === step.id) {
    if (run.state === "held" || run.state === "paused") return run.state;
    return interrupted ? "interrupted" : "running";
  }
  if (progress.notNeeded.includes(step.id)) return "not needed";
  if (progress.done.includes(step.id)) return "done";
  return progress.failed.includes(step.id) ? "failed" : "pending";
}

function describe(run: RunRecord): Record<string, unknown> {
  const plan = planOf(run);
  const output = outputOf(run);
  return {
    deployment: run.id,
    kind: plan.kind,
    release: plan.release?.version ?? null,
    previous: plan.previous?.version ?? null,
    state: run.state,
    outcome: output?.outcome ?? null,
    reason: output?.reason ?? run.reason?.message ?? null,
    startedAt: rfc3339(run.createdAt),
    endedAt: run.endedAt === null ? null : rfc3339(run.endedAt),
    actor: run.actor,
    digest: plan.digest,
    question: run.question,
    decisions: output?.decisions ?? [],
    within: run.within === null ? null : { run: run.within.run, step: run.within.step },
  };
}

/** What a person must give before it goes on; null while it goes on by itself, and once it has ended. */
function waitsFor(sunny: Sunny, run: RunRecord): string | null {
  if (run.endedAt !== null) return null;
  const { question } = run;
  if (run.state === "held" && question !== null) {
    if (question.ask === "resolve") return `a decision on ${question.step}: ${question.intended}`;
    return `a decision: ${(question.question as { what?: string } | null)?.what ?? question.signal}`;
  }
  if (!isAsking(sunny, run)) return null;
  // The command that answers is shown with the run itself.
  return progressOf(sunny, run)!
    .waitingFor.map((text) => text.replace(/ \(`[^`]+`\)/, ""))
    .join("; ");
}

/** Whether it waits for approvals, attestations or a window. */
function isAsking(sunny: Sunny, run: RunRecord): boolean {
  const progress = progressOf(sunny, run);
  return run.state === "running" && progress?.stage === "permission" && progress.waitingFor.length > 0;
}

function progressOf(sunny: Sunny, run: RunRecord): Progress | null {
  return (sunny.journal.read.status(run.id)?.value ?? null) as unknown as Progress | null;
}

/** A run whose process has died is `running` in the journal until somebody resumes it; people must see that. */
function standing(sunny: Sunny, run: RunRecord): string {
  if (isInterrupted(sunny, run)) return "interrupted";
  return isAsking(sunny, run) ? "waiting" : stateOf(run);
}

function isInterrupted(sunny: Sunny, run: RunRecord): boolean {
  return run.endedAt === null && (run.state === "running" || run.state === "ready") && !sunny.isCarriedOut(run.id);
}

/** What a person may do with a run now; null when it has ended, or says itself what it asks. */
function nextStep(sunny: Sunny, run: RunRecord): string | null {
  if (run.endedAt !== null || run.state === "held") return null;
  const { id } = run;
  if (isInterrupted(sunny, run))
    return `Nobody carries it out: \`sunny resume ${id}\` goes on where it stopped, \`sunny abort ${id}\` goes back.`;
  if (run.state === "paused") return pausedText(id, run.reason);
  return `\`sunny watch ${id}\` follows it.`;
}

function stateOf(run: RunRecord): string {
  return outputOf(run)?.outcome ?? run.state;
}

function title(plan: Plan): string {
  switch (plan.kind) {
    case "deploy":
      return `${plan.service} ${plan.previous?.version ?? "-"} -> ${plan.release?.version ?? "?"}`;
    case "rollback":
      return `${plan.service} back to ${plan.previous?.version ?? "?"}`;
    case "run":
      return plan.phases[0]?.steps[0]?.operation ?? "run";
    case "procedure":
      return plan.phases[0]?.title ?? "procedure";
  }
}
