import { isSunnyError, messageOf } from "../errors.ts";
import type { DeploymentOutput } from "../deployment/ports.ts";
import type { RunResult } from "../engine/engine.ts";
import type { Control, Question } from "../engine/rows.ts";
import type { Json } from "../json.ts";
import { simulatedWorkflow } from "./catalogue.ts";
import type { WorkflowOptions } from "./catalogue.ts";
import { Died } from "./process.ts";
import type { CrashMode, CrashPlan, Moment, SimulatedProcess } from "./process.ts";
import type { SimulatedWorld } from "./world.ts";

/** Id of the deployment in every trial. */
export const RUN = "d-1";
/** The next orchestrator starts so long after the last one was gone, unless it is said otherwise. */
const RESTART_MS = 2_000;
/** Long enough for every dead-man, exposure and person. */
const LONG_MS = 3 * 3_600_000;
const MAX_LIVES = 40;
const THINK_MS = 60_000;
/** From one attempt to the next while the journal cannot be written. */
const REPAIR_MS = 60_000;

/** Answers what a run asks. */
export type Person = (question: Question, world: SimulatedWorld) => Control;

export interface TrialSpec extends WorkflowOptions {
  readonly world: SimulatedWorld;
  /** How each orchestrator goes away, in turn; the ones after them stay. */
  readonly crashes?: readonly CrashPlan[];
  /** After how many calls of its successor a paused one wakes up; Infinity: after the end. Default 1. */
  readonly wakeAfter?: number;
  /** How soon the next orchestrator starts after a crash; default 2 s. */
  readonly restartMs?: number;
  /** Nobody starts another orchestrator for hours. */
  readonly abandoned?: boolean;
  /** Default `carefulPerson`. */
  readonly person?: Person | undefined;
  /** Whether the person waits until nothing moves any more; default for the careful one only. */
  readonly patient?: boolean;
  /** Called with the world and the side of people before anything starts: to plan requests and faults. */
  readonly prepare?: (outside: SimulatedProcess) => void;
  readonly onMoment?: (moment: Moment, label: string, life: number) => void;
}

export interface TrialEnd {
  /** "succeeded", "rolled-back", "refused", or what else became of the run: "failed: CODE", "unfinished". */
  readonly outcome: string;
  readonly reason: string;
  readonly picture: Readonly<Record<string, string>>;
  readonly violations: readonly string[];
  /** What people were asked, and what they answered. */
  readonly answers: readonly string[];
  readonly questions: readonly Question[];
  readonly output: DeploymentOutput | null;
  /** How many changes of the world there were. */
  readonly events: number;
}

/** Carries a plan out in a world, through crashes, to its end, and looks at what is left. */
export async function runTrial(spec: TrialSpec): Promise<TrialEnd> {
  const trial = new Trial(spec);
  try {
    return await trial.run();
  } catch (error) {
    const outcome = `unfinished: ${messageOf(error)}`;
    return { ...trial.end(outcome), violations: [...spec.world.violations, outcome] };
  }
}

class Trial {
  readonly #spec: TrialSpec;
  readonly #world: SimulatedWorld;
  readonly #answers: string[] = [];
  readonly #questions: Question[] = [];
  #outside: SimulatedProcess | undefined;
  #paused: SimulatedProcess | undefined;
  #output: DeploymentOutput | null = null;
  #calls = 0;
  #crashes = 0;
  /** Questions with an end, which somebody answers while the orchestrator waits. */
  readonly #seen = new Set<string>();

  constructor(spec: TrialSpec) {
    this.#spec = spec;
    this.#world = spec.world;
  }

