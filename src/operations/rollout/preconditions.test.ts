import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerState } from "./ports.ts";
import { capacityProblem } from "./capacity.ts";
import { unknownServers } from "./preconditions.ts";
import { OLD, RolloutWorld } from "./testing/rollout-world.ts";

function server(name: string, change: Partial<ServerState> = {}): ServerState {
  const state = { admin: "ready", up: true, check: "L7OK/200", weightPercent: 100 } as const;
  return { name, ...state, sessions: 0, upgraded: 0, requests: 0, failures: 0, ...change };
}

const apart = (name: string, ...missingAt: string[]): ServerState =>
  server(name, { admin: "mixed", up: false, missingAt });

test("a host that no load balancer, or only one of several, has a server for is named with what there is", () => {
  assert.equal(unknownServers(["web-1", "web-2"], [server("web-1"), server("web-2"), server("old-1")]), undefined);
  assert.equal(
    unknownServers(["web-1", "web-2"], [server("web-1")]),
    "the load balancer has no server web-2; it has: web-1",
  );
  assert.equal(
    unknownServers(
      ["web-1", "web-2"],
      [server("web-1"), apart("web-2", "ssh:lb-2:/s"), apart("web-22", "ssh:lb-1:/s")],
    ),
    "ssh:lb-2:/s has no server web-2; together the load balancers have: web-1, web-2, web-22",
  );
});

test("a capacity that is missed for such a server says where it is missing", () => {
  const servers = [server("web-1"), apart("web-2", "ssh:lb-2:/s")];
  assert.match(capacityProblem(servers, ["web-1"], 1) ?? "", /not in traffic: web-2 \(missing at ssh:lb-2:\/s\)$/);
});

for (const [name, args] of [
  ["rollback", { version: "2.0.0" }],
  ["gradual-rollback", { hosts: "web-2", version: "2.0.0" }],
  ["restart-service", { _: ["payments-api"], host: "web-2" }],
  ["set-traffic", { _: ["web-2"], state: "drain" }],
] as const) {
  test(`${name} by hand is refused when it is planned for a host of another state directory`, async () => {
    const world = new RolloutWorld();
    const operation = world.operations.get(name)!;
    const common = { system: world.system, release: null, previous: OLD, stepName: name, actor: "operator" };
    const observe = async (): Promise<unknown> =>
      operation.observe!({ ...common, args: operation.args.parse(args), mode: "by-hand" });
    // Whoever cannot be read is not judged: it may be the reason for what is done.
    world.hosts.host("web-2").reachable = false;
    await observe();
    Object.assign(world.hosts.host("web-2"), { reachable: true, authority: "b" });
    await assert.rejects(observe(), {
      code: "HOST_FENCED",
      message: /^web-2 belongs to authority b, this state directory is a: .*`sunny adopt` takes them over$/,
    });
    assert.deepEqual(world.hosts.events, []);
  });
}
