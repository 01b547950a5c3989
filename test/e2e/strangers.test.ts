import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { assertEventLines, type Ended } from "../support/e2e/sunny.ts";

/** Says what no log may keep, a key in pieces included, and shows that it has no input and its arguments whole. */
const TELL = `printf '[%s]' "$@"; echo; cat; echo "input ended"
echo "card 4111 1111 1111 1111"
echo "password=correct-horse"
echo "-----BEGIN PRIVATE KEY-----"; sleep 0.2; echo "MIIEvQIBADANBg"; echo "-----END PRIVATE KEY-----"
`;

function assertStatus(ended: Ended, status: number): void {
  assertEventLines(ended);
  assert.equal(ended.status, status, `${ended.stdout}\n${ended.stderr}`);
}

describe("a runbook of another team, with scripts of its own", () => {
  let system: DemoSystem;
  let script: string;

  before(async () => {
    system = await startDemoSystem({
      releases: [{ variant: "good", version: "2.1.0" }],
      runbook: "strange.md",
      config: (config) => ({ ...config, approvals: [{ role: "CTO" }] }),
    });
    mkdirSync(path.join(system.directory, "tools"));
    script = path.join(system.directory, "tools", "tell.sh");
    // Not executable, and without a first line: the runbook names the interpreter.
    writeFileSync(script, TELL, { mode: 0o644 });
  });
  after(() => system.stop());

  /** Attests and approves a plan file. */
  async function permit(plan: string): Promise<void> {
    const { operator, cto } = system.environment.people;
    assertStatus(await system.sunny(["attest", plan, "--all", "--note", "open", "--key", operator.privateKeyFile]), 0);
    assertStatus(await system.sunny(["approve", plan, "--key", cto.privateKeyFile], { as: "cto" }), 0);
  }

  it("is planned with its boxes as gates, its commands in its own words, and its limits", async () => {
    const planned = await system.sunny(["plan", "--release", "2.1.0"]);
    assertStatus(planned, 0);
    for (const expected of [
      /The change ticket is open {2}\[attested by/,
      /`bash \.\/tools\/tell\.sh 'a b' "<version>"`, your own script \(changes unknown; no way back; ended after 20 s\)/,
      /migrate --env production/,
      /More than 2 % of requests fail/,
    ]) {
      assert.match(planned.stderr, expected);
    }
  });

  it("a script that is edited while its plan waits is not started, and nothing was touched", async () => {
    const plan = path.join(system.directory, "first.json");
    assertStatus(await system.sunny(["plan", "--release", "2.1.0", "--out", plan]), 0);
    const running = system.start(["deploy", "--plan", plan]);
    await running.event(({ event }) => event === "waiting");
    appendFileSync(script, "echo 'not approved'\n");
    await permit(plan);
    const ended = await running.ended;
    writeFileSync(script, TELL);
    assert.match(ended.stderr, /tell\.sh is not the script that was planned, so it was not started/);
    assert.doesNotMatch(ended.stdout, /not approved/);
    assert.ok(ended.status === 1 || ended.status === 3, `status ${ended.status}`);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
  });

  it("an approval in a role that nobody asks for is refused", async () => {
    const plan = path.join(system.directory, "second.json");
    assertStatus(await system.sunny(["plan", "--release", "2.1.0", "--out", plan]), 0);
    const { privateKeyFile } = system.environment.database.keys;
    const refused = await system.sunny(["approve", plan, "--key", privateKeyFile], { as: "dba" });
    assertStatus(refused, 1);
    assert.match(refused.stderr, /The word of DBA on this plan does not count: asked is CTO/);
  });

  it("is carried out, and its output keeps no secret", async () => {
    const plan = path.join(system.directory, "third.json");
    assertStatus(await system.sunny(["plan", "--release", "2.1.0", "--out", plan]), 0);
    await permit(plan);
    const deployed = await system.sunny(["deploy", "--plan", plan]);
    assertStatus(deployed, 0);
    assert.deepEqual(await system.versions(), ["2.1.0", "2.1.0"]);
    const logs = await system.sunny(["logs", String(deployed.summary["deployment"])]);
    assertStatus(logs, 0);
    const said = `${deployed.stdout}\n${deployed.stderr}\n${logs.stdout}\n${logs.stderr}`;
    assert.match(said, /\[a b\]\[2\.1\.0\]/);
    assert.match(said, /input ended/);
    assert.match(said, /card \[card number\]/);
    assert.match(said, /password=\[secret\]/);
    assert.match(said, /\[private key\]/);
    assert.doesNotMatch(said, /4111|correct-horse|MIIEvQ/);
  });

  it("an operator procedure takes its parameters after its name, and refuses a service that is not there", async () => {
    const wrong = await system.sunny(["run", "customers wait", "--param", "service-name=billing"]);
    assertStatus(wrong, 1);
    assert.match(wrong.stderr, /there is no service billing; known is: payments/);
    const right = await system.sunny(["run", "customers wait", "--param", "service-name=payments", "--reason", "slow"]);
    assertStatus(right, 0);
    assert.equal(right.summary["outcome"], "succeeded");
  });

  it("a gradual rollback of one host leaves the schema that the others need", async () => {
    const nowhere = await system.sunny(["rollback", "--gradual", "--hosts", "web-9"]);
    assertStatus(nowhere, 2);
    assert.match(nowhere.stderr, /there is no host web-9; known are: web-1, web-2/);
    assertStatus(await system.sunny(["rollback", "--gradual", "--hosts", "web-2"]), 0);
    assert.deepEqual(await system.versions(), ["2.1.0", "2.0.0"]);
    assertStatus(await system.sunny(["rollback"]), 0);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
    const { lost, doubled } = system.reconcile();
    assert.deepEqual([lost, doubled], [0, 0]);
  });
});
