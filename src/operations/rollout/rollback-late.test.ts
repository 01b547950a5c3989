/** Rollbacks with hosts that answer late. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RunResult } from "../../engine/engine.ts";
import type { RolloutEnd } from "./testing/rollout-world.ts";
import { NEW, OLD, RolloutWorld } from "./testing/rollout-world.ts";

const all = (what: string): Record<string, string> =>
  Object.fromEntries(["web-1", "web-2", "web-3", "web-4"].map((host) => [host, what]));

/** These hosts already serve the new release, for good. */
function worldWith(updated: readonly string[]): RolloutWorld {
  const world = new RolloutWorld();
  world.hosts.minServing = 2;
  for (const name of updated) {
    Object.assign(world.hosts.host(name), { active: NEW.id, before: OLD.id, releases: [OLD.id, NEW.id] });
  }
  return world;
}

const rollBack = (world: RolloutWorld): Promise<RunResult> =>
  world.world.run(world.workflow("rollback", { version: "2.0.0" }, { mode: "by-hand" }));
const endOf = (result: RunResult): RolloutEnd => (result as unknown as { output: RolloutEnd }).output;
const failureOf = (result: RunResult): { code: string; message: string } =>
  (result as unknown as { error: { code: string; message: string } }).error;

describe("a rollback", () => {
  it("does not keep the others for long when a host hangs, and takes that one out of traffic", async () => {
    const world = worldWith(["web-1", "web-2", "web-3"]);
    world.hosts.host("web-2").hangs = true;
    let afterAMinute: unknown;
    world.world.clock.timer(60_000, () => (afterAMinute = world.hosts.picture()));
    const error = failureOf(await rollBack(world));
    assert.deepEqual(afterAMinute, { ...all("2.0.0 ready 100"), "web-2": "2.1.0 drain 100" });
    assert.equal(error.code, "ROLLBACK_INCOMPLETE");
    assert.match(error.message, /^not every host is back on 2\.0\.0: web-2: no answer within \d+ ms$/);
  });

  it("asks a host that hung once more, and brings it back when it answers then", async () => {
    const world = worldWith(["web-1", "web-2", "web-3"]);
    world.hosts.host("web-2").hangs = true;
    world.world.clock.timer(60_000, () => (world.hosts.host("web-2").hangs = false));
    const end = endOf(await rollBack(world));
    assert.equal(end.report?.summary, "4 hosts serve 2.0.0, 3 went back");
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("does not believe what it reads from a host on which an earlier script may still be at work", async () => {
    const world = worldWith(["web-1"]);
    const host = world.hosts.host("web-2");
    host.locked = true;
    world.world.clock.timer(45_000, () =>
      Object.assign(host, { locked: false, active: NEW.id, before: OLD.id, releases: [OLD.id, NEW.id] }),
    );
    const end = endOf(await rollBack(world));
    assert.equal(end.report?.summary, "4 hosts serve 2.0.0, 2 went back");
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("leaves a host in traffic that is well and only slow to take the fence", async () => {
    const world = worldWith(["web-1"]);
    world.hosts.host("web-2").locked = true;
    world.world.clock.timer(15_000, () => (world.hosts.host("web-2").locked = false));
    const end = endOf(await rollBack(world));
    assert.equal(end.report?.summary, "4 hosts serve 2.0.0, 1 went back");
    assert.deepEqual(world.hosts.events, ["web-1 drain", "web-1 activate 2.0.0", "web-1 ready 100"]);
  });
});
