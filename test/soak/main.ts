/**
 * Disturbs real orchestrators of the sample system under load: `npm run soak -- [--kills N] [--seed N] [--json]`. Each is
 * killed, alone or with what it has started, or put to sleep past its lease, at a moment that the seed decides; then it is
 * resumed. Ends with {"event":"summary",...} and exit status 0 when every deployment ended right and no payment was lost or
 * doubled.
 */
import { randomInt } from "node:crypto";
import process from "node:process";
import { parseArgs } from "node:util";
import { rfc3339, systemClock } from "../../src/clock.ts";
import { roundsOf, titleOf, type Way, withKills } from "./rounds.ts";
import { carryOut, startSoakedSystem, wholeProblems } from "./soak.ts";

const { values } = parseArgs({
  options: { kills: { type: "string" }, seed: { type: "string" }, json: { type: "boolean", default: false } },
});

const wanted = Number(values.kills ?? 50);
const seed = Number(values.seed ?? randomInt(1_000_000));
if (!Number.isInteger(wanted) || wanted < 1 || !Number.isInteger(seed)) {
  process.stderr.write("usage: npm run soak -- [--kills N] [--seed N] [--json]\n");
  process.exit(2);
}

const event = (name: string, data: object): void => {
  const line = values.json
    ? JSON.stringify({ event: name, at: rfc3339(systemClock.now()), ...data })
    : `${name} ${JSON.stringify(data)}`;
  process.stdout.write(`${line}\n`);
};

const begun = systemClock.monotonic();
const met: Record<Way, number> = { alone: 0, tree: 0, asleep: 0 };
const kills = (): number => met.alone + met.tree;
let [rounds, wrong] = [0, 0];

event("soak", { kills: wanted, seed });
const system = await startSoakedSystem();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => void system.stop().finally(() => process.exit(130)));
}
try {
  // A kill that came too late, because the deployment had ended already, does not count.
  for (const endless = roundsOf(seed); kills() < wanted;) {
    const round = withKills(endless.next().value, wanted - kills());
    const end = await carryOut(system, round);
    rounds += 1;
    for (const way of end.met) met[way] += 1;
    event("round", { round: titleOf(round), ...end, kills: kills() });
    if (end.problems.length === 0) continue;
    wrong += 1;
    // What comes after it would only follow from it.
    break;
  }
  const problems = await wholeProblems(system);
  const { acknowledged, lost, doubled } = system.reconcile();
  const seconds = Math.round((systemClock.monotonic() - begun) / 1_000);
  const divergences = wrong + problems.length;
  event("summary", {
    kills: kills(),
    ...met,
    rounds,
    acknowledged,
    lost,
    doubled,
    divergences,
    problems,
    seed,
    seconds,
  });
  process.exitCode = divergences === 0 ? 0 : 1;
} finally {
  await system.stop();
}
