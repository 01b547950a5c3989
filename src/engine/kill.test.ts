import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { systemClock } from "../clock.ts";
import { createEngine } from "./engine.ts";
import { openJournal } from "./open-journal.ts";
import { killedWorkflow } from "./testing/kill-child.ts";

const CHILD = fileURLToPath(new URL("testing/kill-child.ts", import.meta.url));
const EXPECTED = {
  a: "a",
  both: [
    { ok: true, value: "b" },
    { ok: true, value: "c" },
  ],
  d: "d",
};

void describe("kill -9 of a process on a real file", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "sunny-kill-"));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const child = (name: string, phase: string, at: number) => {
    const path = join(directory, name, "journal.db");
    const effects = join(directory, `${name}.effects`);
    const { signal, stdout, stderr } = spawnSync(process.execPath, [CHILD, path, effects, phase, String(at)], {
      encoding: "utf8",
      timeout: 20_000,
    });
    return { path, effects, signal, stdout, stderr };
  };

  void it("at every commit, just before and just after it: the next process reaches the same end", async () => {
    const { stdout, stderr } = child("whole", "never", 0);
    const commits = Number(stdout);
    assert.ok(commits >= 7, stderr);
    for (let at = 1; at <= commits; at++) {
      for (const phase of ["before", "after"]) {
        const name = `${phase}-${at}`;
        const { path, effects, signal } = child(name, phase, at);
        assert.equal(signal, "SIGKILL", name);
        const journal = openJournal(path, { clock: systemClock });
        const engine = createEngine({ journal, clock: systemClock });
        const def = killedWorkflow(effects);
        engine.start(def, { id: "run-1", input: null, actor: "operator", environment: "production" });
        assert.deepEqual(await engine.execute("run-1", [def]), { state: "done", output: EXPECTED }, name);
        assert.equal(journal.read.environment("production")?.occupiedBy, null, name);
        journal.close();
        const done = readFileSync(effects, "utf8").trim().split("\n");
        for (const step of ["a", "b", "c", "d"]) {
          const times = done.filter((effect) => effect === step).length;
          assert.ok(times === 1 || times === 2, `${name}: ${step} happened ${times} times`);
        }
      }
    }
  });
});
