import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RunResult } from "../../engine/engine.ts";
import type { OperationCall } from "../../operation.ts";
import type { RolloutEnd } from "./testing/rollout-world.ts";
import { NEW, OLD, RolloutWorld } from "./testing/rollout-world.ts";

const all = (what: string): Record<string, string> =>
  Object.fromEntries(["web-1", "web-2", "web-3", "web-4"].map((host) => [host, what]));

/** A world in which these hosts already serve the new release, for good. */
function updatedWorld(updated: readonly string[]): RolloutWorld {
  const world = new RolloutWorld();
  world.hosts.minServing = 2;
  for (const name of updated) {
    const host = world.hosts.host(name);
    Object.assign(host, { active: NEW.id, before: OLD.id, releases: [OLD.id, NEW.id] });
  }
  return world;
}

async function run(
  world: RolloutWorld,
  name: string,
  args: unknown = {},
  call: Partial<OperationCall<unknown>> = {},
): Promise<RunResult> {
  return world.world.run(world.workflow(name, args, { mode: "by-hand", ...call }));
}

const endOf = (result: RunResult): RolloutEnd => (result as unknown as { output: RolloutEnd }).output;
const failureOf = (result: RunResult): { code: string; message: string } =>
  (result as unknown as { error: { code: string; message: string } }).error;

/** A deployment that its first bake finds degraded. */
function failingWorld(): RolloutWorld {
  const world = new RolloutWorld({ rollout: { canaryBakeMs: 4_000 } });
  world.hosts.minServing = 2;
  world.verdicts = [{ state: "degraded", reasons: ["slow"] }];
  return world;
}

