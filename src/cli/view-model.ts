import type { Progress } from "../deployment/ports.ts";
import type { RunRecord } from "../engine/storage.ts";
import type { MonitorSnapshot } from "../operations/monitor/snapshot.ts";
import { unreadText } from "../operations/rollout/server-text.ts";
import type { Plan, PlanStep } from "../plan/model.ts";
import type { StepTimes } from "./step-times.ts";
import type { Baking, Turns } from "./turns.ts";
import { hostsAndTraffic, type Environment } from "./view-hosts.ts";
import { viewRules } from "./view-rules.ts";
import type {
  StepState,
  ViewLog,
  ViewModel,
  ViewPhase,
  ViewProgress,
  ViewRule,
  ViewState,
  ViewStep,
} from "./view/model.ts";
import { outputOf } from "./runs.ts";

export interface ViewInput {
  readonly run: RunRecord;
  readonly plan: Plan;
  /** Null before the workflow published anything. */
  readonly progress: Progress | null;
  readonly times: StepTimes;
  readonly turns: Turns;
  readonly environment: Environment | null;
  readonly monitor: MonitorSnapshot | null;
  readonly log: readonly ViewLog[];
  readonly now: number;
}

/** What the terminal view shows of a run, from what was recorded and what the environment says now. Pure. */
export function viewModel(input: ViewInput): ViewModel {
  const { run, plan, progress } = input;
  const state = viewState(run, progress);
  const reason = outputOf(run)?.reason ?? progress?.reason ?? run.reason?.message ?? undefined;
  return {
    deployment: run.id,
    service: plan.service,
    environment: plan.environment,
    from: plan.previous?.version ?? null,
    to: plan.kind === "deploy" ? (plan.release?.version ?? null) : null,
    planDigest: plan.digest,
    state,
    ...(reason === undefined ? {} : { reason }),
    started: run.createdAt,
    ended: run.endedAt,
    phases: phases(input, state),
    ...hostsAndTraffic(input.environment, plan, input.turns),
    rules: rulesOf(input, reason),
    progress: bakeOf(input),
    waiting: waiting(input, state),
    log: input.log,
    problems: problems(input),
  };
}

function viewState(run: RunRecord, progress: Progress | null): ViewState {
  const output = outputOf(run);
  if (output !== null) return output.outcome;
  if (run.state === "held" || run.state === "failed") return "held";
  if (run.state === "paused") return "paused";
  if (progress?.stage === "rollback") return "rolling-back";
  if (progress?.stage === "permission" && progress.waitingFor.length > 0) return "waiting";
  return "running";
}

function phases(input: ViewInput, state: ViewState): ViewPhase[] {
  const { plan, progress } = input;
  const out: ViewPhase[] = [];
  if (plan.gates.length > 0) out.push({ id: "gates", title: "Gates", steps: gateSteps(input) });
  for (const [i, phase] of plan.phases.entries()) {
    out.push({
      id: `phase-${i + 1}`,
      title: phase.title,
      steps: phase.steps.map((step) => viewStep(step, input, state)),
    });
  }
  const back = progress?.stage === "rollback" || outputOf(input.run)?.outcome === "rolled-back";
  if (back && plan.rollback !== null) {
    const steps = plan.rollback.steps.map((step) => viewStep(step, input, state));
    out.push({ id: "rollback", title: `Back to ${plan.rollback.target.version}`, steps });
  }
  return out;
}

function gateSteps({ plan, progress, times }: ViewInput): ViewStep[] {
  const known = new Map(progress?.gates.map((gate) => [gate.id, gate]));
  return plan.gates.map((gate) => {
    const outcome = known.get(gate.id);
    const took = times.of(`gate/${gate.id}`);
    const states = { passed: "done", attested: "attested", failed: "failed", missing: "held" } as const;
    const running = outcome === undefined && took !== null && took.endedAt === null;
    return {
      id: gate.id,
      title: gate.text,
      state: outcome === undefined ? (running ? "running" : "pending") : states[outcome.state],
      ...(took === null || outcome?.state === "attested" ? {} : { ms: took.ms }),
      ...(outcome === undefined ? {} : { note: outcome.state === "attested" ? `by ${outcome.by}` : outcome.evidence }),
    };
  });
}

