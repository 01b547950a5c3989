/** Names of trials, and how each is carried out: a name is all that is needed to see the same again. */
import type { Plan } from "../../src/plan/model.ts";
import type { CrashMode, CrashPlan, Moment, SimulatedProcess } from "../../src/rehearsal/process.ts";
import { runTrial, sameEnd } from "../../src/rehearsal/trial.ts";
import type { TrialEnd, TrialSpec } from "../../src/rehearsal/trial.ts";
import type { Defects } from "../../src/rehearsal/world.ts";
import { newWorld, RELEASES } from "./environment.ts";
import { PAIRED, pin, SCENARIOS } from "./scenarios.ts";
import type { Scenario } from "./scenarios.ts";

/** A position at which an orchestrator can crash, with what it was doing there. */
export interface Point extends Moment {
  readonly scenario: string;
  readonly label: string;
}

/** One way to crash there. `abandoned`: killed, and for hours nobody starts another. */
export type Way = CrashMode | "paused-to-the-end" | "abandoned" | "abandoned-scripts";

export interface Trial {
  readonly scenario: string;
  /** Position, phase and way of each crash, in turn. */
  readonly crashes: readonly { readonly position: string; readonly phase: string; readonly way: Way }[];
}

/** What is broken on purpose. */
export interface Broken {
  readonly defects?: Defects;
  readonly change?: TrialSpec["change"];
  readonly person?: TrialSpec["person"];
}

export const trialName = (trial: Trial): string =>
  [trial.scenario, ...trial.crashes.map(({ position, phase, way }) => `${position}.${phase}.${way}`)].join(":");

export function trialOf(name: string): Trial {
  const [scenario = "", ...crashes] = name.split(":");
  return {
    scenario,
    crashes: crashes.map((crash) => {
      const [position = "", phase = "", way = ""] = crash.split(".");
      return { position, phase, way: way as Way };
    }),
  };
}

const scenarioOf = (name: string): Scenario => {
  const found = [...SCENARIOS, ...PAIRED].find((one) => one.name === name);
  if (found === undefined) throw new TypeError(`there is no scenario ${name}`);
  return found;
};

interface Known {
  readonly scenario: Scenario;
  readonly plan: Plan;
  readonly nested: TrialSpec["nested"];
  readonly whole: TrialEnd;
  readonly points: readonly Point[];
}

const known = new Map<string, Promise<Known>>();

/** Plan, points and end of a scenario that nothing disturbs; worked out once. */
export function knownOf(name: string): Promise<Known> {
  let found = known.get(name);
  if (found === undefined) {
    found = learn(scenarioOf(name));
    known.set(name, found);
  }
  return found;
}

async function learn(scenario: Scenario): Promise<Known> {
  const plan = await scenario.plan();
  const nested = await scenario.nested?.();
  const points: Point[] = [];
  const whole = await runTrial({
    ...specOf({ scenario, plan, nested }, {}),
    onMoment: (moment, label) => points.push({ ...moment, scenario: scenario.name, label }),
  });
  if (whole.outcome !== scenario.outcome || whole.violations.length > 0) {
    throw new Error(`${scenario.name} alone ends as ${whole.outcome}: ${whole.reason} ${whole.violations.join("; ")}`);
  }
  return { scenario, plan, nested, whole, points };
}

function specOf(
  { scenario, plan, nested }: Pick<Known, "scenario" | "plan" | "nested">,
  { defects, change, person }: Broken,
): TrialSpec {
  const world = newWorld(scenario.environment, defects);
  const prepare = (outside: SimulatedProcess): void => pin(scenario, world, outside);
  return { world, plan, nested, releases: RELEASES, change, person, prepare };
}

/** The ways to crash that make a difference at a point. */
export function waysAt({ phase }: Moment): readonly Way[] {
  // Nothing is under way: neither scripts nor requests that could arrive late.
  if (phase === "before") return ["killed", "abandoned"];
  if (phase === "after" || phase === "send") return ["killed", "paused", "paused-to-the-end", "abandoned"];
  return ["killed", "orphaned", "paused", "paused-to-the-end", "abandoned", "abandoned-scripts"];
}

/** Every crash, once, at every point of a scenario. */
export async function trialsOf(name: string): Promise<Trial[]> {
  const { points } = await knownOf(name);
  return points.flatMap(({ position, phase, scenario }) =>
    waysAt({ position, phase }).map((way) => ({ scenario, crashes: [{ position, phase, way }] })),
  );
}

/** Kills at each position of a scenario (or each `stride`-th), and again at each position of what the successor does then. */
export async function pairsOf(name: string, stride = 1): Promise<Trial[]> {
  const known = await knownOf(name);
  const pairs: Trial[] = [];
  for (const { position, phase } of known.points.filter((_, index) => index % stride === 0)) {
    const seconds: Moment[] = [];
    await runTrial({
      ...specOf(known, {}),
      crashes: [{ position, phase, how: "killed" }],
      onMoment: (moment, _label, life) => {
        if (life === 1) seconds.push(moment);
      },
    });
    for (const second of seconds) {
      pairs.push({
        scenario: name,
        crashes: [
          { position, phase, way: "killed" },
          { ...second, way: "killed" },
        ],
      });
    }
  }
  return pairs;
}

/** Carries a trial out; what is wrong with its end, or nothing. */
export async function judge(trial: Trial, broken: Broken = {}): Promise<readonly string[]> {
  const known = await knownOf(trial.scenario);
  const { scenario, whole } = known;
  const ways = trial.crashes.map(({ way }) => way);
  const end = await runTrial({
    ...specOf(known, broken),
    crashes: trial.crashes.map((crash): CrashPlan => ({
      position: crash.position,
      phase: crash.phase,
      how: modeOf(crash.way),
    })),
    wakeAfter: ways.includes("paused-to-the-end") ? Number.POSITIVE_INFINITY : wakeAfter(trial),
    // Soon enough to meet the scripts that the one before has left.
    restartMs: ways.includes("orphaned") ? 30 : 2_000,
    abandoned: ways.some((way) => way.startsWith("abandoned")),
  });
  if (end.violations.length > 0) return end.violations;
  if (sameEnd(end, whole)) return [];
  // A canary that was left alone has gone back by itself, so the deployment may not go on with it; and a command of which
  // a Sunny was killed has failed, or finds what that one has left when it is tried again.
  const mayFail = scenario.nested !== undefined || ways.some((way) => way.startsWith("abandoned"));
  if (mayFail && isBack(end, scenario)) return [];
  return [
    `ends as ${end.outcome} ${JSON.stringify(end.picture)} (${end.reason}), not as ${whole.outcome} ${JSON.stringify(whole.picture)}`,
  ];
}

/** After how many of its successor's calls a paused orchestrator wakes up: not always the same. */
function wakeAfter({ crashes }: Trial): number {
  const number = Number(crashes[0]?.position.replaceAll(/\D/g, "") ?? 0);
  return 1 + ((number * 7) % 40);
}

/** Whether everything is as before. Before the first deployment there is nothing to go back to. */
function isBack(end: TrialEnd, { name, environment }: Scenario): boolean {
  if (end.outcome !== "rolled-back") return false;
  return name === "deploy-first" || JSON.stringify(end.picture) === JSON.stringify(newWorld(environment).picture());
}

function modeOf(way: Way): CrashMode {
  if (way === "abandoned") return "killed";
  if (way === "abandoned-scripts") return "orphaned";
  return way === "paused-to-the-end" ? "paused" : way;
}
