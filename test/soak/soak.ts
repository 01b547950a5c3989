/** Carries rounds out on the sample system under load, and says what is wrong with their ends. */
import { sleep, systemClock } from "../../src/clock.ts";
import { startDemoSystem, type DemoSystem } from "../support/e2e/demo-system.ts";
import type { Ended, Event, Running } from "../support/e2e/sunny.ts";
import { kill, outlasts, stop, takeUp, wake } from "./orchestrator.ts";
import { FAILING, RELEASES, type Round, type Way } from "./rounds.ts";

/** A sleeper that was woken must notice by itself that another one has taken over. */
const NOTICE_MS = 60_000;
/** A deployment that stands still this often without being disturbed does so for good. */
const MOST_SUCCESSORS = 5;
/** Customers wait longer than a machine that does much else keeps them waiting: what counts is that they get an answer. */
const PATIENCE_MS = 120_000;

export interface RoundEnd {
  readonly deployment: string;
  /** The disturbances that met an orchestrator at work; the others came when all was over. */
  readonly met: readonly Way[];
  readonly outcome: string;
  readonly problems: readonly string[];
}

/** The sample system with three hosts; every orchestrator is in a session of its own, and ends with the system. */
export async function startSoakedSystem(): Promise<DemoSystem> {
  const system = await startDemoSystem({ hosts: 3, releases: RELEASES, patienceMs: PATIENCE_MS });
  const running = new Set<Running>();
  return {
    ...system,
    start(args, options) {
      const one = system.start(args, { ...options, ownSession: true });
      running.add(one);
      void one.ended.then(() => running.delete(one));
      return one;
    },
    async stop() {
      for (const one of running) one.child.kill("SIGKILL");
      await system.stop();
    },
  };
}

/** Starts what the round wants, disturbs it, takes it up again until it has ended, and looks at what is left. */
export async function carryOut(system: DemoSystem, round: Round): Promise<RoundEnd> {
  const first = system.start(round.args);
  const { deployment } = await first.event(({ event }) => event === "deployment");
  const id = String(deployment);
  const { met, last, sleepers } = await disturb(system, id, round, first);
  const { status, ended } = await untilOver(system, id, last);
  const problems = [
    ...endProblems(round, status, ended),
    ...(await sleeperProblems(round, sleepers)),
    ...(await worldProblems(system, round)),
  ];
  return { deployment: id, met, outcome: String(status["outcome"]), problems };
}

interface Disturbed {
  readonly met: Way[];
  readonly last: Running;
  readonly sleepers: Promise<Ended | null>[];
}

async function disturb(system: DemoSystem, id: string, round: Round, first: Running): Promise<Disturbed> {
  const disturbed = { met: [] as Way[], last: first, sleepers: [] as Promise<Ended | null>[] };
  for (const { way, afterMs, wakeMs, byTimer } of round.disturbances) {
    const running = disturbed.last;
    if (!(await outlasts(running, afterMs))) break;
    if (way === "asleep") stop(running);
    else await kill(running, { groups: way === "tree" });
    const successor = await takeUp(system, id, byTimer);
    if (successor === null) {
      // Asleep in an effect on a target without a fence: nobody may take over before that must be over.
      wake(running);
      continue;
    }
    disturbed.met.push(way);
    disturbed.last = successor;
    if (way === "asleep") disturbed.sleepers.push(wakeBeside(running, successor, wakeMs));
  }
  return disturbed;
}

/** Wakes a sleeper beside its successor, or after it; null when it does not end by itself then. */
async function wakeBeside(sleeper: Running, successor: Running, wakeMs: number): Promise<Ended | null> {
  await outlasts(successor, wakeMs);
  wake(sleeper);
  const ended = await Promise.race([sleeper.ended, sleep(systemClock, NOTICE_MS).then(() => null)]);
  if (ended === null) await kill(sleeper, { groups: true });
  return ended;
}

/** Goes on until the journal says that it has ended: whoever takes a deployment up too early is refused. */
async function untilOver(
  system: DemoSystem,
  id: string,
  last: Running,
): Promise<{ readonly status: Event; readonly ended: Ended }> {
  let ended = await last.ended;
  for (let successors = 0; ; successors++) {
    const { summary: status } = await system.sunny(["status", id]);
    const isOver = status["endedAt"] !== null || status["state"] === "held" || status["state"] === "paused";
    const successor = isOver || successors === MOST_SUCCESSORS ? null : await takeUp(system, id);
    if (successor === null) return { status, ended };
    ended = await successor.ended;
  }
}

function endProblems(round: Round, status: Event, ended: Ended): string[] {
  const problems: string[] = [];
  if (status["outcome"] !== round.outcome) {
    problems.push(
      `ended as ${String(status["outcome"] ?? status["state"])}: ${String(status["reason"])}\n${ended.stderr}`,
    );
  }
  const saysHow = ended.summary["outcome"] !== undefined;
  const expected = round.outcome === "rolled-back" ? 3 : 0;
  if (saysHow && ended.status !== expected)
    problems.push(`exit status ${ended.status}, not ${expected}\n${ended.stderr}`);
  return problems;
}

async function sleeperProblems(round: Round, sleepers: readonly Promise<Ended | null>[]): Promise<string[]> {
  const ends = await Promise.all(sleepers);
  return ends.flatMap((ended) => {
    if (ended === null) return ["a sleeper that was woken did not end by itself"];
    const { outcome, error, taken } = ended.summary;
    // One that takes up whatever is left says no more; one that slept before it had the lease finds it taken; another that
    // was stopped in a write keeps everybody from writing.
    const gaveWay = outcome === "superseded" || error === "RUN_BUSY" || error === "JOURNAL_BUSY";
    return gaveWay || outcome === round.outcome || taken !== undefined
      ? []
      : [`a sleeper that was woken says ${JSON.stringify(ended.summary)}\n${ended.stderr}`];
  });
}

async function worldProblems(system: DemoSystem, { active }: Round): Promise<string[]> {
  const problems: string[] = [];
  const versions = await system.versions();
  if (versions.some((version) => version !== active)) problems.push(`hosts run ${versions.join(", ")}, not ${active}`);
  const { events } = await system.sunny(["status"]);
  for (const { event, host, admin, weightPercent } of events) {
    if (event === "host" && (admin !== "ready" || weightPercent !== 100)) {
      problems.push(`${String(host)} is ${String(admin)} with weight ${String(weightPercent)}`);
    }
  }
  const { lost, doubled, discrepancies } = system.reconcile();
  if (lost > 0 || doubled > 0)
    problems.push(`${lost} payments lost, ${doubled} doubled: ${JSON.stringify(discrepancies)}`);
  return problems;
}

/** What must hold of all rounds together: customers noticed nothing but the failing release, and the record is whole. */
export async function wholeProblems(system: DemoSystem): Promise<string[]> {
  const problems: string[] = [];
  const { byVersion, byStatus } = await system.load!.summary();
  for (const [version, { failed, firstFailedAt }] of Object.entries(byVersion)) {
    if (version === FAILING || failed === 0) continue;
    const all = JSON.stringify(byStatus);
    problems.push(`${failed} requests to ${version} failed, the first at ${firstFailedAt}; all answers: ${all}`);
  }
  const verified = await system.sunny(["audit", "verify"]);
  if (verified.status !== 0) problems.push(`the audit log does not verify: ${verified.stderr}`);
  const left = await system.sunny(["resume", "--all"]);
  if (left.status !== 0 || left.summary["taken"] !== 0) problems.push(`something was left to resume: ${left.stderr}`);
  return problems;
}