function viewStep(step: PlanStep, input: ViewInput, viewed: ViewState): ViewStep {
  const { progress, times, run } = input;
  const took = times.of(step.id);
  const state = stepState(step, progress, viewed, run);
  const note = state === "running" ? doing(input) : progress?.summaries[step.id];
  return {
    id: step.id,
    title: step.title,
    state,
    ...(took === null ? {} : { ms: took.ms }),
    ...(note === undefined ? {} : { note }),
  };
}

function stepState(step: PlanStep, progress: Progress | null, state: ViewState, run: RunRecord): StepState {
  if (progress === null) return "pending";
  if (progress.current === step.id) return run.state === "held" ? "held" : "running";
  // Of several failed steps, a deployment is held at the last one.
  if (progress.failed.includes(step.id))
    return state === "held" && progress.failed.at(-1) === step.id ? "held" : "failed";
  if (progress.notNeeded.includes(step.id)) return "skipped";
  return progress.done.includes(step.id) ? "done" : "pending";
}

/** What the running step is at, where it says so. */
function doing({ turns }: ViewInput): string | undefined {
  const baking = turns.baking();
  if (baking !== null) return `bake, ${bakeWords(baking)}`;
  const busy = turns.busy();
  return busy.length === 0 ? undefined : busy.join(", ");
}

function bakeWords({ what, round }: Baking): string {
  return round === 1 ? what : `${what}, extended`;
}

/** The bake at hand, as long as the plan has it; else the wait that the run sleeps in. */
function bakeOf({ times, turns, plan, run }: ViewInput): ViewProgress | null {
  if (run.endedAt !== null) return null;
  const baking = turns.baking();
  if (baking !== null) {
    const { canaryBakeMs, finalBakeMs } = plan.system.rollout;
    const { what, since } = baking;
    return {
      title: "Bake",
      what: bakeWords(baking),
      since,
      until: since + (what === "final" ? finalBakeMs : canaryBakeMs),
    };
  }
  const sleeping = times.sleeping();
  return sleeping === null ? null : { title: "Pause", since: sleeping.since, until: sleeping.until };
}

function waiting({ run, plan, progress, times, now }: ViewInput, state: ViewState): ViewModel["waiting"] {
  if (state === "held" && run.question !== null) {
    const { question } = run;
    const text = question.ask === "resolve" ? `a decision on ${question.step}` : heldText(question.question);
    return { for: text, since: times.lastAt() ?? now, until: null, command: `sunny resolve ${run.id} --as ...` };
  }
  if (state === "waiting" && progress !== null) {
    const [first] = progress.waitingFor;
    return {
      for: progress.waitingFor.map((text) => text.replace(/ \(`[^`]+`\)/, "")).join("; "),
      since: times.lastAt() ?? now,
      until: times.waitingUntil(),
      // The run's id is what people have before them; the plan's digest is longer than a line.
      ...commandIn(first?.replaceAll(plan.digest, run.id)),
    };
  }
  return null;
}

/** Once it goes back nothing is judged any more: what was breached stays marked, with the last figures of all. */
function rulesOf({ monitor, progress, run }: ViewInput, reason: string | undefined): ViewRule[] {
  if (monitor === null) return [];
  const rules = viewRules(monitor);
  if (progress?.stage !== "rollback" && outputOf(run)?.outcome !== "rolled-back") return rules;
  return rules.map(({ evidence: _evidence, ...rule }) => {
    const breached = reason?.startsWith(`${rule.name}:`) === true;
    return { ...rule, verdict: breached ? "degraded" : "undecided" };
  });
}

/** What needs attention while it goes on: what cannot be read, no figures, or figures that are worse than they may be. */
function problems({ run, monitor, progress, environment }: ViewInput): string[] {
  if (run.endedAt !== null) return [];
  const unread = unreadText(environment?.unread ?? [], environment?.read ?? []);
  // Once it goes back, the reason says it all.
  if (monitor === null || progress?.stage === "rollback") return unread;
  const { verdict, reasons, weightNote } = monitor;
  const bad = verdict === "degraded" || verdict === "blind" ? reasons : [];
  return [...unread, ...bad, ...(weightNote === null ? [] : [weightNote])];
}

function heldText(question: unknown): string {
  const { what } = (question ?? {}) as { what?: string };
  return what ?? "a decision";
}

function commandIn(text: string | undefined): { command?: string } {
  const command = /`([^`]+)`/.exec(text ?? "")?.[1];
  return command === undefined ? {} : { command };
}