describe("rollback", () => {
  for (const name of ["rollback", "gradual-rollback"]) {
    it(`to a release that needs a newer schema is refused when it is planned (${name})`, async () => {
      const world = new RolloutWorld();
      world.missing["2.1.0"] = ["0002_references"];
      const observe = async (version: string): Promise<unknown> => {
        const call = { system: world.system, release: null, previous: OLD, stepName: name, actor: "operator" };
        return world.operations.get(name)?.observe?.({ ...call, args: { _: [], version }, mode: "by-hand" });
      };
      await assert.rejects(observe("2.1.0"), {
        code: "SCHEMA_BEHIND",
        message: /2\.1\.0 needs 0002_references, which .* `sunny deploy --release 2\.1\.0` migrates first/,
      });
      assert.equal(await observe("2.0.0"), null);
      assert.deepEqual(world.hosts.events, []);
    });
  }

  it("brings a whole fleet back in halves, so that half of it always serves", async () => {
    const world = updatedWorld(["web-1", "web-2", "web-3", "web-4"]);
    const end = endOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.equal(end.report?.summary, "4 hosts serve 2.0.0, 4 went back");
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
    assert.deepEqual(world.hosts.violations, []);
    const drains = world.hosts.events.filter((event) => /drain|ready/.test(event));
    assert.deepEqual(drains.slice(0, 5), [
      "web-1 drain",
      "web-2 drain",
      "web-1 ready 100",
      "web-2 ready 100",
      "web-3 drain",
    ]);
  });

  it("takes crashed hosts first, together, since they cost no capacity", async () => {
    const world = updatedWorld(["web-1", "web-2", "web-3"]);
    world.hosts.host("web-2").running = false;
    world.hosts.host("web-3").running = false;
    await run(world, "rollback", { version: "2.0.0" });
    assert.deepEqual(world.hosts.events.slice(0, 2), ["web-2 drain", "web-3 drain"]);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("goes back from a half-finished turn: drained, switched, unconfirmed, with a dead-man armed", async () => {
    const world = updatedWorld([]);
    Object.assign(world.hosts.host("web-1"), { admin: "ready", weightPercent: 33 });
    const half = world.hosts.host("web-2");
    Object.assign(half, {
      admin: "drain",
      active: NEW.id,
      running: false,
      releases: [OLD.id, NEW.id],
      pending: { turn: "x", releaseId: NEW.id, previousId: OLD.id, exposure: false, until: 1e9 },
      last: { turn: "x", releaseId: NEW.id, state: "begun", reason: "" },
    });
    const end = endOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.equal(end.report?.summary, "4 hosts serve 2.0.0, 1 went back");
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("changes nothing where every host is there already, and says so", async () => {
    const world = updatedWorld([]);
    const end = endOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.equal(end.report?.summary, "not needed: all 4 hosts already serve 2.0.0");
    assert.deepEqual(world.hosts.events, []);
  });

  it("brings the others back when a host does not answer, takes that one out of traffic, and names it", async () => {
    const world = updatedWorld(["web-1", "web-2", "web-3"]);
    world.hosts.host("web-2").reachable = false;
    const error = failureOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.equal(error.code, "ROLLBACK_INCOMPLETE");
    assert.match(error.message, /web-2: no route to host/);
    assert.deepEqual(world.hosts.picture(), { ...all("2.0.0 ready 100"), "web-2": "2.1.0 drain 100" });
  });

  it("leaves the last host that serves as it is when it hung, and none of the others came back", async () => {
    const world = updatedWorld(["web-1", "web-2", "web-3", "web-4"]);
    for (const name of ["web-1", "web-3", "web-4"]) {
      Object.defineProperty(world.hosts.host(name), "running", { get: () => false, set: () => {} });
    }
    world.hosts.host("web-2").hangs = true;
    world.world.clock.timer(60_000, () => (world.hosts.host("web-2").hangs = false));
    const error = failureOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.match(error.message, /web-2: left as it is, since others did not come back and too few would serve/);
    assert.equal(world.hosts.picture()["web-2"], "2.1.0 ready 100");
  });

  it("touches neither hosts that belong to somebody else by now nor their traffic, and brings the others back", async () => {
    const world = updatedWorld(["web-1", "web-2", "web-3", "web-4"]);
    for (const name of ["web-1", "web-4"]) world.hosts.host(name).authority = "b";
    const error = failureOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.equal(error.code, "ROLLBACK_INCOMPLETE");
    assert.match(
      error.message,
      /web-1 belongs to authority b and is left as it is; web-4 belongs .* is a: .*`sunny adopt`/,
    );
    assert.deepEqual(world.hosts.picture(), {
      ...all("2.0.0 ready 100"),
      "web-1": "2.1.0 ready 100",
      "web-4": "2.1.0 ready 100",
    });
    assert.deepEqual(
      world.hosts.events.filter((event) => /^web-[14]/.test(event)),
      [],
    );
  });

  it("goes on past a host that does not get healthy, and leaves that one out of traffic", async () => {
    const world = updatedWorld(["web-1", "web-2"]);
    const host = world.hosts.host("web-1");
    Object.defineProperty(host, "running", { get: () => host.active === NEW.id, set: () => {} });
    const error = failureOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.match(error.message, /web-1: the service does not run/);
    assert.deepEqual(world.hosts.picture(), { ...all("2.0.0 ready 100"), "web-1": "2.0.0 stopped drain 100" });
  });

  it("takes nobody else out of traffic when hosts that are back cannot return to it", async () => {
    const world = updatedWorld(["web-1", "web-2"]);
    for (const name of ["web-3", "web-4"]) {
      world.hosts.host(name).admin = "drain";
      world.hosts.keptOut.add(name);
    }
    const error = failureOf(await run(world, "rollback", { version: "2.0.0" }));
    assert.match(error.message, /web-3: no answer/);
    assert.match(error.message, /web-1: left as it is, since others did not come back and too few would serve/);
    const [old, out] = ["2.1.0 ready 100", "2.0.0 drain 100"];
    assert.deepEqual(world.hosts.picture(), { "web-1": old, "web-2": old, "web-3": out, "web-4": out });
    assert.deepEqual(world.hosts.violations, []);
  });

  it("closes what does not end instead of leaving a bad release in traffic", async () => {
    const world = updatedWorld(["web-1"]);
    world.hosts.host("web-1").busyMs = 10 * 60_000;
    await run(world, "rollback", { version: "2.0.0" });
    assert.ok(world.hosts.events.includes("web-1 close-sessions"));
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("installs the release again where it was removed", async () => {
    const world = updatedWorld(["web-1"]);
    world.hosts.host("web-1").releases = [NEW.id];
    await run(world, "rollback", { version: "2.0.0" });
    assert.ok(world.hosts.host("web-1").releases.includes(OLD.id));
  });

  it("refuses a version that nobody has, and tells which there are", async () => {
    const world = updatedWorld(["web-1"]);
    const error = failureOf(await run(world, "rollback", { version: "1.9.0" }));
    assert.equal(error.code, "RELEASE_UNKNOWN");
    assert.match(error.message, /no host and no store has a complete release 1.9.0; hosts have 2.0.0, 2.1.0/);
    assert.deepEqual(world.hosts.events, []);
  });

  it("does not guess between two releases of one version", async () => {
    const world = updatedWorld(["web-1"]);
    world.hosts.host("web-4").releases.push("2.0.0-aaaaaaaaaaaa");
    world.hosts.host("web-1").before = null;
    const error = failureOf(await run(world, "rollback", { version: "2.0.0" }, { previous: null }));
    assert.equal(error.code, "RELEASE_UNKNOWN");
    const end = endOf(
      await updatedWorldRun(["web-1"], (again) => {
        again.hosts.host("web-4").releases.push("2.0.0-aaaaaaaaaaaa");
      }),
    );
    assert.equal(end.outcome, "succeeded", "the previous release of the plan decides");
  });

  it("ends on the old release wherever a failing deployment or its rollback is killed and resumed", async () => {
    const counted = failingWorld();
    const process = counted.world.spawn();
    await counted.world.run(counted.workflow("deploy-production"), { process });
    for (let commit = 3; commit <= process.commits(); commit++) {
      const world = failingWorld();
      const workflow = world.workflow("deploy-production");
      await world.world
        .run(workflow, { process: world.world.spawn({ dieAt: { commit, phase: "after" } }) })
        .catch(() => {});
      const result = await world.world.resume(workflow);
      const label = `killed after commit ${commit}: ${JSON.stringify(result)}`;
      assert.equal(endOf(result)?.outcome, "rolled-back", label);
      assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"), label);
      assert.deepEqual(world.hosts.violations, [], label);
    }
  });
});

async function updatedWorldRun(updated: readonly string[], change: (world: RolloutWorld) => void): Promise<RunResult> {
  const world = updatedWorld(updated);
  change(world);
  return run(world, "rollback", { version: "2.0.0" });
}

describe("gradual-rollback", () => {
  it("moves traffic off the named host in steps, updates it, and returns it in steps", async () => {
    const world = updatedWorld(["web-1", "web-2"]);
    const end = endOf(await run(world, "gradual-rollback", { hosts: "web-2" }));
    assert.equal(end.report?.summary, "web-2 went back to 2.0.0 and returned to traffic");
    assert.deepEqual(world.hosts.events, [
      "web-2 ready 50",
      "web-2 ready 10",
      "web-2 drain",
      "web-2 activate 2.0.0",
      "web-2 ready 10",
      "web-2 ready 50",
      "web-2 ready 100",
    ]);
    assert.deepEqual(world.hosts.violations, []);
  });

  it("returns a host that an earlier one had put back and left at a part of its traffic", async () => {
    const world = updatedWorld(["web-1"]);
    Object.assign(world.hosts.host("web-2"), { weightPercent: 10 });
    const end = endOf(await run(world, "gradual-rollback", { hosts: "web-1,web-2", version: "2.0.0" }));
    assert.equal(
      end.report?.summary,
      "web-1 went back to 2.0.0 and returned to traffic; web-2 served 2.0.0 already and returned to traffic",
    );
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
    assert.deepEqual(world.hosts.events.slice(0, 3), ["web-2 ready 10", "web-2 ready 50", "web-2 ready 100"]);
  });

  it("stops when the hosts that take the load over get sick", async () => {
    const world = updatedWorld(["web-1"]);
    world.world.clock.timer(40_000, () => (world.hosts.host("web-3").running = false));
    const end = endOf(await run(world, "gradual-rollback", { hosts: "web-1", version: "2.0.0" }));
    assert.equal(end.error?.code, "HEALTH_CHECK_FAILED");
    assert.match(end.error?.message ?? "", /web-3/);
  });

  it("refuses hosts that do not exist, and a goal that it would have to guess", async () => {
    const world = updatedWorld(["web-1"]);
    const unknown = endOf(await run(world, "gradual-rollback", { hosts: "web-9" }));
    assert.match(unknown.error?.message ?? "", /there is no host web-9; known are: web-1/);
    const fresh = updatedWorld([]);
    const guess = endOf(await run(fresh, "gradual-rollback", {}, { previous: null }));
    assert.match(guess.error?.message ?? "", /name the version: --version V/);
  });
});

describe("verify-rollback", () => {
  it("passes where every host serves the version with full weight, also from outside", async () => {
    const world = updatedWorld([]);
    world.publicVersion = "2.0.0";
    const end = endOf(await run(world, "verify-rollback"));
    assert.equal(end.report?.summary, "4 hosts serve 2.0.0 with full weight");
    assert.ok(end.report?.findings?.some((finding) => finding.subject === "https://api" && finding.ok));
  });

  it("names everything that is not back", async () => {
    const world = updatedWorld(["web-1"]);
    world.publicVersion = "2.1.0";
    world.hosts.host("web-2").weightPercent = 33;
    world.hosts.host("web-3").admin = "drain";
    world.hosts.host("web-4").pending = {
      turn: "x",
      releaseId: NEW.id,
      previousId: OLD.id,
      exposure: false,
      until: 1e9,
    };
    const error = failureOf(await run(world, "verify-rollback"));
    assert.equal(error.code, "ROLLBACK_NOT_VERIFIED");
    for (const part of [
      /web-1: current is 2.1.0-111111111111, expected is 2.0.0/,
      /web-4: an unconfirmed activation of 2.1.0-111111111111 would revert itself/,
      /traffic to web-2: ready, weight 33 %/,
      /traffic to web-3: drain/,
      /https:\/\/api: it answers as version 2.1.0, expected is 2.0.0/,
    ]) {
      assert.match(error.message, part);
    }
  });
});

describe("restart-service", () => {
  it("restarts host by host, drained, and keeps each one's weight", async () => {
    const world = updatedWorld([]);
    world.hosts.host("web-2").weightPercent = 40;
    world.hosts.minServing = 3;
    const end = endOf(await run(world, "restart-service", { _: ["payments-api"], host: "web-2,web-4" }));
    assert.equal(end.report?.summary, "payments-api was restarted on web-2, web-4");
    assert.deepEqual(world.hosts.events, [
      "web-2 drain",
      "web-2 restart",
      "web-2 ready 40",
      "web-4 drain",
      "web-4 restart",
      "web-4 ready 100",
    ]);
    assert.deepEqual(world.hosts.violations, []);
  });

  it("begins with what does not serve, which costs no capacity and repairs it", async () => {
    const world = updatedWorld([]);
    Object.assign(world.hosts.host("web-3"), { running: false });
    const end = endOf(await run(world, "restart-service", { _: ["payments-api"] }));
    assert.equal(end.outcome, "succeeded", JSON.stringify(end.error));
    assert.deepEqual(
      world.hosts.events.filter((event) => event.endsWith("restart")),
      ["web-3 restart", "web-1 restart", "web-2 restart", "web-4 restart"],
    );
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("refuses a service that it does not know, and names those that it does", async () => {
    const world = updatedWorld([]);
    const end = endOf(await run(world, "restart-service", { _: ["payments"] }));
    assert.deepEqual(end.error, {
      code: "SERVICE_UNKNOWN",
      message: "there is no service payments; known is: payments-api",
    });
  });

  it("returns a drained host to traffic when its restart failed", async () => {
    const world = updatedWorld([]);
    world.hosts.host("web-1").busyMs = 10 * 60_000;
    const end = endOf(await run(world, "restart-service", { _: ["payments-api"] }));
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "DRAIN_TIMEOUT"]);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });
});
