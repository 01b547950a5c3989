import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import type { DemoSystem } from "../support/e2e/demo-system.ts";
import { roundsOf, roundsWithKills, titleOf } from "../soak/rounds.ts";
import { carryOut, startSoakedSystem, wholeProblems } from "../soak/soak.ts";

/** SUNNY_SEED repeats a run; more kills are `npm run soak`. */
const SEED = Number(process.env["SUNNY_SEED"] ?? randomInt(1_000_000));
const KILLS = 10;

describe(`an orchestrator that is killed ${KILLS} times (seed ${SEED})`, () => {
  let system: DemoSystem;

  before(async () => {
    system = await startSoakedSystem();
  });
  after(() => system.stop());

  for (const round of roundsWithKills(KILLS, roundsOf(SEED))) {
    it(`${titleOf(round)}: ${round.outcome}, every host runs ${round.active}, no payment is lost or doubled`, async () => {
      const { problems } = await carryOut(system, round);
      assert.deepEqual(problems, []);
    });
  }

  it("no request failed but those of the failing release, the audit log is whole, nothing is left to resume", async () => {
    assert.deepEqual(await wholeProblems(system), []);
  });
});
