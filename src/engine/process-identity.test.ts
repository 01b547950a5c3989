import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";

import { identityOf, isAlive, liveness, ownIdentity } from "./process-identity.ts";

void describe("process identity", () => {
  void it("knows that this process lives", () => {
    assert.equal(isAlive(ownIdentity()), true);
    assert.deepEqual(identityOf(process.pid), ownIdentity());
  });

  void it("knows that a process ended", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
    await once(child, "spawn");
    const identity = identityOf(child.pid!)!;
    assert.equal(liveness(identity), "alive");
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal(liveness(identity), "dead");
  });

  void it("takes a later process with the same pid for another one", () => {
    assert.equal(liveness({ ...ownIdentity(), startTime: "1" }), "dead");
  });

  void it("cannot tell of another boot", () => {
    assert.equal(liveness({ ...ownIdentity(), boot: "another" }), "unknown");
  });
});
