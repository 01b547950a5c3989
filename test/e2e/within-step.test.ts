import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { type Event, ROOT } from "../support/e2e/sunny.ts";

const SUNNY = path.join(ROOT, "bin/sunny");
const MIGRATE = path.join(ROOT, "scripts/migrate.js");

describe("a script of the team's own that calls operations", () => {
  let system: DemoSystem;

  before(async () => {
    system = await startDemoSystem({
      releases: [
        { variant: "good", version: "2.1.0" },
        { variant: "good", version: "2.1.1" },
      ],
      runbook: "tasks.md",
    });
    mkdirSync(path.join(system.directory, "scripts"));
    script("look.sh", "true");
  });
  after(() => system.stop());

  function script(name: string, text: string): void {
    const file = path.join(system.directory, "scripts", name);
    writeFileSync(file, `#!/bin/sh\nset -eu\n${text}\n`);
    chmodSync(file, 0o755);
  }

  function declare(changes: readonly "certificates"[] | null): void {
    const commands = changes === null ? {} : { "./scripts/tasks.sh": { changes: [...changes] } };
    system.changeConfig((config) => ({ ...config, commands }));
  }

  const referenceColumns = (): number => {
    const db = new DatabaseSync(system.environment.database.file, { readOnly: true, timeout: 5_000 });
    try {
      const columns = "SELECT count(*) AS n FROM pragma_table_info('payments') WHERE name = 'reference'";
      return Number(db.prepare(columns).get()?.["n"]);
    } finally {
      db.close();
    }
  };

  const nestedOf = (status: { readonly summary: Event }): readonly Event[] => status.summary["nested"] as Event[];

  async function logs(id: string): Promise<string> {
    return (await system.sunny(["logs", id])).stdout;
  }

  it("is refused what its step was not declared to change, naming both, and the deployment goes back", async () => {
    declare(["certificates"]);
    script("tasks.sh", `${SUNNY} run verify-ssl\n${MIGRATE} --env production`);
    const ended = await system.sunny(["deploy", "--release", "2.1.0"]);
    assert.equal(ended.status, 3, ended.stdout);
    const id = String(ended.summary["deployment"]);
    const said = await logs(id);
    assert.match(said, /SCOPE_EXCEEDED {2}migrate changes database, and the step \\"Prepare the release\\" of d-\w+/);
    assert.match(said, /declared to change only: certificates/);
    const status = await system.sunny(["status", id]);
    assert.deepEqual(
      nestedOf(status).map((one) => [one["kind"], one["outcome"]]),
      [["run", "succeeded"]],
    );
    declare(null);
  });

  it("has what it changed taken back with the deployment, also where the runbook does not mention it", async () => {
    script("tasks.sh", `${MIGRATE} --env production`);
    script("look.sh", `echo "the dashboard is dark" >&2; exit 1`);
    const ended = await system.sunny(["deploy", "--release", "2.1.0"]);
    script("look.sh", "true");
    assert.equal(ended.status, 3, ended.stdout);
    assert.match(String(ended.summary["reason"]), /the dashboard is dark/);
    const id = String(ended.summary["deployment"]);
    const status = await system.sunny(["status", id]);
    const [nested] = nestedOf(status);
    assert.equal(nested?.["outcome"], "succeeded", "the migration was there before the way back");
    const { done } = status.summary["progress"] as { done: readonly string[] };
    assert.ok(done.includes(`nested/${String(nested?.["deployment"])}/migrate`), JSON.stringify(done));
    assert.equal(referenceColumns(), 0);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
  });

  it("is ended with a deployment that is killed, whose rollback then takes back what it had changed", async () => {
    script("tasks.sh", `${MIGRATE} --env production\necho "the migration is there"\nsleep 300`);
    const running = system.start(["deploy", "--release", "2.1.0"]);
    await running.event((event) => String(event["text"]).startsWith("the migration is there"));
    const { deployment } = await running.event((event) => event["event"] === "deployment");
    const id = String(deployment);
    assert.equal(referenceColumns(), 1);
    running.child.kill("SIGKILL");
    await running.ended;
    const resumed = await system.sunny(["resume", id]);
    assert.equal(resumed.status, 4, `what became of the script is not known: ${resumed.stdout}${resumed.stderr}`);
    const step = String((resumed.summary["question"] as Event)["step"]);
    const answered = await system.sunny(["resolve", id, "--step", step, "--as", "rollback", "--reason", "try again"]);
    assert.ok([0, 3].includes(answered.status ?? -1), answered.stdout + answered.stderr);
    const status = await system.sunny(["status", id]);
    assert.equal(status.summary["outcome"], "rolled-back", status.stdout);
    assert.equal(referenceColumns(), 0);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
  });

  it("runs them as part of the deployment that has the environment", async () => {
    const stolen = path.join(system.directory, "stolen");
    script(
      "tasks.sh",
      `cat "/dev/fd/$SUNNY_SCOPE_FD" > ${stolen}\n${MIGRATE} --env production\n${SUNNY} run verify-ssl`,
    );
    const ended = await system.sunny(["deploy", "--release", "2.1.0"]);
    const id = String(ended.summary["deployment"]);
    assert.equal(ended.status, 0, `${ended.stdout}${await logs(id)}`);
    assert.deepEqual(await system.versions(), ["2.1.0", "2.1.0"]);
    assert.equal(referenceColumns(), 1);
    const status = await system.sunny(["status", id]);
    assert.deepEqual(
      nestedOf(status).map((one) => [one["outcome"], one["actor"], (one["within"] as Event)["run"]]),
      [
        ["succeeded", "operator", id],
        ["succeeded", "operator", id],
      ],
    );
    const verified = await system.sunny(["audit", "verify"]);
    assert.equal(verified.status, 0, verified.stdout);

    // What it was handed is worth nothing afterwards.
    assert.ok(existsSync(stolen));
    assert.match(readFileSync(stolen, "utf8"), new RegExp(`^sunny-scope ${id} `));
    const fd = openSync(stolen, "r");
    const late = spawnSync(SUNNY, ["run", "restart-service", "--", "payments"], {
      cwd: system.directory,
      env: { ...process.env, SUNNY_CONFIG: system.configFile, SUNNY_SCOPE_FD: "3" },
      stdio: ["ignore", "pipe", "pipe", fd],
      encoding: "utf8",
    });
    closeSync(fd);
    assert.equal(late.status, 1, late.stdout);
    assert.match(late.stderr, /SCOPE_ENDED {2}The step that started this command is over/);
  });

  it("is refused without its descriptor, like anybody else while a deployment has the environment", async () => {
    script("tasks.sh", `exec 4<&-\n${MIGRATE} --env production`);
    const ended = await system.sunny(["deploy", "--release", "2.1.1"]);
    assert.equal(ended.status, 3, ended.stdout);
    const said = await logs(String(ended.summary["deployment"]));
    assert.match(said, /ENVIRONMENT_OCCUPIED {2}Nothing else may change production: d-\w+ occupies it/);
    assert.match(said, /a program in between has closed it/);
  });
});
