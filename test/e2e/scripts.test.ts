import assert from "node:assert/strict";
import { copyFileSync, cpSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, it } from "node:test";
import { createCertificates } from "../../examples/payments/demo/certificates.ts";
import { API_HOST } from "../../examples/payments/demo/environment.ts";
import { systemClock } from "../../src/clock.ts";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { type Ended, ROOT, type Running, start } from "../support/e2e/sunny.ts";

const DAY_MS = 86_400_000;

describe("the scripts of the runbook, by hand", () => {
  let system: DemoSystem;

  before(async () => {
    system = await startDemoSystem({
      releases: [
        { variant: "good", version: "2.1.0" },
        { variant: "leaking", version: "2.5.0" },
      ],
      runbook: "guarded.md",
    });
  });
  after(() => system.stop());

  const env = (): Record<string, string> => ({ SUNNY_CONFIG: system.configFile, SUNNY_ACTOR: "operator" });

  /** Calls a script as an operator does. */
  function script(name: string, ...args: string[]): Running {
    return start(path.join(ROOT, "scripts", name), args, { env: env() });
  }

  async function assertFine(name: string, ...args: string[]): Promise<void> {
    const ended = await script(name, ...args).ended;
    assert.equal(ended.status, 0, `${name}: ${ended.stdout}${ended.stderr}`);
  }

  async function assertFound(found: RegExp, name: string, ...args: string[]): Promise<Ended> {
    const ended = await script(name, ...args).ended;
    assert.equal(ended.status, 1, `${name}: ${ended.stdout}${ended.stderr}`);
    assert.match(ended.stdout, found);
    return ended;
  }

  it("a backup that was truncated is no backup", async () => {
    await assertFound(/backup: there is none; run `sunny run backup-databases`/, "verify-production-readiness.sh");
    await assertFine("backup-databases.sh");
    await assertFine("verify-production-readiness.sh");
    const { backupDir } = system.environment.database;
    const file = path.join(backupDir, readdirSync(backupDir).find((name) => name.endsWith(".pgp")) ?? assert.fail());
    const whole = `${file}.whole`;
    copyFileSync(file, whole);
    truncateSync(file, readFileSync(file).length - 100);
    await assertFound(/backup: the file .* is truncated/, "verify-production-readiness.sh");
    copyFileSync(whole, file);
    rmSync(whole);
  });

  it("an expired certificate is named with its file and day", async () => {
    const tls = path.dirname(system.environment.certificates.certFile);
    const kept = path.join(system.directory, "tls-kept");
    cpSync(tls, kept, { recursive: true });
    await createCertificates(tls, { hosts: [API_HOST], now: systemClock.now() - 400 * DAY_MS });
    await assertFound(/certificate api: expired on \d{4}-\d\d-\d\d \(.*api\.pem\)/, "verify-ssl.sh");
    cpSync(kept, tls, { recursive: true, force: true });
    await assertFine("verify-ssl.sh");
    await assertFine("renew-ssl.sh");
    await assertFine("verify-ssl.sh");
  });

  it("a missing index is named", async () => {
    const db = new DatabaseSync(system.environment.database.file, { timeout: 5_000 });
    const { sql } = db.prepare("SELECT sql FROM sqlite_master WHERE name = 'payments_by_created_at'").get() as {
      sql: string;
    };
    db.exec("DROP INDEX payments_by_created_at");
    await assertFound(/index payments_by_created_at: is missing/, "verify-migrations.sh");
    db.exec(sql);
    db.close();
    await assertFine("verify-migrations.sh");
    await assertFine("check-db-connection.sh");
  });

  it("a scrape that stopped is named with its host", async () => {
    const [, host] = system.environment.hosts;
    const record = readFileSync(path.join(host?.root ?? "", ".sunny", "service.pid"), "utf8");
    const pid = Number(record.split(" ")[0]);
    process.kill(pid, "SIGSTOP");
    try {
      await assertFound(/scrape of web-2: has stopped/, "verify-monitoring.sh");
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await assertFine("verify-monitoring.sh");
  });

  it("what looks only finds nothing wrong with a system that is well", async () => {
    for (const name of ["security-penetration-test.js", "verify-infrastructure.sh", "verify-rollback.sh"]) {
      await assertFine(name);
    }
    await assertFine("analyze-memory.sh");
    await assertFine("restart-service.sh", "payments");
    await assertFine("reset-db-connections.sh");
  });

  it("what is wrong in the arguments is told as it was written, with status 2, and occupies nothing", async () => {
    const wrong: readonly [RegExp, string, ...string[]][] = [
      [/there is no option --nope/, "verify-ssl.sh", "--nope"],
      [/--version lacks its value/, "rollback.sh", "--version"],
      [/--version is missing/, "rollback-db.sh"],
      [/there is no service <service-name>; known is: payments/, "restart-service.sh", "<service-name>"],
      [/there is no host web-9; known are: web-1, web-2/, "reset-db-connections.sh", "web-9"],
    ];
    for (const [told, name, ...args] of wrong) {
      const ended = await script(name, ...args).ended;
      assert.equal(ended.status, 2, `${name}: ${ended.stdout}${ended.stderr}`);
      assert.match(ended.stderr, told);
    }
    assert.equal((await system.sunny(["status"])).summary["occupant"], null);
  });

  it("a pool that cannot be reset is named with its host, and nothing stays occupied", async () => {
    const [, host] = system.environment.hosts;
    const admin = path.join(host?.root ?? "", "shared/run/admin.sock");
    renameSync(admin, `${admin}.away`);
    const ended = await script("reset-db-connections.sh").ended;
    renameSync(`${admin}.away`, admin);
    assert.equal(ended.status, 3, ended.stdout + ended.stderr);
    assert.match(ended.stdout, /The service on web-2 does not answer POST \/db\/reset/);
    assert.equal((await system.sunny(["status"])).summary["occupant"], null);
  });

  it("a look that somebody interrupts ends at once, and leaves nothing to resume", async () => {
    const running = system.start(["run", "monitor-deployment", "--", "--seconds", "600"]);
    const started = await running.event((event) => event["event"] === "step" && event["state"] === "running");
    running.child.kill("SIGINT");
    const ended = await running.ended;
    assert.equal(ended.status, 130, ended.stderr);
    assert.equal(ended.summary["outcome"], "refused");
    assert.match(String(ended.summary["reason"]), /interrupted at the terminal/);
    assert.ok(started);
  });

  it("scripts/deploy-production.js is no way around a gate: it waits for it, and interrupted it has changed nothing", async () => {
    const running = start(path.join(ROOT, "scripts", "deploy-production.js"), ["--version", "2.1.0"], {
      env: env(),
    });
    const id = await waiting();
    running.child.kill("SIGINT");
    const ended = await running.ended;
    assert.equal(ended.status, 130, ended.stdout + ended.stderr);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
    const aborted = await system.sunny(["abort", id]);
    assert.equal(aborted.summary["outcome"], "refused", aborted.stderr);
  });

  /** The deployment that waits for people. */
  async function waiting(): Promise<string> {
    for (let look = 0; look < 200; look++) {
      const { events } = await system.sunny(["status"]);
      const run = events.find((event) => event["event"] === "run" && event["outcome"] === null);
      if (run !== undefined) return String(run["deployment"]);
    }
    return assert.fail("nothing waits");
  }

  it("a service that leaks is named with its host", async () => {
    // Without thresholds nobody stops it.
    system.changeConfig((config) => ({
      ...config,
      runbook: path.join(ROOT, "test/support/e2e/runbooks/unwatched.md"),
      rollout: { ...config.rollout, canaryBakeMs: 0, finalBakeMs: 0 },
    }));
    const deployed = await system.sunny(["deploy", "--release", "2.5.0"]);
    assert.equal(deployed.status, 0, deployed.stderr);
    const found = await firstFailure("analyze-memory.sh");
    assert.match(found.stdout, /memory of web-[12]: /);
    const tooEarly = await script("rollback-db.sh", "--version", "2.0.0").ended;
    assert.equal(tooEarly.status, 1, tooEarly.stdout + tooEarly.stderr);
    assert.match(tooEarly.stdout, /Nothing was changed: web-1, web-2 serve 2\.5\.0, which works with /);
    await assertFine("rollback.sh", "--version", "2.0.0");
    await assertFine("rollback-db.sh", "--version", "2.0.0");
    await assertFine("verify-rollback.sh");
  });

  /** A leak shows after some requests. */
  async function firstFailure(name: string): Promise<Ended> {
    for (let look = 0; look < 60; look++) {
      const ended = await script(name).ended;
      if (ended.status !== 0) return ended;
    }
    return assert.fail(`${name} finds nothing`);
  }

  it("no payment was lost or doubled in all this", () => {
    const { lost, doubled } = system.reconcile();
    assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 0 });
  });
});