  async run(): Promise<TrialEnd> {
    const { plan, prepare } = this.#spec;
    const outside = this.#world.spawn();
    this.#outside = outside;
    const start = { id: RUN, input: { plan }, actor: plan.author, environment: plan.environment };
    outside.engine.start(simulatedWorkflow(this.#world, outside, this.#spec), start);
    prepare?.(outside);
    let outcome = "unfinished";
    for (let life = 0; life < MAX_LIVES && outcome === "unfinished"; life++) outcome = await this.#live(life);
    await this.#afterwards();
    return this.end(outcome);
  }

  end(outcome: string): TrialEnd {
    const { violations } = this.#world;
    const reason = this.#output?.reason ?? "";
    const [answers, questions, output] = [this.#answers, this.#questions, this.#output];
    const events = this.#world.events.length;
    const picture = this.#world.picture();
    return { outcome, reason, picture, violations: [...violations], answers, questions, output, events };
  }

  /** One orchestrator, from its start until it is gone or has nothing to do. */
  async #live(life: number): Promise<string> {
    const process = this.#world.spawn(this.#spec.crashes?.[life]);
    this.#watch(process, life);
    const def = simulatedWorkflow(this.#world, process, this.#spec);
    for (;;) {
      const execution = process.engine.execute(RUN, [def], { actor: this.#spec.plan.author });
      const end = await this.#world.clock.until(
        Promise.race<{ result: RunResult } | { error: unknown } | { gone: CrashMode }>([
          execution.then((result) => ({ result })).catch((error: unknown) => ({ error })),
          process.gone.then((gone) => ({ gone })),
        ]),
      );
      if ("gone" in end || process.state !== "running") return this.#crashed(process);
      if ("result" in end) return this.#resulted(end.result);
      if (!isSunnyError(end.error, "RUN_BUSY")) return this.#stopped(end.error);
      // The lease of the one before has not run out yet.
      const { expiresAt } = end.error.details as { expiresAt: number };
      await this.#world.clock.pass(Math.max(1, expiresAt - this.#world.clock.now() + 1));
    }
  }

  /** Counts what the successor of a paused process does, which then wakes up beside it. */
  #watch(process: SimulatedProcess, life: number): void {
    const { onMoment, wakeAfter = 1 } = this.#spec;
    this.#calls = 0;
    this.#world.onMoment = (moment, label, by) => {
      if (moment.phase === "after") this.#notice();
      if (by !== process && by.outer !== process) return;
      onMoment?.(moment, label, life);
      if (moment.phase === "send") this.#calls += 1;
      if (this.#calls >= wakeAfter) this.#wake();
    };
  }

  /** Somebody reads what a waiting run asks, thinks for a minute, and answers while it still does. */
  #notice(): void {
    const { clock, disk } = this.#world;
    const question = disk.runs.get(RUN)?.question ?? null;
    if (question === null || this.#seen.has(nameOf(question))) return;
    this.#seen.add(nameOf(question));
    clock.timer(THINK_MS, () => {
      const run = disk.runs.get(RUN);
      if (run?.state !== "held" || run.lease === null || run.question === null) return;
      if (nameOf(run.question) === nameOf(question)) this.#answer(question);
    });
  }

  #wake(): void {
    const paused = this.#paused;
    if (paused === undefined) return;
    this.#paused = undefined;
    this.#world.clock.timer(0, () => paused.wake());
  }

  async #crashed(process: SimulatedProcess): Promise<string> {
    if (process.state === "paused") this.#paused = process;
    this.#crashes += 1;
    if (this.#crashes > 1) this.#world.suffer("a crash in a recovery");
    if (this.#spec.abandoned === true) {
      this.#world.suffer("nobody takes over");
      await this.#world.clock.pass(LONG_MS);
      this.#world.invariants.checkAtRest();
    } else await this.#world.clock.pass(this.#spec.restartMs ?? RESTART_MS);
    return "unfinished";
  }

  async #resulted(result: RunResult): Promise<string> {
    switch (result.state) {
      case "done":
        this.#output = result.output as unknown as DeploymentOutput;
        return this.#output.outcome;
      case "failed":
        return `failed: ${result.error.code} ${result.error.message}`;
      case "held":
        await this.#ask(result.question);
        return "unfinished";
      case "paused":
        if (result.reason.code !== "PAUSED") return `paused: ${result.reason.code} ${result.reason.message}`;
        await this.#world.clock.pass(RESTART_MS);
        return "unfinished";
      case "superseded":
        return "unfinished";
    }
  }

  /** The journal could not be written: whoever is responsible makes room. */
  async #stopped(error: unknown): Promise<string> {
    if (error instanceof Died) return "unfinished";
    if (!isSunnyError(error, "DISK_FULL", "JOURNAL_UNWRITABLE", "JOURNAL_BUSY", "JOURNAL_CORRUPT")) throw error;
    await this.#world.clock.pass(REPAIR_MS);
    return "unfinished";
  }

