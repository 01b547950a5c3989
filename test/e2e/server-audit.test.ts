/** The hosts keep the newest checkpoint of the audit log: whoever puts everything back to an older state is found there. */
import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { Ended } from "../support/e2e/sunny.ts";
import { without } from "../support/programs.ts";
import { powerOff, powerOn } from "../support/remote/power.ts";
import { type RemoteSystem, startRemoteSystem } from "../support/remote/remote-system.ts";

describe("checkpoints on servers", { skip: without("sshd", "ssh", "ssh-keygen", "haproxy") }, () => {
  let system: RemoteSystem;

  before(async () => {
    system = await startRemoteSystem({
      releases: [{ variant: "baseline", version: "2.0.1" }],
      runbook: "servers.md",
    });
  });
  after(() => system.stop());

  const places = (): string[] => ["state", "checkpoints"].map((name) => path.join(system.directory, name));
  const kept = (host: string): string => path.join(system.host(host).root, ".sunny", "checkpoint");
  const sizeOf = (file: string): number => Number(readFileSync(file, "utf8").split("\n")[1]);
  const verify = (...more: string[]): Promise<Ended> => system.sunny(["audit", "verify", ...more]);
  async function deploy(release: string): Promise<Ended> {
    const ended = await system.sunny(["deploy", "--release", release, "--reason", "checkpoints"]);
    assert.equal(ended.status, 0, `${ended.stdout}\n${ended.stderr}`);
    return ended;
  }

  it("is said of them that they keep none, before the first deployment", async () => {
    await system.sunny(["run", "verify-production-readiness"]);
    const ended = await verify("--hosts");
    assert.equal(ended.status, 1, ended.stderr);
    assert.match(ended.stderr, /HOST_COPY_MISSING {2}No host gave a checkpoint/);
    assert.match(ended.stderr, /web-1 keeps no checkpoint yet/);
  });

  it("come with a deployment, already from its first host on, and cover all of it at its end", async () => {
    const running = system.start(["deploy", "--release", "2.0.1", "--reason", "checkpoints"]);
    await running.event((event) => event["host"] === "web-2" && event["state"] === "draining");
    const during = sizeOf(kept("web-1"));
    assert.ok(during > 0);
    const ended = await running.ended;
    assert.equal(ended.status, 0, ended.stderr);
    const log = path.join(system.directory, "state", "audit", "checkpoint");
    assert.ok(sizeOf(log) > during);
    for (const host of ["web-1", "web-2"]) assert.deepEqual(readFileSync(kept(host)), readFileSync(log));
    const verified = await verify("--hosts");
    assert.equal(verified.status, 0, verified.stderr);
  });

  it("show that log and second copy were put back to an older state together", async () => {
    for (const place of places()) cpSync(place, `${place}.before`, { recursive: true });
    await deploy("2.0.0");
    for (const place of places()) {
      cpSync(place, `${place}.newest`, { recursive: true });
      rmSync(place, { recursive: true });
      cpSync(`${place}.before`, place, { recursive: true });
    }
    const alone = await verify();
    assert.equal(alone.status, 0, "neither the log nor its second copy shows it");
    const ended = await verify("--hosts");
    assert.equal(ended.status, 1, ended.stderr);
    for (const host of ["web-1", "web-2"]) {
      assert.match(
        ended.stderr,
        new RegExp(
          `ROLLED_BACK {2}The log holds \\d+ actions, the checkpoint on ${host} knows of \\d+: it was put back`,
        ),
      );
    }
  });

  it("are not replaced by those of an older log", async () => {
    const before = readFileSync(kept("web-1"));
    const ended = await system.sunny(["rollback", "--version", "2.0.1"]);
    assert.notEqual(ended.status, null);
    assert.deepEqual(readFileSync(kept("web-1")), before);
    for (const place of places()) {
      rmSync(place, { recursive: true });
      cpSync(`${place}.newest`, place, { recursive: true });
    }
  });

  it("that were altered are not believed, and a host that cannot be asked is named", async (t) => {
    const before = readFileSync(kept("web-1"), "utf8");
    t.after(() => writeFileSync(kept("web-1"), before));
    writeFileSync(
      kept("web-1"),
      before.replace(/^\d+$/m, (size) => String(Number(size) - 1)),
    );
    await powerOff(system.host("web-2"));
    t.after(() => powerOn(system.host("web-2")));
    const ended = await verify("--hosts");
    assert.equal(ended.status, 1, ended.stderr);
    assert.match(ended.stderr, /HOST_COPY_INVALID {2}The checkpoint on web-1 cannot be believed/);
    assert.match(ended.stderr, /web-2: .*(refused|cannot connect)/);
  });
});
