import { SunnyError } from "../errors.ts";
import type { StepCall } from "../engine/context.ts";
import type { Control, Question } from "../engine/rows.ts";
import { planSteps } from "../plan/model.ts";
import type { Plan, PlanStep } from "../plan/model.ts";
import { failure } from "./catalogue.ts";
import type { Moment } from "./process.ts";
import { makePapers } from "./papers.ts";
import type { PapersByName } from "./papers.ts";
import { rehearsedPlan, rehearsedReleases, rehearsedWorld } from "./rehearsed-world.ts";
import { carefulPerson, runTrial, sameEnd } from "./trial.ts";
import type { TrialEnd, TrialSpec } from "./trial.ts";
import { unsafeByDesign } from "./unsafe.ts";
import type { UnsafePath } from "./unsafe.ts";

/** What a failure at one place leads to. */
export interface Consequence {
  /** "before": it fails and nothing happened. "after": it did what it should and fails nevertheless. */
  readonly fails: "before" | "after";
  /** The durable step within the plan's step. */
  readonly at: string;
  readonly outcome: string;
  /** The reason of the end, or what a person is asked. */
  readonly why: string;
}

/** What failures of one step of the plan lead to. */
export interface StepRehearsal {
  readonly step: PlanStep;
  readonly part: "phases" | "rollback";
  readonly consequences: readonly Consequence[];
}

export interface Rehearsal {
  readonly steps: readonly StepRehearsal[];
  readonly unsafe: readonly UnsafePath[];
  /** How often a step was made to fail. */
  readonly failures: number;
  /** Positions at which the orchestrator was killed, and those of them that led to the same end as no crash at all. */
  readonly crashes: { readonly points: number; readonly same: number };
}

/** Runs a plan in the simulated world with each step failing and each crash in turn. Touches nothing real. */
export async function rehearse(plan: Plan, progress: (text: string) => void = () => undefined): Promise<Rehearsal> {
  const rehearsed = new Rehearser(rehearsedPlan(plan), await makePapers(plan.system.certificates));
  const whole = await rehearsed.whole();
  progress(`the plan alone: ${whole.outcome}`);
  const phases = await rehearsed.failing(planSteps(plan), "phases", null);
  progress(`${rehearsed.failures} failures of its steps`);
  const trigger = rehearsed.lastStep();
  const rollback = await rehearsed.failing(plan.rollback?.steps ?? [], "rollback", trigger);
  progress(`${rehearsed.failures} failures, those of the way back included`);
  const crashes = await rehearsed.crashing(whole);
  return {
    steps: [...phases, ...rollback],
    unsafe: [...unsafeByDesign(plan), ...rehearsed.unsafe],
    failures: rehearsed.failures,
    crashes,
  };
}

class Rehearser {
  readonly unsafe: UnsafePath[] = [];
  failures = 0;
  readonly #plan: Plan;
  readonly #papers: PapersByName;
  readonly #before: string;
  /** Names of durable steps in the order in which the undisturbed run takes them. */
  readonly #names: string[] = [];
  readonly #points: Moment[] = [];

  constructor(plan: Plan, papers: PapersByName) {
    this.#plan = plan;
    this.#papers = papers;
    this.#before = JSON.stringify(rehearsedWorld(plan, papers).picture());
  }

  #spec(rest: Partial<TrialSpec> = {}): TrialSpec {
    const plan = this.#plan;
    return {
      world: rehearsedWorld(plan, this.#papers),
      plan,
      releases: rehearsedReleases(plan),
      person: onceMore(),
      patient: true,
      ...rest,
    };
  }

  /** @throws SunnyError REHEARSAL_STUCK when even a run that nothing disturbs does not succeed */
  async whole(): Promise<TrialEnd> {
    const spec = this.#spec({ change: () => noting(this.#names) });
    let rows = 0;
    const end = await runTrial({
      ...spec,
      onMoment: (moment) => {
        // A lease that is renewed is no step of the plan.
        const isIdle = moment.position.startsWith("commit") && spec.world.disk.rows.length === rows;
        rows = spec.world.disk.rows.length;
        if (!isIdle) this.#points.push(moment);
      },
    });
    if (end.outcome === "succeeded" && end.violations.length === 0) return end;
    const why = [end.reason, ...end.violations].filter((one) => one !== "").join("; ");
    throw new SunnyError(
      "REHEARSAL_STUCK",
      `The plan does not succeed even when nothing fails: ${end.outcome}: ${why}`,
      {
        hint: "This world is simulated from the plan's own facts; make a new plan, and report this when it stays.",
      },
    );
  }