  async #ask(question: Question): Promise<void> {
    this.#questions.push(question);
    // A careful person looks at the world before answering, when nothing moves there any more.
    const isCareful = this.#spec.patient ?? this.#spec.person === undefined;
    const moves = (): boolean =>
      this.#world.scripts.size > 0 || this.#world.hosts.some(({ pending }) => pending !== null);
    const mostMinutes = isCareful ? 60 : 0;
    for (let waited = 0; waited < mostMinutes && moves(); waited++) await this.#world.clock.pass(60_000);
    this.#answer(question);
  }

  #answer(question: Question): void {
    const answer = (this.#spec.person ?? carefulPerson)(question, this.#world);
    this.#answers.push(`${nameOf(question)}: ${describe(answer)}`);
    try {
      this.#outside!.engine.request(RUN, answer, { by: "operator", reason: "looked at it" });
    } catch (error) {
      // Who answered before the orchestrator was gone has nothing to do but to see to it that somebody goes on.
      if (!isSunnyError(error, "ALREADY_ANSWERED")) throw error;
    }
  }

  async #afterwards(): Promise<void> {
    for (const host of this.#world.hosts) {
      if (host.pending !== null && host.up)
        this.#world.changed(host.name, "the run ended while its dead-man is armed", null);
    }
    const before = this.#world.events.length;
    this.#wake();
    await this.#world.clock.pass(LONG_MS);
    this.#world.invariants.checkAtRest();
    for (const event of this.#world.events.slice(before)) {
      if (!event.includes(": power o")) this.#world.invariants.afterTheEnd(event);
    }
  }
}

function nameOf(question: Question): string {
  return question.ask === "resolve" ? question.step : question.signal;
}

function describe(control: Control): string {
  if (control.kind === "resolve") return control.as;
  return control.kind === "signal" ? JSON.stringify(control.value) : control.kind;
}

/** Answers from what the world shows, never from hope: what happened is done, what did not is done again. */
export function carefulPerson(question: Question, world: SimulatedWorld): Control {
  if (question.ask === "resolve") {
    const key = `${RUN}/${question.step}`;
    const happened = [...world.effects.keys()].some((name) => name.endsWith(` ${key}`));
    return { kind: "resolve", step: question.step, as: happened && !isProbed(question) ? "done" : "retry" };
  }
  const { signal, question: asked } = question;
  const choices = (asked as { readonly choices?: readonly string[] }).choices ?? [];
  return { kind: "signal", name: signal, value: choiceOf(choices) };
}

/** A probed step is never called done by hand: asking the world again is better. */
function isProbed(question: Extract<Question, { ask: "resolve" }>): boolean {
  return !question.choices.includes("skip");
}

function choiceOf(choices: readonly string[]): Json {
  if (choices.includes("promote")) return { decision: "rollback", by: "operator" };
  // Where nothing is there to go back to, what can be taken back is.
  if (choices.includes("rollback") && choices.includes("done"))
    return { as: "rollback", by: "operator", reason: "rehearsed" };
  const as = ["retry", "continue", "done"].find((one) => choices.includes(one)) ?? "done";
  return { as, by: "operator", reason: "looked at it" };
}

/** Whether two ends are the same for whoever looks at the world. */
export function sameEnd(a: TrialEnd, b: TrialEnd): boolean {
  return a.outcome === b.outcome && JSON.stringify(a.picture) === JSON.stringify(b.picture);
}
