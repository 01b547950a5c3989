import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { assertEventLines, type Ended, type Event, type Running } from "../support/e2e/sunny.ts";

const OLD = ["2.0.0", "2.0.0"];

const isBake = (event: Event): boolean => event["event"] === "progress" && event["title"] === "Bake";

function assertEnd(ended: Ended, status: number, outcome: string): void {
  const told = `${ended.stdout}\n${ended.stderr}`;
  assertEventLines(ended);
  assert.equal(ended.summary["outcome"], outcome, told);
  assert.equal(ended.status, status, told);
}

describe("other processes, while a deployment runs", () => {
  let system: DemoSystem;

  before(async () => {
    system = await startDemoSystem({
      releases: [
        { variant: "good", version: "2.1.0" },
        { variant: "good", version: "2.1.1" },
      ],
      runbook: "guarded.md",
      // Nothing here waits for this bake to end: it lasts longer than everything that is done meanwhile.
      config: (config) => ({
        ...config,
        approvals: [{ role: "CTO" }],
        rollout: { ...config.rollout, canaryBakeMs: 120_000 },
      }),
    });
  });
  after(() => system.stop());

  /** Starts a deployment and gives what it waits for. */
  async function permitted(version: string): Promise<{ running: Running; id: string }> {
    const running = system.start(["deploy", "--release", version]);
    const { deployment } = await running.event(({ event }) => event === "waiting");
    const id = String(deployment);
    const { operator, cto } = system.environment.people;
    const attested = await system.sunny(["attest", id, "--all", "--note", "read", "--key", operator.privateKeyFile]);
    assert.equal(attested.status, 0, attested.stderr);
    const approved = await system.sunny(["approve", id, "--key", cto.privateKeyFile], { as: "cto" });
    assert.equal(approved.status, 0, approved.stderr);
    return { running, id };
  }

  it("a plan waits for what people must give, and its author cannot approve it", async () => {
    const running = system.start(["deploy", "--release", "2.1.0"]);
    const { deployment } = await running.event(({ event }) => event === "waiting");
    const id = String(deployment);
    const status = await system.sunny(["status", id]);
    assertEventLines(status);
    assert.match(status.stderr, /waits for: .*CTO/);
    assert.match(status.stderr, /waits for: .*The release notes have been read/);
    const { operator } = system.environment.people;
    const own = await system.sunny(["approve", id, "--role", "CTO", "--key", operator.privateKeyFile]);
    assert.equal(own.status, 1);
    assert.match(own.stderr, /APPROVAL_/);
    const aborted = await system.sunny(["abort", id, "--reason", "only a question"]);
    assert.equal(aborted.status, 0, aborted.stderr);
    assertEnd(await running.ended, 1, "refused");
    assert.deepEqual(await system.versions(), OLD, "nothing was touched");
  });

  it("approved and attested it goes on; paused, looked at, resumed, interrupted and aborted it goes back", async () => {
    const { running, id } = await permitted("2.1.0");
    await running.event(isBake);

    const [list, one] = await Promise.all([system.sunny(["status"]), system.sunny(["status", id])]);
    for (const looked of [list, one]) assertEventLines(looked);
    assert.equal(list.summary["occupant"], id);
    assert.equal(one.summary["state"], "running");
    assert.match(one.stderr, /running\s+Roll the release out/);
    const watching = system.start(["watch", id]);
    await watching.event(isBake);

    const paused = await system.sunny(["pause", id, "--reason", "look first"]);
    assert.equal(paused.status, 0, paused.stderr);
    assertEnd(await running.ended, 4, "paused");
    const watched = await watching.ended;
    assertEventLines(watched);
    assert.equal(watched.summary["state"], "paused");
    assert.equal((await system.sunny(["status", id])).summary["state"], "paused");

    const other = await system.sunny(["deploy", "--release", "2.1.1"]);
    assert.equal(other.status, 1);
    assert.match(other.stderr, new RegExp(`ENVIRONMENT_OCCUPIED.*${id}.*paused`));

    const resumed = system.start(["resume", id]);
    await resumed.event(isBake);
    resumed.child.kill("SIGINT");
    const interrupted = await resumed.ended;
    assertEnd(interrupted, 130, "paused");
    assert.match(interrupted.stderr, new RegExp(`sunny resume ${id}.*sunny abort ${id}`));

    assertEnd(await system.sunny(["abort", id, "--reason", "enough"]), 3, "rolled-back");
    assert.deepEqual(await system.versions(), OLD);
    const told = await system.sunny(["status", id]);
    assert.match(String(told.summary["reason"]), /aborted by operator: enough/);
  });

  it("of two deployments at once one goes on, and the other is refused and names it", async () => {
    const { running, id } = await permitted("2.1.0");
    await running.event(isBake);
    const second = await system.sunny(["deploy", "--release", "2.1.1"]);
    assertEventLines(second);
    assert.equal(second.status, 1);
    assert.match(second.stderr, new RegExp(`ENVIRONMENT_OCCUPIED.*${id}`));
    const byHand = await system.sunny(["run", "restart-service", "--", "payments"]);
    assert.equal(byHand.status, 1);
    assert.match(byHand.stderr, new RegExp(`ENVIRONMENT_OCCUPIED.*${id}`));
    const taken = await system.sunny(["resume", id]);
    assert.equal(taken.status, 1, "it has a living process already");

    const aborted = await system.sunny(["abort", id, "--reason", "from elsewhere"]);
    assert.equal(aborted.status, 0, aborted.stderr);
    assertEnd(await running.ended, 3, "rolled-back");
    assert.deepEqual(await system.versions(), OLD);
  });

  it("an undecided bake is held until a person decides, and promoting it goes on", async () => {
    system.changeConfig((config) => ({
      ...config,
      // More requests than there will be, however long everything takes: neither bake can be decided by them.
      rollout: { ...config.rollout, canaryBakeMs: 600, finalBakeMs: 600, minRequests: 1_000_000, decisionMs: 60_000 },
      approvals: [],
    }));
    const { running, id } = await permittedByOperator("2.1.0");
    const isHeld = (event: Event): boolean => event["event"] === "deployment" && event["state"] === "held";
    const canary = await running.event(isHeld);
    const status = await system.sunny(["status", id]);
    assert.match(status.stderr, /promote the release, or roll it back\?\n {4}\S.*\n/, "with what is not known");
    assert.match(status.stderr, /Without an answer: rollback after 60 s/);
    const wrong = await system.sunny(["resolve", id, "--as", "perhaps", "--reason", "?"]);
    assert.equal(wrong.status, 2, "only what is asked can be answered");
    const answered = await system.sunny(["resolve", id, "--as", "promote", "--reason", "it looks well"]);
    assert.equal(answered.status, 0, answered.stderr);
    await running.event((event) => isHeld(event) && event !== canary);
    const last = await system.sunny(["resolve", id, "--as", "promote", "--reason", "it still does"]);
    assert.equal(last.status, 0, last.stderr);
    assertEnd(await running.ended, 0, "succeeded");
    assert.deepEqual(await system.versions(), ["2.1.0", "2.1.0"]);
    const leaves = await system.sunny(["audit", "list", "--deployment", id]);
    assert.doesNotMatch(leaves.stdout, /"name":"promote"/, "the answer is no person");
  });

  async function permittedByOperator(version: string): Promise<{ running: Running; id: string }> {
    const running = system.start(["deploy", "--release", version]);
    const { deployment } = await running.event(({ event }) => event === "waiting");
    const { operator } = system.environment.people;
    await system.sunny(["attest", String(deployment), "--all", "--key", operator.privateKeyFile]);
    return { running, id: String(deployment) };
  }

  it("no payment was lost or doubled in all this", () => {
    const { lost, doubled, acknowledged } = system.reconcile();
    assert.ok(acknowledged > 100);
    assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 0 });
  });
});
