import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemSchema } from "../../system/schema.ts";
import {
  canaryWeight,
  capacityProblem,
  groupsOf,
  minServing,
  minServingInRollback,
  nextToBringBack,
} from "./capacity.ts";
import type { ServerState } from "./ports.ts";

function server(name: string, change: Partial<ServerState> = {}): ServerState {
  const state = { admin: "ready", up: true, check: "L7OK/200", weightPercent: 100 } as const;
  return { name, ...state, sessions: 0, upgraded: 0, requests: 0, failures: 0, ...change };
}

function systemOf(hosts: number, rollout: object = {}) {
  return systemSchema.parse({
    service: "api",
    environment: "test",
    releases: { dir: "/r", trustedKeys: ["k"] },
    hosts: Array.from({ length: hosts }, (_, i) => ({ name: `web-${i}`, root: "/", port: 80 + i })),
    loadBalancer: { kind: "embedded", socket: "/s" },
    database: { kind: "sqlite", file: "/d", backupDir: "/b" },
    rollout,
  });
}

describe("canaryWeight", () => {
  for (const [percent, canaries, others, weight] of [
    [10, 1, 3, 33],
    [10, 2, 8, 44],
    [25, 1, 3, 100],
    [50, 1, 3, 100],
    [1, 1, 3, 3],
    [1, 50, 50, 1],
    [10, 4, 0, 100],
    [100, 1, 3, 100],
  ] as const) {
    it(`gives ${canaries} of ${canaries + others} hosts the weight ${weight} for ${percent} % of the traffic`, () => {
      assert.equal(canaryWeight(percent, canaries, others), weight);
    });
  }
});

describe("capacity", () => {
  it("keeps all but maxUnavailable in traffic, at least one, or what is configured", () => {
    assert.equal(minServing(systemOf(4)), 3);
    assert.equal(minServing(systemOf(4, { maxUnavailable: 4 })), 1);
    assert.equal(minServing(systemOf(1)), 1);
    assert.equal(minServing(systemOf(1, { minServing: 0 })), 0);
    assert.deepEqual(
      [1, 2, 5].map((hosts) => minServingInRollback(systemOf(hosts))),
      [0, 1, 2],
    );
  });

  it("counts only hosts that take requests, and lets those go that do not", () => {
    const servers = [
      server("a"),
      server("b", { up: false, check: "L4CON" }),
      server("c"),
      server("d", { weightPercent: 0 }),
    ];
    assert.equal(capacityProblem(servers, ["b", "d"], 4), undefined);
    assert.equal(
      capacityProblem(servers, ["a", "b"], 2),
      "without a 1 of 4 hosts would serve, at least 2 must; not in traffic: b (L4CON), d (weight 0)",
    );
    assert.equal(capacityProblem(servers, ["a"], 1), undefined);
  });

  it("brings idle hosts back first, then as many as half of the fleet permits, and always at least one", () => {
    const servers = ["a", "b", "c", "d"].map((name) => server(name));
    assert.deepEqual(nextToBringBack(["a", "b", "c", "d"], servers, 2), ["a", "b"]);
    const drained = servers.map((one) => (one.name === "c" ? { ...one, admin: "drain" as const } : one));
    assert.deepEqual(nextToBringBack(["a", "c"], drained, 2), ["c", "a"]);
    assert.deepEqual(nextToBringBack(["a", "b"], [server("a"), server("b")], 2), ["a"]);
    // Once a host did not come back, the last ones that serve stay.
    assert.deepEqual(nextToBringBack(["a", "b"], [server("a"), server("b")], 2, true), []);
  });

  it("groups in order", () => {
    assert.deepEqual(groupsOf([1, 2, 3, 4, 5], 2), [[1, 2], [3, 4], [5]]);
    assert.deepEqual(groupsOf([], 2), []);
  });
});