  /** The step whose failure sets the whole way back in motion: the last one that is taken. */
  lastStep(): string | null {
    const ids = planSteps(this.#plan).map((step) => step.id);
    return (
      this.#names.findLast((name) => ids.some((id) => name.startsWith(`${id}/`)) && !name.endsWith("/facts")) ?? null
    );
  }

  /** Lets every durable step of each plan step fail, before and after it acted. */
  async failing(
    steps: readonly PlanStep[],
    part: StepRehearsal["part"],
    trigger: string | null,
  ): Promise<StepRehearsal[]> {
    if (part === "rollback" && (trigger === null || steps.length === 0)) return [];
    const names = trigger === null ? this.#names : await this.#namesAfter(trigger);
    const rehearsals: StepRehearsal[] = [];
    for (const step of steps) {
      const consequences: Consequence[] = [];
      for (const at of names.filter((name) => name.startsWith(`${step.id}/`))) {
        for (const fails of ["before", "after"] as const) consequences.push(await this.#fail(step, at, fails, trigger));
      }
      rehearsals.push({ step, part, consequences });
    }
    return rehearsals;
  }

  async #namesAfter(trigger: string): Promise<string[]> {
    const names: string[] = [];
    await runTrial(this.#spec({ change: () => (call) => noting(names)(broken(call, trigger, "after")) }));
    return names.filter((name) => !this.#names.includes(name));
  }

  async #fail(step: PlanStep, at: string, fails: "before" | "after", trigger: string | null): Promise<Consequence> {
    this.failures += 1;
    const end = await runTrial(
      this.#spec({
        change: () => (call) => {
          const one = broken(call, at, fails);
          return trigger === null ? one : broken(one, trigger, "after");
        },
      }),
    );
    const held = end.questions.at(0);
    const outcome = held === undefined ? end.outcome : `held, then ${end.outcome}`;
    const why = held === undefined ? end.reason : questionText(held);
    const problem = this.#problemOf(end);
    if (problem !== null) {
      this.unsafe.push({
        step: step.id,
        path: [`"${at}" fails ${fails} it acted`, `the run ends as ${end.outcome}`, problem],
      });
    }
    return { fails, at, outcome, why };
  }

  /** Kills the orchestrator at every position, with everything it had started; another one goes on. */
  async crashing(whole: TrialEnd): Promise<Rehearsal["crashes"]> {
    let same = 0;
    for (const { position, phase } of this.#points) {
      const end = await runTrial(this.#spec({ crashes: [{ position, phase, how: "killed" }] }));
      if (sameEnd(end, whole)) same += 1;
      const problem = this.#problemOf(end);
      if (problem !== null) {
        const path = [
          `the orchestrator is killed at ${position} (${phase})`,
          `the run ends as ${end.outcome}`,
          problem,
        ];
        this.unsafe.push({ step: null, path });
      }
    }
    return { points: this.#points.length, same };
  }

  #problemOf(end: TrialEnd): string | null {
    const [violation] = end.violations;
    if (violation !== undefined) return violation;
    const isHeld = end.questions.length > 0 || end.answers.length > 0;
    const isBack = JSON.stringify(end.picture) === this.#before;
    switch (end.outcome) {
      case "succeeded":
        return null;
      case "refused":
        return isBack ? null : `it says that nothing was changed, and it was: ${difference(this.#before, end)}`;
      case "rolled-back":
        return isBack || isHeld ? null : `not everything is back: ${difference(this.#before, end)}`;
      default:
        return end.outcome;
    }
  }
}

function noting(names: string[]): <T>(call: StepCall<T>) => StepCall<T> {
  return (call) => {
    if (!names.includes(call.name)) names.push(call.name);
    return call;
  };
}

function broken<T>(call: StepCall<T>, at: string, fails: "before" | "after"): StepCall<T> {
  if (call.name !== at) return call;
  return {
    ...call,
    fn: async (scope) => {
      if (fails === "after") await call.fn(scope);
      throw failure(at);
    },
  };
}

/** A person who asks once for another try, and then takes care of it by hand. */
function onceMore(): (question: Question, world: TrialSpec["world"]) => Control {
  const asked = new Set<string>();
  return (question, world) => {
    const answer = carefulPerson(question, world);
    if (question.ask === "resolve" || answer.kind !== "signal") return answer;
    const step = question.signal.replace(/\/turn-\d+$/, "");
    if (!asked.has(step)) {
      asked.add(step);
      return answer;
    }
    return { ...answer, value: { as: "done", by: "operator", reason: "done by hand" } };
  };
}

function questionText(question: Question): string {
  if (question.ask === "resolve") return `${question.intended}: ${question.known}`;
  const { what } = question.question as { readonly what?: string };
  return what ?? question.signal;
}

function difference(before: string, { picture }: TrialEnd): string {
  const was = JSON.parse(before) as Record<string, string>;
  return Object.entries(picture)
    .filter(([name, is]) => was[name] !== is)
    .map(([name, is]) => `${name} is ${is === "" ? "empty" : is}, was ${was[name] === "" ? "empty" : was[name]}`)
    .join("; ");
}
