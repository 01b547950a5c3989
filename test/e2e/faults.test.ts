import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
  openSync,
  closeSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { once } from "node:events";
import { createCertificates } from "../../examples/payments/demo/certificates.ts";
import { ensureProxy } from "../../src/adapters/proxy/lifecycle.ts";
import { systemClock } from "../../src/clock.ts";
import { SunnyError } from "../../src/errors.ts";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { assertEventLines, type Ended, type Event } from "../support/e2e/sunny.ts";

const isBake = (event: Event): boolean => event["event"] === "progress" && event["title"] === "Bake";

/** A file system of its own needs root. */
const noMount =
  process.getuid?.() !== 0
    ? "mounting a small disk needs root"
    : process.platform === "linux"
      ? false
      : "mounting a small disk is done as on Linux";

describe("a disk that is full under the journal", { skip: noMount }, () => {
  let disk: string;
  let system: DemoSystem;

  before(async () => {
    disk = mkdtempSync(path.join(tmpdir(), "sunny-disk-"));
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], { encoding: "utf8" });
    assert.equal(mounted.status, 0, mounted.stderr);
    system = await startDemoSystem({
      releases: [
        { variant: "good", version: "2.1.0" },
        { variant: "good", version: "2.1.1" },
      ],
      config: (config) => ({ ...config, stateDir: path.join(disk, "state") }),
    });
  });
  after(async () => {
    await system.stop();
    spawnSync("umount", [disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  const filler = (): string => path.join(disk, "filler");

  /** Takes every byte that is left. */
  function fill(): void {
    const file = openSync(filler(), "w");
    try {
      for (const size of [65_536, 4_096, 512, 1]) for (;;) writeSync(file, Buffer.alloc(size, 1));
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    } finally {
      closeSync(file);
    }
  }

  it("takes the deployment back with the room that was kept for it", async () => {
    const running = system.start(["deploy", "--release", "2.1.0"]);
    await running.event(isBake);
    fill();
    const ended = await running.ended;
    const told = `${ended.stdout}\n${ended.stderr}`;
    assertEventLines(ended);
    assert.equal(ended.summary["outcome"], "rolled-back", told);
    assert.match(String(ended.summary["reason"]), /no space is left under the journal/);
    assert.equal(ended.status, 3, told);
    assert.deepEqual(await system.versions(), ["2.0.0", "2.0.0"]);
    rmSync(filler());
  });

  it("refuses a new deployment before it begins", async () => {
    fill();
    const refused = await system.sunny(["deploy", "--release", "2.1.0"]);
    assertEventLines(refused);
    assert.equal(refused.status, 1, refused.stdout);
    assert.match(refused.stderr, /DISK_FULL {2}Cannot write the journal: no space is left/);
    assert.match(refused.stderr, /Free some space/);
    rmSync(filler());
    const status = await system.sunny(["status"]);
    assert.equal(status.status, 0, status.stderr);
    assert.equal(status.summary["runs"], 1, "the deployment that was refused is no run");
  });

  it("stops the deployment where it is when even that room is gone; it goes on once there is space", async () => {
    const running = system.start(["deploy", "--release", "2.1.0"]);
    const { deployment } = await running.event(isBake);
    rmSync(path.join(disk, "state", "journal.db.reserve"));
    fill();
    const stopped = await running.ended;
    const told = `${stopped.stdout}\n${stopped.stderr}`;
    assertEventLines(stopped);
    assert.match(stopped.stderr, /(DISK_FULL|AUDIT_UNWRITABLE) {2}.*no space (is )?left/, told);
    assert.match(stopped.stderr, new RegExp(`sunny resume ${deployment}`), told);
    assert.equal(stopped.status, 4, told);
    rmSync(filler());
    const resumed = await system.sunny(["resume", String(deployment)]);
    assert.equal(resumed.summary["outcome"], "succeeded", `${resumed.stdout}\n${resumed.stderr}`);
    assert.deepEqual(await system.versions(), ["2.1.0", "2.1.0"]);
  });

  it("loses neither payments nor a line of the record", async () => {
    const { lost, doubled } = system.reconcile();
    assert.deepEqual({ lost, doubled }, { lost: 0, doubled: 0 });
    const verified = await system.sunny(["audit", "verify"]);
    assert.equal(verified.status, 0, verified.stderr);
  });
});

describe("a record with one bit that is not as it was written", () => {
  let system: DemoSystem;

  before(async () => {
    system = await startDemoSystem({ releases: [{ variant: "good", version: "2.1.0" }] });
    const deployed = await system.sunny(["deploy", "--release", "2.1.0"]);
    assert.equal(deployed.status, 0, deployed.stderr);
    const verified = await system.sunny(["audit", "verify"]);
    assert.equal(verified.status, 0, verified.stderr);
  });
  after(() => system.stop());

  async function verifyFlipped(file: string, at: number): Promise<Ended> {
    const before = readFileSync(file);
    const changed = Buffer.from(before);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    writeFileSync(file, changed);
    try {
      return await system.sunny(["audit", "verify"]);
    } finally {
      writeFileSync(file, before);
    }
  }

  it("is refused by sunny audit verify, whichever file of the log it is in", async () => {
    const below = (folder: string): string[] =>
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name));
    const files = below(path.join(system.stateDir, "audit"));
    assert.ok(
      files.some((file) => file.includes(`tile${path.sep}entries`)),
      "entries are among them",
    );
    assert.ok(files.some((file) => file.endsWith("checkpoint")));
    for (const file of files) {
      const ended = await verifyFlipped(file, Math.floor(statSync(file).size / 2));
      assert.equal(ended.status, 1, `${file}: ${ended.stderr}`);
      assertEventLines(ended);
    }
  });

  it("is refused in the journal, and the row is named", async () => {
    const file = path.join(system.stateDir, "journal.db");
    const db = new DatabaseSync(file, { readOnly: true });
    const row = db.prepare("SELECT data FROM rows WHERE type = 'outcome' AND name LIKE '%/health/%'").get();
    db.close();
    const place = readFileSync(file).indexOf(String(row?.["data"])) + 10;
    assert.ok(place > 10, "the row is in the file");
    const ended = await verifyFlipped(file, place);
    assert.equal(ended.status, 1, ended.stderr);
    assert.match(ended.stderr, /(JOURNAL|ROW)_ALTERED|DATABASE_DAMAGED/);
  });

  it("is none of all this once everything is as it was", async () => {
    const verified = await system.sunny(["audit", "verify"]);
    assert.equal(verified.status, 0, verified.stderr);
  });
});

describe("a port that is taken", () => {
  it("ends the start of the proxy with the port's number and what to do", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "sunny-port-"));
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const certificates = await createCertificates(folder, { hosts: ["api.sunnypayments.com"], now: systemClock.now() });
    try {
      await assert.rejects(
        ensureProxy(
          {
            listen: { address: "127.0.0.1", port },
            certFile: certificates.certFile,
            keyFile: certificates.keyFile,
            socket: path.join(folder, "proxy.sock"),
            stateFile: path.join(folder, "proxy-state.json"),
            logFile: path.join(folder, "proxy.log"),
            servers: [{ name: "web-1", port: 1 }],
            health: { path: "/health", intervalMs: 1_000, timeoutMs: 1_000, rise: 1, fall: 1 },
          },
          systemClock,
        ),
        (error) => error instanceof SunnyError && error.message.includes(String(port)) && error.hint !== undefined,
      );
    } finally {
      other.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
