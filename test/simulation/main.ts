/**
 * Crashes the orchestrator at every position of every scenario, then runs seeded mixtures of crashes and faults:
 * `npm run simulate -- [--seed N] [--runs N] [--json] [--points FILE] [--pairs] [--replay NAME]`. With --seed alone one
 * seeded run is repeated and shown, with --replay one crash; both are printed by whatever failed. `--pairs` crashes a
 * second time at every position of the recovery, for a rollout and a rollback on two hosts.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock, rfc3339 } from "../../src/clock.ts";
import { PAIRED, SCENARIOS } from "./scenarios.ts";
import { seededRun } from "./seeded.ts";
import { judge, knownOf, pairsOf, trialName, trialOf, trialsOf } from "./trials.ts";
import type { Trial } from "./trials.ts";
import { runInWorkers } from "./workers.ts";
import type { Failure, Task } from "./workers.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    runs: { type: "string" },
    json: { type: "boolean", default: false },
    points: { type: "string" },
    pairs: { type: "boolean", default: false },
    replay: { type: "string" },
  },
});

const event = (name: string, data: object): void => {
  const at = rfc3339(systemClock.now());
  if (values.json) process.stdout.write(`${JSON.stringify({ event: name, at, ...data })}\n`);
  else if (name !== "progress") process.stdout.write(`${name} ${JSON.stringify(data)}\n`);
  else process.stderr.write(`${JSON.stringify(data)}\n`);
};

if (values.replay !== undefined) {
  const problems = await judge(trialOf(values.replay));
  event("trial", { name: values.replay, problems });
  process.exitCode = problems.length === 0 ? 0 : 1;
} else if (values.seed !== undefined && values.runs === undefined) {
  const { end, ...run } = await seededRun(Number(values.seed));
  event("run", { ...run, outcome: end.outcome, reason: end.reason, answers: end.answers, picture: end.picture });
  process.exitCode = run.problems.length === 0 ? 0 : 1;
} else process.exitCode = await simulate();

async function simulate(): Promise<number> {
  const begun = systemClock.monotonic();
  const trials: Trial[] = [];
  for (const { name } of SCENARIOS) for (const trial of await trialsOf(name)) trials.push(trial);
  if (values.pairs) for (const { name } of PAIRED) for (const trial of await pairsOf(name)) trials.push(trial);
  const points = await pointsOf(trials);
  if (values.points !== undefined) writeFileSync(values.points, `${points.join("\n")}\n`);
  const runs = Number(values.runs ?? 1_000);
  const from = Number(values.seed ?? 1);
  const seeds = Array.from({ length: runs }, (_, i) => from + i);
  event("progress", { scenarios: SCENARIOS.length, crashPoints: points.length, crashes: trials.length, runs });
  const tasks: Task[] = [...trials.map((trial) => ({ trial: trialName(trial) })), ...seeds.map((seed) => ({ seed }))];
  const { failures, faults } = await runInWorkers(tasks, (done, bad) =>
    event("progress", { done, of: tasks.length, divergences: bad }),
  );
  for (const failure of failures.slice(0, 50)) event("divergence", { ...failure, again: againFor(failure) });
  const seconds = Math.round((systemClock.monotonic() - begun) / 100) / 10;
  const divergences = failures.length;
  event("summary", { crashPoints: points.length, crashes: trials.length, runs, divergences, seconds, faults });
  return failures.length === 0 ? 0 : 1;
}

/** Each distinct scenario, position and phase, with what is done there. */
async function pointsOf(trials: readonly Trial[]): Promise<string[]> {
  const wanted = new Set(trials.map(({ scenario }) => scenario));
  const lines = new Set<string>();
  for (const name of wanted) {
    const { points } = await knownOf(name);
    for (const { scenario, position, phase, label } of points)
      lines.add(`${scenario}\t${position}\t${phase}\t${label}`);
  }
  return [...lines];
}

function againFor({ task }: Failure): string {
  return "seed" in task ? `npm run simulate -- --seed ${task.seed}` : `npm run simulate -- --replay ${task.trial}`;
}
