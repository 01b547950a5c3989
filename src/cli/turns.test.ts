import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { JournalRow, RowType } from "../engine/rows.ts";
import { Turns } from "./turns.ts";
import { hostsAndTraffic, type Environment } from "./view-hosts.ts";
import type { Plan } from "../plan/model.ts";

let seq = 0;
const row = (type: RowType, name: string): JournalRow => ({
  seq: ++seq,
  at: seq * 1_000,
  run: "d-1",
  type,
  op: seq,
  kind: "step",
  name,
  attempt: 1,
  actor: "operator",
  data: null,
});

const both = (name: string): JournalRow[] => [row("intent", name), row("outcome", name)];

const plan = { system: { hosts: [{ name: "web-1" }, { name: "web-2" }] } } as unknown as Plan;

function environment(at: number, admin: "ready" | "drain" = "ready"): Environment {
  const server = { up: true, check: "200", sessions: 0, upgraded: 0, weightPercent: 100 };
  return {
    at,
    servers: [
      { ...server, name: "web-1", admin },
      { ...server, name: "web-2", admin: "ready" },
    ] as unknown as Environment["servers"],
    read: [],
    unread: [],
    probes: new Map(),
    versions: new Map([
      ["web-1", "2.0.0"],
      ["web-2", "2.0.0"],
    ]),
  };
}

const stateOf = (turns: Turns, looked: Environment): string | undefined =>
  hostsAndTraffic(looked, plan, turns).hosts[0]?.state;

describe("a host's state", () => {
  it("stays what the last part of its turn made it, until the next part begins", () => {
    const turns = new Turns(["web-1", "web-2"], []);
    const states: (string | undefined)[] = [];
    for (const part of ["drain", "activate/turn-1", "health/turn-1", "confirm/turn-1"]) {
      for (const one of both(`app/deploy/web-1/${part}`)) {
        turns.add([one]);
        states.push(stateOf(turns, environment(0)));
      }
    }
    assert.deepEqual(states, [
      "draining",
      "drained",
      "activating",
      "activating",
      "confirming",
      "confirming",
      "confirming",
      "healthy",
    ]);
    assert.deepEqual(turns.busy(), ["web-1 healthy"]);
  });

  it("is that of the load balancer again once it was looked at after the turn", () => {
    const turns = new Turns(["web-1", "web-2"], []);
    turns.add([...both("app/deploy/web-1/drain"), ...both("app/deploy/web-1/ready")]);
    const over = turns.of("web-1")?.at ?? assert.fail();
    assert.equal(stateOf(turns, environment(over - 1, "drain")), "drained", "an older look says nothing new");
    assert.equal(stateOf(turns, environment(over + 1)), "serving");
    assert.deepEqual(turns.busy(), []);
  });

  it("is `reverting` all through a rollback", () => {
    const turns = new Turns(["web-1"], ["rollback/rollback"]);
    for (const part of ["drain", "activate/turn-1", "health/turn-1"]) {
      turns.add(both(`rollback/rollback/turn-1/web-1/${part}`));
      assert.equal(stateOf(turns, environment(0)), "reverting");
    }
  });
});

describe("the traffic", () => {
  it("is split by the weights of the servers that get new requests", () => {
    const looked = environment(0, "drain");
    const { hosts, traffic } = hostsAndTraffic(looked, plan, new Turns(["web-1", "web-2"], []));
    assert.deepEqual(
      hosts.map((host) => host.weight),
      [0, 100],
    );
    assert.deepEqual(traffic, [{ version: "2.0.0", percent: 100 }]);
  });
});

describe("a bake", () => {
  it("is one, from its first sleep to its verdict", () => {
    const turns = new Turns(["web-1"], []);
    turns.add([row("intent", "app/deploy/bake-canary/round-1/look-1/sleep")]);
    const begun = turns.baking();
    turns.add(both("app/deploy/bake-canary/round-1/look-2/sleep"));
    assert.deepEqual(turns.baking(), begun);
    assert.deepEqual(begun, { what: "canary", round: 1, since: begun?.since });
    turns.add(both("app/deploy/bake-canary/round-1/verdict"));
    assert.equal(turns.baking(), null);
  });

  it("ends with the interrupt that ends its step", () => {
    const turns = new Turns(["web-1"], []);
    turns.add([row("intent", "app/deploy/bake-canary/round-1/look-1/sleep")]);
    turns.add([row("interrupted", "app/deploy/bake-canary/round-1/look-1/sleep")]);
    assert.equal(turns.baking(), null);
  });
});
