import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TerminalError } from "../../engine/context.ts";
import type { OperationCall } from "../../operation.ts";
import { NEW, OLD, RolloutWorld, type RolloutEnd } from "./testing/rollout-world.ts";

const BEFORE = { admin: "ready", weightPercent: 100 } as const;

async function set(world: RolloutWorld, args: Record<string, unknown>): Promise<RolloutEnd> {
  const call: Partial<OperationCall<unknown>> = { facts: BEFORE, mode: "by-hand" };
  const result = await world.world.run(world.workflow("set-traffic", { _: ["web-1"], ...args }, call));
  assert.equal(result.state, "done", JSON.stringify(result));
  return (result as unknown as { output: RolloutEnd }).output;
}

const callFor = (world: RolloutWorld, args: unknown) =>
  ({
    args,
    system: world.system,
    release: NEW,
    previous: OLD,
    stepName: "s",
    actor: "operator",
    mode: "by-hand",
  }) as const;

describe("set-traffic", () => {
  it("drains a server and says what the load balancer makes of it", async () => {
    const world = new RolloutWorld();
    const end = await set(world, { state: "drain" });
    assert.match(
      end.report?.summary ?? "",
      /^web-1 is drain, weight 100 %, up, 0 sessions.*before: ready, weight 100 %$/,
    );
    assert.equal(world.hosts.host("web-1").admin, "drain");
  });

  it("sets a weight given as text and leaves the state alone", async () => {
    const world = new RolloutWorld();
    await set(world, { weight: "25" });
    assert.deepEqual([world.hosts.host("web-1").admin, world.hosts.host("web-1").weightPercent], ["ready", 25]);
  });

  for (const change of [{ state: "drain" }, { state: "maint" }, { weight: 0 }]) {
    it(`refuses ${JSON.stringify(change)} when too few hosts would be left, at planning and before acting`, async () => {
      const world = new RolloutWorld();
      world.hosts.host("web-4").admin = "maint";
      const operation = world.operations.get("set-traffic");
      const args = operation?.args.parse({ _: ["web-1"], ...change });
      await assert.rejects(operation!.observe!(callFor(world, args)), { code: "CAPACITY_TOO_LOW" });
      const end = await set(world, change);
      assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "CAPACITY_TOO_LOW"]);
      assert.match(end.report?.summary ?? "", /^not needed: web-1 is as it was before/);
    });
  }

  it("brings a server back whatever the capacity is", async () => {
    const world = new RolloutWorld();
    for (const host of ["web-1", "web-3", "web-4"]) world.hosts.host(host).admin = "maint";
    assert.equal((await set(world, { state: "ready" })).outcome, "succeeded");
    assert.equal(world.hosts.host("web-1").admin, "ready");
  });

  it("names the servers that there are when one is unknown", async () => {
    const world = new RolloutWorld();
    const operation = world.operations.get("set-traffic");
    const args = operation?.args.parse({ _: ["web-9"], state: "drain" });
    await assert.rejects(operation!.observe!(callFor(world, args)), {
      code: "SERVER_UNKNOWN",
      message: "the load balancer has no server web-9; it has web-1, web-2, web-3, web-4",
    });
  });

  it("refuses nothing to set, a state that does not exist, and a weight out of bounds", () => {
    const { args } = new RolloutWorld().operations.get("set-traffic")!;
    for (const wrong of [{}, { state: "off" }, { weight: 101 }, { weight: "much" }, { weight: 1.5 }]) {
      assert.equal(args.safeParse({ _: ["web-1"], ...wrong }).success, false, JSON.stringify(wrong));
    }
  });

  it("does not order anything on the way back when the load balancer refused", async () => {
    const world = new RolloutWorld();
    world.hosts.host("web-1").token = 99;
    const end = await set(world, { state: "drain" });
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "LOAD_BALANCER_FENCED"]);
    assert.equal(end.rollbackError, null);
  });
});

describe("adopt", () => {
  const adopt = async (world: RolloutWorld, args: object = {}): Promise<RolloutEnd> => {
    const result = await world.world.run(world.workflow("adopt", args, { mode: "by-hand" }));
    return (result as unknown as { output: RolloutEnd }).output;
  };

  it("takes every host over and tells what their logs say and whose they were", async () => {
    const world = new RolloutWorld();
    world.hosts.host("web-1").authority = "laptop-1";
    const end = await adopt(world);
    assert.equal(
      end.report?.summary,
      "web-1, web-2, web-3, web-4 and the load balancer belong to this state directory",
    );
    assert.match(
      end.report?.findings?.[0]?.message ?? "",
      /^belonged to laptop-1; runs 2\.0\.0-000000000000 \(running\)/,
    );
    assert.equal(end.report?.findings?.at(-1)?.message, "it keeps no authority of its own");
    assert.deepEqual(
      [...world.hosts.hosts.values()].map((host) => host.authority),
      Array(4).fill("authority-1"),
    );
  });

  it("refuses at planning when a host cannot be read, and takes over the others when they are named", async () => {
    const world = new RolloutWorld();
    world.hosts.host("web-3").reachable = false;
    const operation = world.operations.get("adopt")!;
    const given = (args: object) => callFor(world, operation.args.parse(args));
    await assert.rejects(operation.observe!(given({})), {
      code: "HOST_UNREACHABLE",
      message: /web-3: no route to host/,
    });
    assert.deepEqual(await operation.observe!(given({ hosts: "web-1, web-2" })), {
      "web-1": { authority: "a", active: OLD.id },
      "web-2": { authority: "a", active: OLD.id },
    });
    const end = await adopt(world, { hosts: "web-1,web-2" });
    assert.equal(end.outcome, "succeeded");
    assert.equal(world.hosts.host("web-4").authority, "a");
  });

  it("says that nothing has to be taken back when it fails", async () => {
    const world = new RolloutWorld();
    world.hosts.refusing = new TerminalError("HOST_NOT_WRITABLE", "web-1: read-only file system");
    const end = await adopt(world);
    assert.deepEqual([end.outcome, end.error?.code], ["rolled-back", "HOST_NOT_WRITABLE"]);
    assert.equal(end.report?.summary, "not needed: nothing that serves was changed");
  });
});
