/** A deployment to servers as customers see it: not at all. `npm run bench -- traffic` is the same at length. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { without } from "../support/programs.ts";
import { type RemoteSystem, startRemoteSystem } from "../support/remote/remote-system.ts";
import { Customers, type CustomersResult } from "../support/traffic/customers.ts";

const RATE = 150;
const LEAST_REQUESTS = 2_000;
const SLOW_SECONDS = 5;

describe("a deployment to servers under traffic", { skip: without("sshd", "ssh", "ssh-keygen", "haproxy") }, () => {
  let system: RemoteSystem;
  let customers: Customers | undefined;
  let seen: CustomersResult;

  before(async () => {
    system = await startRemoteSystem({
      releases: [{ variant: "good", version: "2.1.0" }],
      checkMs: 300,
      config: (config) => ({
        ...config,
        rollout: {
          ...config.rollout,
          canaryBakeMs: 2_000,
          finalBakeMs: 2_000,
          minRequests: 50,
          drainTimeoutMs: 20_000,
        },
      }),
    });
    customers = new Customers({
      port: system.port,
      ledgerFile: system.environment.ledgerFile,
      connections: 32,
      slowEverySeconds: 1,
      slowSeconds: SLOW_SECONDS,
      websockets: 1,
      seed: 1,
    });
    customers.begin("deployment", { rate: RATE });
    const deployed = await system.sunny(["deploy", "--release", "2.1.0"]);
    assert.equal(deployed.status, 0, `${deployed.stdout}\n${deployed.stderr}`);
    await customers.answers(LEAST_REQUESTS);
    seen = await customers.stop();
    customers = undefined;
  });
  after(async () => {
    await customers?.stop();
    await system.stop();
  });

  it("fails not one request, without a retry of any, on kept connections and half of them POSTs", () => {
    const [stretch] = seen.stretches.filter(({ name }) => name === "deployment");
    assert.ok(stretch !== undefined);
    assert.deepEqual([stretch.failed, stretch.reasons], [0, {}]);
    assert.ok(stretch.sent >= LEAST_REQUESTS && stretch.posts > stretch.sent * 0.4, JSON.stringify(stretch));
    assert.deepEqual(Object.keys(stretch.versions).toSorted(), ["2.0.0", "2.1.0"]);
  });

  it("lets requests that take long end where they began, and gives the WebSocket another host", () => {
    const slow = seen.stretches.reduce((sum, one) => sum + one.slow, 0);
    assert.ok(slow >= 2 * SLOW_SECONDS, `${slow} slow requests`);
    assert.ok(seen.websockets.closed >= 1 && seen.websockets.echoes > 5, JSON.stringify(seen.websockets));
  });

  it("loses and doubles nothing that was acknowledged", () => {
    const { acknowledged, refunds, lost, doubled, unknown } = system.reconcile();
    assert.ok(acknowledged > 500 && refunds > 50, `${acknowledged} payments, ${refunds} refunds`);
    assert.deepEqual({ lost, doubled, unknown }, { lost: 0, doubled: 0, unknown: 0 });
  });
});
