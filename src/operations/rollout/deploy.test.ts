import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OperationCall } from "../../operation.ts";
import type { RolloutEnd } from "./testing/rollout-world.ts";
import { NEW, RolloutWorld } from "./testing/rollout-world.ts";

type Options = ConstructorParameters<typeof RolloutWorld>[0];

/** Runs a deployment to its end and checks what must hold after any. */
async function deploy(world: RolloutWorld, call: Partial<OperationCall<unknown>> = {}): Promise<RolloutEnd> {
  const result = await world.world.run(world.workflow("deploy-production", {}, call));
  assert.equal(result.state, "done", JSON.stringify(result));
  assert.deepEqual(world.hosts.violations, []);
  return (result as unknown as { output: RolloutEnd }).output;
}

function worldOf(options?: Options): RolloutWorld {
  const world = new RolloutWorld(options);
  world.hosts.minServing = 2;
  return world;
}

const all = (what: string): Record<string, string> =>
  Object.fromEntries(["web-1", "web-2", "web-3", "web-4"].map((host) => [host, what]));

const turn = (host: string, weight: number): string[] => [
  `${host} drain`,
  `${host} activate 2.1.0`,
  `${host} ready ${weight}`,
];

describe("deploy-production", () => {
  it("is refused before it begins, with whose they are, where hosts belong to another state directory", async () => {
    const world = worldOf();
    const operation = world.operations.get("deploy-production")!;
    const observe = (): Promise<unknown> =>
      operation.observe!({
        args: operation.args.parse({}),
        system: world.system,
        release: NEW,
        previous: null,
        stepName: "deploy-production",
        actor: "operator",
        mode: "deploy",
      });
    assert.deepEqual(Object.keys((await observe()) as object), ["active"]);
    world.hosts.host("web-2").authority = "b";
    world.hosts.host("web-4").authority = "c";
    await assert.rejects(observe(), {
      code: "HOST_FENCED",
      message:
        /^web-2 belongs to authority b, web-4 belongs to authority c, this state directory is a: .*`sunny adopt`/,
    });
  });

  it("is no step of a plan that deploys another release than the one it names", () => {
    const world = worldOf();
    const operation = world.operations.get("deploy-production")!;
    const wrong = (args: object, release: OperationCall<unknown>["release"] = NEW): string | null =>
      operation.check!(operation.args.parse(args), world.system, { release, previous: null });
    assert.equal(wrong({ version: "2.0.9" }), `the plan deploys ${NEW.id}, but the step asks for 2.0.9`);
    assert.equal(wrong({ release: "2.0.9-0123456789ab" })?.endsWith("asks for 2.0.9-0123456789ab"), true);
    for (const fine of [{}, { version: NEW.version }, { version: NEW.id }, { release: NEW.id }]) {
      assert.equal(wrong(fine), null);
    }
    assert.equal(wrong({ version: "2.0.9" }, null), null);
  });

  it("goes canary, bake, batches, bake, one host at a time, and ends with full weights", async () => {
    const world = worldOf();
    world.hosts.minServing = 3;
    const end = await deploy(world);
    assert.equal(end.report?.summary, "4 hosts serve 2.1.0");
    assert.deepEqual(world.hosts.picture(), all("2.1.0 ready 100"));
    assert.deepEqual(world.hosts.events, [
      ...turn("web-1", 33),
      "web-1 ready 100",
      ...turn("web-2", 100),
      ...turn("web-3", 100),
      ...turn("web-4", 100),
    ]);
    const arms = world.arms.map(({ canary, baseline }) => ({ canary, baseline }));
    assert.deepEqual(arms.slice(0, 4), [
      { canary: [], baseline: ["web-2", "web-3", "web-4"] },
      { canary: ["web-1"], baseline: ["web-2", "web-3", "web-4"] },
      { canary: ["web-1"], baseline: ["web-3", "web-4"] },
      { canary: ["web-1", "web-2"], baseline: ["web-3", "web-4"] },
    ]);
    assert.deepEqual(arms.at(-1), { canary: ["web-1", "web-2", "web-3", "web-4"], baseline: [] });
  });

  it("updates batches of two together without taking more out than it may", async () => {
    const world = worldOf({ rollout: { maxUnavailable: 2 } });
    await deploy(world);
    const drains = world.hosts.events.filter((event) => /drain|ready/.test(event));
    assert.deepEqual(drains.slice(3, 7), ["web-2 drain", "web-3 drain", "web-2 ready 100", "web-3 ready 100"]);
  });

  it("takes the canary back when it is degraded, and touches no other host", async () => {
    const world = worldOf();
    world.verdicts = [{ state: "degraded", reasons: ["error rate 5 %, limit 1 %"] }];
    const end = await deploy(world);
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "BAKE_DEGRADED"]);
    assert.match(end.error?.message ?? "", /error rate 5 %, limit 1 %/);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
    assert.deepEqual(
      world.hosts.events.filter((event) => !event.startsWith("web-1")),
      [],
    );
  });

  it("names the host and the service's last words when the release crashes at its start", async () => {
    const world = worldOf();
    world.hosts.behaviour.set(NEW.id, { crashes: true });
    const end = await deploy(world);
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "HEALTH_CHECK_FAILED"]);
    assert.match(end.error?.message ?? "", /^web-1: the service does not run.*cannot open the ledger$/);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("does not believe a host that answers with the old version", async () => {
    const world = worldOf();
    world.hosts.behaviour.set(NEW.id, { answersAs: "2.0.0" });
    const end = await deploy(world);
    assert.match(end.error?.message ?? "", /it answers as version 2.0.0, expected is 2.1.0/);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("finds a service that dies some seconds after its start, whatever the metrics say", async () => {
    const world = worldOf();
    world.hosts.behaviour.set(NEW.id, { crashesAfterMs: 5_000 });
    const end = await deploy(world);
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "HEALTH_CHECK_FAILED"]);
    assert.match(end.error?.message ?? "", /^web-1: the service does not run any more \(/);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("takes hosts back that had succeeded when a later one fails", async () => {
    const world = worldOf();
    const host = world.hosts.host("web-3");
    Object.defineProperty(host, "running", { get: () => host.active !== NEW.id, set: () => {} });
    const end = await deploy(world);
    assert.equal(end.outcome, "rolled-back");
    assert.match(end.error?.message ?? "", /^web-3: /);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("extends an undecided bake once, and promotes when the second look is healthy", async () => {
    const world = worldOf();
    world.verdicts = [
      { state: "undecided", reasons: ["12 requests, at least 100 are needed"] },
      { state: "healthy", reasons: [] },
    ];
    const end = await deploy(world);
    assert.equal(end.outcome, "succeeded");
    assert.match(JSON.stringify(end.report?.findings), /passed by verdict after one extension/);
  });

  for (const state of ["undecided", "blind"] as const) {
    it(`holds a bake that stays ${state}, and rolls back when nobody answers`, async () => {
      const world = worldOf();
      world.verdicts = [{ state, reasons: ["no answers"] }];
      const begun = world.world.clock.monotonic();
      const end = await deploy(world);
      assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "BAKE_NOT_PROMOTED"]);
      assert.ok(world.world.clock.monotonic() - begun >= world.system.rollout.decisionMs);
      assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
    });
  }

  it("goes on with a blind bake when a person promotes it", async () => {
    const world = worldOf();
    world.verdicts = [
      { state: "blind", reasons: ["no answers"] },
      { state: "healthy", reasons: [] },
    ];
    const process = world.world.spawn();
    const running = world.world.run(world.workflow("deploy-production"), { process });
    world.world.clock.timer(600_000, () => {
      const name = "deploy-production/bake-canary/decision";
      process.engine.request(
        "run-1",
        { kind: "signal", name, value: { decision: "promote", by: "the CTO" } },
        { by: "the CTO" },
      );
    });
    const result = await running;
    assert.match(JSON.stringify(result), /passed by the CTO/);
    assert.deepEqual(world.hosts.picture(), all("2.1.0 ready 100"));
  });

  it("activates again under a new turn when a host was faster to take it back, and gives up after two", async () => {
    const once = worldOf();
    once.hosts.impatient.set("web-1", 1);
    assert.equal((await deploy(once)).outcome, "succeeded");
    assert.equal(once.hosts.events.filter((event) => event === "web-1 activate 2.1.0").length, 2);
    const always = worldOf({ rollout: { healthTimeoutMs: 1_000 } });
    always.hosts.impatient.set("web-1", 9);
    const end = await deploy(always);
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "ACTIVATION_REVERTED"]);
    assert.deepEqual(always.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("rolls back when a rule is broken in the middle of a bake", async () => {
    const world = worldOf();
    const process = world.world.spawn();
    world.world.clock.timer(30_000, () => {
      process.engine.interrupt("run-1", { kind: "breach", by: "error rate", detail: null });
    });
    const result = await world.world.run(world.workflow("deploy-production"), { process });
    const { output } = result as unknown as { output: RolloutEnd };
    assert.deepEqual([output.outcome, output.error], ["rolled-back", { code: "breach", message: "error rate" }]);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
    assert.deepEqual(world.hosts.violations, []);
  });

  for (const [answer, outcome, picture] of [
    ["promote", "succeeded", "2.1.0 ready 100"],
    ["rollback", "rolled-back", "2.0.0 ready 100"],
    [null, "rolled-back", "2.0.0 ready 100"],
  ] as const) {
    it(`asks a person when a hold interrupts a bake, and ends ${outcome} on ${answer ?? "silence"}`, async () => {
      const world = worldOf();
      const process = world.world.spawn();
      const reasons = ["error rate 4 %, limit 1 %; the baseline as well"];
      world.world.clock.timer(30_000, () => {
        process.engine.interrupt("run-1", { kind: "hold", by: "error rate", detail: { reasons } });
      });
      let asked: unknown;
      world.world.clock.timer(40_000, () => {
        asked = process.journal.read.run("run-1")?.question;
        if (answer === null) return;
        const value = { decision: answer, by: "the CTO" };
        const name = "deploy-production/bake-canary/decision";
        process.engine.request("run-1", { kind: "signal", name, value }, { by: "the CTO" });
      });
      const result = await world.world.run(world.workflow("deploy-production"), { process });
      const { output } = result as unknown as { output: RolloutEnd };
      assert.equal(output.outcome, outcome);
      assert.match(JSON.stringify(asked), /The bake is undecided.*"promote","rollback".*the baseline as well/);
      if (answer !== "promote") assert.equal(output.error?.code, "BAKE_NOT_PROMOTED");
      assert.deepEqual(world.hosts.picture(), all(picture));
      assert.deepEqual(world.hosts.violations, []);
      const activations = world.hosts.events.filter((event) => event === "web-1 activate 2.1.0");
      assert.equal(activations.length, 1, "nothing is unwound while a person is asked");
    });
  }

  it("asks again when a hold interrupts the question itself", async () => {
    const world = worldOf();
    const process = world.world.spawn();
    for (const at of [30_000, 60_000]) {
      world.world.clock.timer(at, () => {
        process.engine.interrupt("run-1", { kind: "hold", by: "error rate", detail: "both arms are in trouble" });
      });
    }
    world.world.clock.timer(90_000, () => {
      const name = "deploy-production/bake-canary/decision-2";
      const value = { decision: "promote", by: "the CTO" };
      process.engine.request("run-1", { kind: "signal", name, value }, { by: "the CTO" });
    });
    const result = await world.world.run(world.workflow("deploy-production"), { process });
    assert.equal((result as unknown as { output: RolloutEnd }).output.outcome, "succeeded");
  });

  it("tells the watcher which part of the traffic the canary should get", async () => {
    const world = worldOf();
    await deploy(world);
    assert.deepEqual(
      world.arms.filter(({ weight }) => weight !== undefined).map(({ canary, weight }) => [canary.length, weight]),
      [
        [1, 33 / 333],
        [1, 100 / 300],
        [2, 200 / 400],
        [2, 200 / 300],
        [3, 300 / 400],
      ],
    );
  });

  it("refuses before it touches anything when a host is in maintenance, unreadable or not confirmed", async () => {
    const world = worldOf();
    world.hosts.host("web-2").admin = "maint";
    world.hosts.host("web-3").reachable = false;
    const end = await deploy(world);
    assert.equal(end.error?.code, "ROLLOUT_REFUSED");
    assert.match(end.error?.message ?? "", /web-3: no route to host.*web-2 is in state maint/);
    assert.deepEqual(
      world.hosts.events.filter((event) => event.includes("activate")),
      [],
    );
  });

  it("refuses to drain a host when another one is down and too few would be left", async () => {
    const world = worldOf();
    world.hosts.host("web-4").running = false;
    const result = await world.world.run(world.workflow("deploy-production"));
    const { output } = result as unknown as { output: RolloutEnd };
    assert.equal(output.error?.code, "CAPACITY_TOO_LOW");
    assert.match(
      output.error?.message ?? "",
      /without web-1 2 of 4 hosts would serve, at least 3 must; not in traffic: web-4 \(L4CON\)/,
    );
  });

  it("closes WebSockets as soon as the requests beside them have ended, and not only when the drain's time is over", async () => {
    const world = worldOf({ rollout: { drainTimeoutMs: 120_000, websocketGraceMs: 10_000 } });
    Object.assign(world.hosts.host("web-1"), { busyMs: 20_000, webSockets: 1 });
    const end = await deploy(world);
    assert.equal(end.outcome, "succeeded");
    const { closedAfterMs } = world.hosts.host("web-1");
    assert.ok(closedAfterMs !== null && closedAfterMs >= 20_000 && closedAfterMs < 25_000, `after ${closedAfterMs} ms`);
  });

  it("gives up on a host whose requests do not end, and puts it back into traffic", async () => {
    const world = worldOf();
    world.hosts.host("web-1").busyMs = 10 * 60_000;
    const end = await deploy(world);
    assert.equal(end.error?.code, "DRAIN_TIMEOUT");
    assert.equal(end.outcome, "rolled-back");
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("rolls a first deployment out, and takes it down to nothing when it fails", async () => {
    const good = worldOf({ first: true });
    good.hosts.minServing = 0;
    assert.equal((await deploy(good, { previous: null })).outcome, "succeeded");
    assert.deepEqual(good.hosts.picture(), all("2.1.0 ready 100"));
    const bad = worldOf({ first: true });
    bad.hosts.minServing = 0;
    bad.verdicts = [{ state: "degraded", reasons: ["slow"] }];
    const end = await deploy(bad, { previous: null });
    assert.equal(end.report?.summary, "4 hosts run nothing, as before the first deployment, 1 went back");
    assert.deepEqual(bad.hosts.picture(), all("nothing ready 100"));
  });

  it("a canary that nobody watches goes back by itself, and the resumed rollout does not expose it again", async () => {
    const world = worldOf();
    const process = world.world.spawn();
    const workflow = world.workflow("deploy-production");
    void world.world.run(workflow, { process }).catch(() => {});
    await world.world.clock.pass(20_000);
    assert.equal(world.hosts.picture()["web-1"], "2.1.0 ready 33 unconfirmed");
    process.kill();
    await world.world.clock.pass(world.system.rollout.unwatchedMs + 1_000);
    assert.equal(world.hosts.picture()["web-1"], "2.0.0 ready 33");
    const result = await world.world.resume(workflow);
    const { output } = result as unknown as { output: RolloutEnd };
    assert.deepEqual([output.outcome, output.error?.code], ["rolled-back", "CANARY_REVERTED"]);
    assert.deepEqual(world.hosts.picture(), all("2.0.0 ready 100"));
  });

  it("ends with every host on one release wherever it is killed and resumed", async () => {
    const total = await commitsOf(worldOf());
    for (let commit = 3; commit <= total; commit++) {
      for (const phase of ["before", "after"] as const) {
        const world = worldOf();
        const workflow = world.workflow("deploy-production");
        const process = world.world.spawn({ dieAt: { commit, phase } });
        await world.world.run(workflow, { process }).catch(() => {});
        const result = await world.world.resume(workflow);
        const label = `killed ${phase} commit ${commit}: ${JSON.stringify(result)}`;
        assert.equal((result as unknown as { output: RolloutEnd }).output?.outcome, "succeeded", label);
        assert.deepEqual(world.hosts.picture(), all("2.1.0 ready 100"), label);
        assert.deepEqual(world.hosts.violations, [], label);
      }
    }
  });
});

async function commitsOf(world: RolloutWorld): Promise<number> {
  const process = world.world.spawn();
  await world.world.run(world.workflow("deploy-production"), { process });
  return process.commits();
}
