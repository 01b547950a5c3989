/** Connections to servers are left to the next command, as the configuration says. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { without } from "../support/programs.ts";
import { type RemoteSystem, startRemoteSystem } from "../support/remote/remote-system.ts";

describe("connections to servers", { skip: without("sshd", "ssh", "ssh-keygen", "haproxy") }, () => {
  let system: RemoteSystem;

  before(async () => {
    system = await startRemoteSystem({
      releases: [{ variant: "baseline", version: "2.0.1" }],
      runbook: "servers.md",
    });
  });
  after(() => system.stop());

  /** How often somebody was let in, by host. */
  const logins = (): number[] =>
    system.hosts.map(({ sshd }) => sshd.log().match(/^Accepted publickey for /gm)?.length ?? 0);
  /** What a command adds to that. */
  const loginsOf = async (...args: string[]): Promise<number[]> => {
    const before = logins();
    const ended = await system.sunny(args);
    assert.equal(ended.status, 0, `${ended.stdout}\n${ended.stderr}`);
    return logins().map((count, at) => count - (before[at] ?? 0));
  };
  const plan = (): Promise<number[]> => loginsOf("plan", "--release", "2.0.1");

  it("are made by the first command, used by the next ones, and made anew where that is what is looked at", async () => {
    assert.deepEqual(await plan(), [1, 1]);
    assert.deepEqual(await plan(), [0, 0]);
    assert.deepEqual(await loginsOf("doctor"), [1, 1]);
    assert.deepEqual(await plan(), [0, 0]);
  });

  it("do not outlive a command that is to keep none", async () => {
    system.changeConfig((config) => ({ ...config, ssh: { controlPersistMs: 0 } }));
    assert.deepEqual(await plan(), [1, 1]);
    assert.deepEqual(await plan(), [1, 1]);
  });
});
