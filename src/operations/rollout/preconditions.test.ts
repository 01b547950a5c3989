import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServerState } from "./ports.ts";
import { capacityProblem } from "./capacity.ts";
import { unknownServers } from "./preconditions.ts";

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
