/** Runs in which crashes, faults and requests are mixed by chance; the same seed gives the same run. */
import { isSunnyError } from "../../src/errors.ts";
import { powerOn } from "../../src/rehearsal/hosts.ts";
import type { CrashMode, CrashPlan } from "../../src/rehearsal/process.ts";
import { randomOf } from "../../src/rehearsal/random.ts";
import type { Random } from "../../src/rehearsal/random.ts";
import { simulatedWorkflow } from "../../src/rehearsal/catalogue.ts";
import { carefulPerson, RUN, runTrial } from "../../src/rehearsal/trial.ts";
import type { TrialEnd } from "../../src/rehearsal/trial.ts";
import type { SimulatedWorld } from "../../src/rehearsal/world.ts";
import { newWorld, RELEASES } from "./environment.ts";
import { scheduleRequests, scheduleWorldFaults, SeededFaults } from "./faults.ts";
import { pin, SCENARIOS } from "./scenarios.ts";
import type { Scenario } from "./scenarios.ts";
import { knownOf } from "./trials.ts";
import type { Point } from "./trials.ts";

export interface SeededRun {
  readonly seed: number;
  readonly scenario: string;
  /** What was planned to go wrong. */
  readonly planned: readonly string[];
  readonly end: TrialEnd;
  readonly problems: readonly string[];
  /** How often each kind of fault and crash was met. */
  readonly suffered: Readonly<Record<string, number>>;
}

export async function seededRun(seed: number): Promise<SeededRun> {
  const random = randomOf(seed, "run");
  const scenario = random.pick(SCENARIOS);
  const { plan, nested, points, whole } = await knownOf(scenario.name);
  const world = newWorld(scenario.environment);
  const faults = new SeededFaults(seed, world, random.chance(0.5));
  world.faults = faults;
  const events = Math.max(20, whole.events * 1.2);
  const crashes = crashesOf(random, points);
  const planned = crashes.map(({ position, phase, how }) => `${how} at ${position} ${phase}`);
  const second = (): void => secondOperator(world, plan, seed);
  const end = await runTrial({
    world,
    plan,
    nested,
    releases: RELEASES,
    crashes,
    wakeAfter: random.pick([1, 3, 10, 40, Number.POSITIVE_INFINITY]),
    restartMs: random.pick([30, 2_000, 20_000, 120_000]),
    abandoned: randomOf(seed, "abandoned").chance(0.05),
    prepare: (outside) => {
      pin(scenario, world, outside);
      planned.push(...scheduleWorldFaults(seed, world, faults, events));
      planned.push(...scheduleRequests(seed, world, outside, events, second));
    },
    person: (question) => {
      heal(world, faults);
      return carefulPerson(question, world);
    },
    patient: true,
  });
  const suffered = Object.fromEntries(world.suffered);
  return { seed, scenario: scenario.name, planned, end, problems: problemsOf(scenario, whole, end), suffered };
}

function crashesOf(random: Random, points: readonly Point[]): CrashPlan[] {
  const crashes: CrashPlan[] = [];
  for (let probability = 0.75; crashes.length < 4 && random.chance(probability); probability = 0.5) {
    const { position, phase } = random.pick(points);
    const how: CrashMode = random.pick(["killed", "orphaned", "paused"]);
    crashes.push({ position, phase, how });
  }
  return crashes;
}

/** Somebody else tries to carry the same deployment out, and to start another one beside it. */
function secondOperator(
  world: SimulatedWorld,
  plan: Parameters<typeof simulatedWorkflow>[2]["plan"],
  seed: number,
): void {
  const process = world.spawn();
  const def = simulatedWorkflow(world, process, { plan, releases: RELEASES });
  const id = `other-${seed}`;
  try {
    process.engine.start(def, { id, input: { plan }, actor: "other", environment: plan.environment });
  } catch (error) {
    if (isSunnyError(error, "DISK_FULL", "JOURNAL_CORRUPT")) return;
    throw error;
  }
  for (const run of [RUN, id]) process.engine.execute(run, [def as never]).catch(() => undefined);
}

/** Whoever is asked looks after what is broken before answering. */
function heal(world: SimulatedWorld, faults: SeededFaults): void {
  for (const host of world.hosts) {
    powerOn(world, host);
    host.reachable = true;
  }
  world.balancer.reachable = true;
  world.database.refuses = false;
  world.blind = false;
  faults.diskFull = false;
  faults.corrupt = false;
}

/** What is wrong with an end, whatever went wrong on the way. */
function problemsOf(scenario: Scenario, whole: TrialEnd, end: TrialEnd): string[] {
  const problems = [...end.violations];
  const before = JSON.stringify(newWorld(scenario.environment).picture());
  const after = JSON.stringify(end.picture);
  // Where no release was before, what was applied to the infrastructure stays, and is reported.
  const isFirst = scenario.environment.active === null;
  const back = isFirst ? JSON.stringify({ ...end.picture, infrastructure: "nothing" }) : after;
  const goal = JSON.stringify(whole.picture);
  // A person who called something done has taken it upon themselves.
  const isOwn = end.answers.some((answer) => /"as":"done"|: skip$/.test(answer));
  switch (end.outcome) {
    case "succeeded":
      if (scenario.outcome === "succeeded" ? after !== goal : true) problems.push(`succeeded with ${after}`);
      break;
    case "refused":
      if (after !== before) problems.push(`refused with ${after}`);
      break;
    case "rolled-back":
      if (!isOwn && back !== before) problems.push(`rolled back to ${after}`);
      break;
    default:
      problems.push(`ends as ${end.outcome}`);
  }
  return problems;
}
