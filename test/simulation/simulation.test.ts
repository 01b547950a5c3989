import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AppliedMigration } from "../../src/operations/database/ports.ts";
import { migrationFiles } from "../../src/rehearsal/database.ts";
import { runTrial } from "../../src/rehearsal/trial.ts";
import { parseMigrations } from "../../src/operations/database/migrations.ts";
import { NEW, newWorld, OLD, RELEASES } from "./environment.ts";
import { KINDS } from "./faults.ts";
import { PLANTED } from "./planted.ts";
import { PAIRED, SCENARIOS } from "./scenarios.ts";
import { seededRun } from "./seeded.ts";
import { judge, knownOf, pairsOf, trialName, trialsOf } from "./trials.ts";
import { add } from "./workers.ts";

/** Every n-th of all crashes; all of them are `npm run simulate`. */
const STRIDE = 60;
const SEEDS = 200;
/** An orchestrator that slept between two parts of a step without a fence, and went on beside its successor. */
const ONCE_WRONG = [20_732, 30_003];

void describe("a crash of the orchestrator", () => {
  for (const { name } of SCENARIOS) {
    void it(`in ${name}: a successor reaches the same end, whatever was going on`, async () => {
      const trials = await trialsOf(name);
      assert.ok(trials.length > (/^(deploy|rollback)/.test(name) ? 400 : 60), `${trials.length} crashes`);
      for (let at = 0; at < trials.length; at += STRIDE) {
        const trial = trials[at]!;
        assert.deepEqual(await judge(trial), [], trialName(trial));
      }
    });
  }

  void it("and again during the recovery, a rollout and a rollback on two hosts end the same", async () => {
    for (const { name } of PAIRED) {
      const { points } = await knownOf(name);
      const pairs = await pairsOf(name, Math.ceil(points.length / 4));
      for (let at = 0; at < pairs.length; at += 29)
        assert.deepEqual(await judge(pairs[at]!), [], trialName(pairs[at]!));
    }
  });
});

void describe("a seeded run", () => {
  void it("of crashes, faults and requests ends in a defined state, and nothing is broken on the way", async () => {
    const outcomes = new Set<string>();
    const met: Record<string, number> = {};
    const seeds = [...Array.from({ length: SEEDS }, (_, at) => at + 1), ...ONCE_WRONG];
    for (const seed of seeds) {
      const { end, problems, scenario, planned, suffered } = await seededRun(seed);
      assert.deepEqual(problems, [], `seed ${seed}, ${scenario}: ${planned.join(", ")}`);
      outcomes.add(end.outcome);
      add(met, suffered);
    }
    // A fault that never comes shows nothing.
    assert.deepEqual(
      KINDS.filter((kind) => met[kind] === undefined),
      [],
    );
    assert.deepEqual([...outcomes].toSorted(), ["refused", "rolled-back", "succeeded"]);
  });

  void it("is the same for the same seed, to the last change of the world", async () => {
    for (const seed of [3, 17, 101]) {
      const [a, b] = [await seededRun(seed), await seededRun(seed)];
      assert.deepEqual(a, b);
    }
  });
});

void describe("a bug planted on purpose is found", () => {
  for (const { name, scenario, broken, sound } of PLANTED) {
    void it(name, async () => {
      for (const trial of await trialsOf(scenario)) {
        if ((await judge(trial, broken())).length === 0) continue;
        // The same crash shows nothing where the bug is not.
        if ((await judge(trial, sound?.() ?? {})).length === 0) return;
      }
      assert.fail("no crash shows it");
    });
  }
});

void describe("when somebody changes the world by hand while nobody runs", () => {
  void it("a migration that a person applied meanwhile counts as done and is not applied again", async () => {
    const { plan, points, scenario } = await knownOf("deploy");
    const begun = points.find(({ label, phase }) => label === "database apply 0002_refunds" && phase === "part-1");
    assert.ok(begun !== undefined);
    const world = newWorld(scenario.environment);
    const end = await runTrial({
      world,
      plan,
      releases: RELEASES,
      crashes: [{ position: begun.position, phase: begun.phase, how: "killed" }],
      restartMs: 60_000,
      prepare: () => {
        world.onEvent = (event) => {
          if (event === "database: begin apply 0002_refunds") world.clock.timer(30_000, () => applyByHand());
        };
      },
    });
    function applyByHand(): void {
      const migration = parseMigrations(world.database.files.get(NEW.id)!, NEW).at(-1)!;
      const { id, checksum, down } = migration;
      const applied: AppliedMigration = {
        id,
        checksum,
        down,
        appliedAt: "2026-01-07T00:00:00.000Z",
        release: NEW.id,
        by: "dba",
      };
      world.database.applied.push(applied);
    }
    assert.deepEqual([end.outcome, end.violations], ["succeeded", []]);
    assert.deepEqual(
      world.database.applied.map(({ by }) => by),
      ["operator", "dba"],
    );
  });

  void it("a host that a person took back is found so, whatever the journal says", async () => {
    const { plan, points, scenario } = await knownOf("deploy-canary-degraded");
    const begun = points.find(({ label, phase }) => label === "web-1 activate 2.0.0" && phase === "part-1");
    assert.ok(begun !== undefined);
    const world = newWorld(scenario.environment);
    const end = await runTrial({
      world,
      plan,
      releases: RELEASES,
      crashes: [{ position: begun.position, phase: begun.phase, how: "killed" }],
      restartMs: 60_000,
      prepare: () => {
        world.clock.timer(100_000, () => {
          const host = world.host("web-1");
          host.current = OLD.id;
          host.running = OLD.id;
        });
      },
    });
    assert.deepEqual([end.outcome, end.violations], ["rolled-back", []]);
    assert.equal(world.picture()["web-1"], `${OLD.id} ready 100`);
  });
});

void describe("a world", () => {
  void it("knows the migrations of both releases", () => {
    assert.equal(migrationFiles([{ id: "0001_a", reversible: false }]).size, 1);
    assert.equal(migrationFiles([{ id: "0001_a", reversible: true }]).size, 2);
  });
});
