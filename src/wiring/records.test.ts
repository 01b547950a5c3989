import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { test, type TestContext } from "node:test";
import { systemClock } from "../clock.ts";
import { testSystem } from "../plan/testing.ts";
import type { System } from "../system/schema.ts";
import { openRecords } from "./records.ts";

function place(t: TestContext): System {
  const root = mkdtempSync(path.join(tmpdir(), "sunny-records-"));
  t.after(() => {
    chmodSync(root, 0o700);
    rmSync(root, { recursive: true, force: true });
  });
  return testSystem({ stateDir: path.join(root, "state"), checkpointCopyDir: path.join(root, "copy") });
}

function started(system: System, id: string): void {
  const records = openRecords(system, systemClock);
  const row = { type: "started", op: null, kind: null, name: null, attempt: 0, actor: "operator" } as const;
  records.journal.transaction((tx) => tx.append({ ...row, run: id, data: null }));
  records.close();
}

const mode = (file: string): number => statSync(file).mode & 0o777;

test("the first opening makes journal, log and keys, and nobody else can read what is private", async (t) => {
  const system = place(t);
  const records = openRecords(system, systemClock);
  const { journal, signer, verifier } = records.places;
  assert.deepEqual([mode(system.stateDir), mode(journal)], [0o700, 0o600]);
  assert.deepEqual([mode(path.dirname(signer)), mode(signer)], [0o700, 0o600]);
  assert.match(readFileSync(verifier, "utf8"), /^sunny\/payments\/production\+/);
  assert.deepEqual([...records.leaves()], []);
  records.close();
});

test("a later opening finds the same authority, key and log", (t) => {
  const system = place(t);
  const first = openRecords(system, systemClock);
  const { authority } = first.journal;
  const key = readFileSync(first.places.signer, "utf8");
  first.close();
  started(system, "d-1");
  started(system, "d-2");
  const records = openRecords(system, systemClock);
  assert.equal(records.journal.authority, authority);
  assert.equal(readFileSync(records.places.signer, "utf8"), key);
  assert.deepEqual(
    [...records.leaves()].map((leaf) => [leaf.action, leaf.resource?.deployment]),
    [
      ["run.started", "d-1"],
      ["run.started", "d-2"],
    ],
  );
  records.close();
});

test("a log whose key is gone is not continued with another one", async (t) => {
  const system = place(t);
  const records = openRecords(system, systemClock);
  const row = { type: "started", op: null, kind: null, name: null, attempt: 0, actor: "operator" } as const;
  records.journal.transaction((tx) => tx.append({ ...row, run: "d-1", data: null }));
  await records.journal.flush();
  const { signer } = records.places;
  records.close();
  rmSync(signer);
  assert.throws(() => openRecords(system, systemClock), {
    code: "AUDIT_KEY_MISSING",
    place: { file: signer },
    hint: /Restore it from a backup/,
  });
  assert.equal(existsSync(signer), false, "no key was made in its place");
});

test("processes that open an environment for the first time at once agree about its key", async (t) => {
  const system = place(t);
  const program = `
    import { openRecords } from ${JSON.stringify(path.join(import.meta.dirname, "records.ts"))};
    import { systemClock } from ${JSON.stringify(path.join(import.meta.dirname, "../clock.ts"))};
    console.log("ready");
    process.stdin.once("data", () => {
      const records = openRecords(${JSON.stringify(system)}, systemClock);
      const row = { type: "started", op: null, kind: null, name: null, attempt: 0, actor: "operator" };
      records.journal.transaction((tx) => tx.append({ ...row, run: "d-" + process.pid, data: null }));
      records.close();
      process.exit(0);
    });`;
  const openers = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["pipe", "pipe", "inherit"] }),
  );
  await Promise.all(openers.map((one) => once(one.stdout, "data")));
  for (const one of openers) one.stdin.end("go");
  const statuses = await Promise.all(openers.map(async (one) => ((await once(one, "close")) as [number])[0]));
  assert.deepEqual(statuses, [0, 0, 0]);
  const records = openRecords(system, systemClock);
  assert.equal([...records.leaves()].length, 3);
  await records.journal.flush();
  records.close();
});

test("room that is kept is given back once", (t) => {
  const records = openRecords(place(t), systemClock);
  assert.equal(records.releaseRoom(), false);
  records.keepRoom();
  records.keepRoom();
  assert.equal(records.releaseRoom(), true);
  assert.equal(records.releaseRoom(), false);
  records.close();
});
