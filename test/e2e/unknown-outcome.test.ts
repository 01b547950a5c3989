import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { assertEventLines, type Event } from "../support/e2e/sunny.ts";

const STEP = "preparation/prepare-the-release/run";

describe("a deployment that is killed in the middle of a command that nobody can ask about", () => {
  let system: DemoSystem;
  let id = "";

  before(async () => {
    system = await startDemoSystem({
      releases: [{ variant: "good", version: "2.1.0" }],
      runbook: "tasks.md",
      rate: 0,
    });
    const folder = path.join(system.directory, "scripts");
    mkdirSync(folder);
    const script = (name: string, text: string): void => {
      writeFileSync(path.join(folder, name), `#!/bin/sh\nset -eu\n${text}\n`);
      chmodSync(path.join(folder, name), 0o755);
    };
    script("tasks.sh", "echo begun\nsleep 600");
    script("look.sh", "true");
    const running = system.start(["deploy", "--release", "2.1.0", "--reason", "CHG-1"]);
    const { deployment } = await running.event(({ event }) => event === "deployment");
    id = String(deployment);
    await running.event((event) => event["event"] === "log" && String(event["text"]).includes("begun"));
    running.child.kill("SIGKILL");
    await running.ended;
  });
  after(() => system.stop());

  const entryOf = (event: Event): Event => event["entry"] as Event;

  it("is shown as interrupted, and asks nothing yet", async () => {
    const status = await system.sunny(["status", id]);
    assert.match(status.stderr, /interrupted +Prepare the release/);
    const early = await system.sunny(["resolve", id, "--as", "done", "--reason", "I think so"]);
    assert.equal(early.status, 1);
    assert.match(early.stderr, /NOT_HELD.*\n.*\n.*sunny resume/);
  });

  it("is taken up by two timers at once, and then by one, which tell that a person must decide", async () => {
    const timers = await Promise.all([system.sunny(["resume", "--all"]), system.sunny(["resume", "--all"])]);
    const [first, beside] = timers.toSorted((a, b) => Number(b.status) - Number(a.status));
    assert.ok(first !== undefined && beside !== undefined);
    // One that comes a moment later finds it asked about already, or carried out by the other.
    assert.deepEqual([beside.status, beside.summary["taken"]], [0, 0], beside.stderr);
    assert.match(beside.stderr, /is carried out by another process|is held at/);
    const second = await system.sunny(["resume", "--all"]);
    for (const one of [first, second]) {
      assertEventLines(one);
      assert.match(one.stderr, /is held at preparation\/prepare-the-release\/run/);
      assert.match(one.stderr, /intended: .*tasks\.sh/);
      assert.match(one.stderr, /--as done\|retry\|skip\|rollback/);
      assert.deepEqual(one.summary["waiting"], [id]);
    }
    assert.deepEqual([first.status, first.summary["taken"]], [4, 1]);
    assert.deepEqual([second.status, second.summary["taken"]], [0, 0]);
    const list = await system.sunny(["status"]);
    assert.match(list.stderr, /held\n +waits for a decision on preparation\/prepare-the-release\/run: .*tasks\.sh/);
  });

  it("takes no answer to another step, none that is not offered, and none without a reason", async () => {
    const answers = [
      [1, /NOT_HELD/, "--step", "elsewhere", "--as", "done", "--reason", "looked"],
      [2, /Choose one of: done, retry, skip, rollback/, "--step", STEP, "--as", "promote", "--reason", "looked"],
      [2, /The reason is empty/, "--step", STEP, "--as", "done", "--reason", " "],
    ] as const;
    for (const [status, said, ...args] of answers) {
      const refused = await system.sunny(["resolve", id, ...args]);
      assertEventLines(refused);
      assert.equal(refused.status, status, refused.stderr);
      assert.match(refused.stderr, said);
    }
  });

  it("of two people who answer at once takes the first, and tells the second so", async () => {
    const people = ["dba", "cto"] as const;
    const ends = await Promise.all(
      people.map((as) =>
        system.sunny(["resolve", id, "--step", STEP, "--as", "rollback", "--reason", `says ${as}`], { as }),
      ),
    );
    const told = ends.map(({ status, stderr }) => `${status}\n${stderr}`).join("\n");
    assert.deepEqual(ends.map(({ status }) => status).toSorted(), [1, 3], told);
    const second = ends.find(({ status }) => status === 1);
    assert.match(second?.stderr ?? "", /ALREADY_ANSWERED .* has answered it with "rollback"|NOT_HELD/);
    const winner = people[ends.findIndex(({ status }) => status === 3)];
    const { events } = await system.sunny(["audit", "list", "--deployment", id]);
    const answers = events
      .filter(({ event }) => event === "entry")
      .map(entryOf)
      .filter(({ action }) => action === "run.resolve-requested");
    assert.equal(answers.length, 1, "an answer that does not count is not recorded as one");
    assert.deepEqual(answers[0]?.["actor"], { kind: "person", name: winner });
    assert.match(JSON.stringify(answers[0]?.["detail"]), new RegExp(`"as":"rollback".*says ${winner}`));
  });

  it("takes no second answer once it has ended, and nothing is left for a timer", async () => {
    const again = await system.sunny(["resolve", id, "--step", STEP, "--as", "done", "--reason", "after all"]);
    assert.equal(again.status, 1);
    assert.match(again.stderr, /NOT_HELD/);
    const left = await system.sunny(["resume", "--all"]);
    assert.deepEqual([left.status, left.summary["taken"], left.summary["waiting"]], [0, 0, []]);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
  });
});
