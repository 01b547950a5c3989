/* oxlint-disable unicorn/consistent-function-scoping -- a test reads better with its helpers in it */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, it } from "node:test";

import { systemClock } from "../clock.ts";
import type { StepOptions, WorkflowDef } from "./context.ts";
import { createEngine } from "./engine.ts";
import type { Journal } from "./journal.ts";
import { openJournal } from "./open-journal.ts";
import { readerOn } from "./reader.ts";

const clock = systemClock;
const IDEMPOTENT: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000 };

function fill(journal: Journal, rows: number): void {
  for (let i = 0; i < rows; i++) {
    const row = {
      run: "run-1",
      type: "started",
      op: null,
      kind: null,
      name: null,
      attempt: 0,
      actor: "operator",
    } as const;
    journal.transaction((tx) => tx.append({ ...row, data: "x".repeat(1_000) }));
  }
}

void describe("openJournal", () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "sunny-journal-"));
    path = join(directory, "state", "journal.db");
  });
  afterEach(() => {
    chmodSync(directory, 0o700);
    rmSync(directory, { recursive: true, force: true });
  });

  void it("makes a file and a directory that only their owner can read", () => {
    const journal = openJournal(path, { clock });
    fill(journal, 1);
    for (const file of ["journal.db", "journal.db-wal", "journal.db-shm"]) {
      assert.equal(statSync(join(directory, "state", file)).mode & 0o777, 0o600, file);
    }
    assert.equal(statSync(join(directory, "state")).mode & 0o777, 0o700);
    journal.close();
  });

  void it("says so where the system lets nobody make a directory", { skip: !existsSync("/proc/self") }, () => {
    assert.throws(() => openJournal("/proc/sunny/state/journal.db", { clock }), {
      code: "JOURNAL_UNWRITABLE",
      message: /\/proc\/sunny/,
    });
  });

  void it("keeps its identity", () => {
    const first = openJournal(path, { clock });
    const { authority } = first;
    first.close();
    const second = openJournal(path, { clock, authority: "other" });
    assert.equal(second.authority, authority);
    second.close();
  });

  void it("leaves a journal of a newer version as it is", () => {
    openJournal(path, { clock }).close();
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 99");
    db.close();
    const bytes = readFileSync(path);
    assert.throws(() => openJournal(path, { clock }), { code: "JOURNAL_NEWER", place: { file: path } });
    assert.deepEqual(readFileSync(path), bytes);
  });

  for (const [what, keep] of [
    ["cut in the middle", 0.5],
    ["without its last page", 0.99],
    ["cut inside its header", 0.0001],
  ] as const) {
    void it(`finds a journal that is ${what}, and leaves it as it is`, () => {
      const journal = openJournal(path, { clock });
      fill(journal, 100);
      journal.close();
      truncateSync(path, Math.floor(statSync(path).size * keep));
      const bytes = readFileSync(path);
      assert.throws(() => openJournal(path, { clock }), { code: "JOURNAL_CORRUPT" });
      assert.deepEqual(readFileSync(path), bytes);
    });
  }

  void it("finds overwritten pages", () => {
    const journal = openJournal(path, { clock });
    fill(journal, 100);
    journal.close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096 * 3, 4096 * 6);
    writeFileSync(path, bytes);
    assert.throws(() => openJournal(path, { clock }), { code: "JOURNAL_CORRUPT" });
  });

  void it("takes no other program's file for a journal", () => {
    mkdirSync(join(directory, "state"));
    writeFileSync(
      path,
      "this is a text file, and it is longer than a header of one hundred bytes would be, by some more words",
    );
    assert.throws(() => openJournal(path, { clock }), { code: "JOURNAL_CORRUPT" });
    rmSync(path);
    const db = new DatabaseSync(path);
    db.exec("CREATE TABLE t (a)");
    db.close();
    assert.throws(() => openJournal(path, { clock }), { code: "JOURNAL_CORRUPT" });
  });

  void it("loses only what a cut write-ahead log no longer holds whole", () => {
    const journal = openJournal(path, { clock });
    fill(journal, 50);
    const copy = join(directory, "copy.db");
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    journal.close();
    const size = statSync(`${copy}-wal`).size;
    truncateSync(`${copy}-wal`, size - 1_000);
    const cut = openJournal(copy, { clock });
    assert.equal(cut.read.lastSeq(), 49);
    cut.close();
  });

  void it("says so when the directory cannot be made or the path is a directory", () => {
    writeFileSync(join(directory, "file"), "");
    for (const bad of [join(directory, "file", "journal.db"), directory]) {
      assert.throws(() => openJournal(bad, { clock }), { code: "JOURNAL_UNWRITABLE" });
    }
  });

  void it("says so in a directory without write permission", () => {
    chmodSync(directory, 0o555);
    // Root may write everywhere, so it looks as somebody else does.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const script = `
      import { openJournal } from ${JSON.stringify(new URL("open-journal.ts", import.meta.url))};
      try { openJournal(${JSON.stringify(join(directory, "journal.db"))}, { clock: {} }); }
      catch (error) { console.log(error.code, error.hint !== undefined); }`;
    const args = ["--input-type=module", "-e", script];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", ...nobody });
    assert.equal(stdout, "JOURNAL_UNWRITABLE true\n", stderr);
  });

  void it("that is to be read must exist, and can then be read beside its writer", () => {
    assert.throws(() => openJournal(path, { clock, readOnly: true }), { code: "JOURNAL_MISSING" });
    const journal = openJournal(path, { clock });
    const other = openJournal(path, { clock, readOnly: true });
    const before = other.changeCounter();
    fill(journal, 3);
    assert.notEqual(other.changeCounter(), before);
    assert.equal(other.read.lastSeq(), 3);
    assert.throws(() => fill(other, 1), { code: "JOURNAL_UNWRITABLE" });
    other.close();
    journal.close();
  });

  void it("stops a run when its disk is full, and the run goes on when there is room", async () => {
    const journal = openJournal(path, { clock, maxBytes: 120_000 });
    const engine = createEngine({ journal, clock });
    let caught = 0;
    const def: WorkflowDef<null, string> = {
      name: "writer",
      version: 1,
      run: async (ctx) => {
        try {
          for (let i = 0; i < 40; i++) await ctx.step(`s${i}`, () => Promise.resolve("x".repeat(4_000)), IDEMPOTENT);
        } catch {
          caught += 1;
        }
        return "written";
      },
    };
    engine.start(def, { id: "run-1", input: null, actor: "operator", environment: "production" });
    await assert.rejects(engine.execute("run-1", [def]), { code: "DISK_FULL", place: { file: path } });
    const rows = journal.read.lastSeq();
    assert.ok(rows > 10);
    journal.close();

    const roomy = openJournal(path, { clock });
    assert.equal(roomy.read.lastSeq(), rows);
    const result = await createEngine({ journal: roomy, clock }).execute("run-1", [def]);
    assert.deepEqual(result, { state: "done", output: "written" });
    assert.equal(caught, 0);
    roomy.close();
  });

  void it("shows runs, steps and output to another process, and tells of each change", async () => {
    const journal = openJournal(path, { clock });
    const scrub = (text: string): string => text.replaceAll("hunter2", "[secret]");
    const engine = createEngine({ journal, clock, scrub, limits: { outputBytes: 100 } });
    const reader = readerOn(openJournal(path, { clock, readOnly: true }), clock);
    const def: WorkflowDef<null, string> = {
      name: "talker",
      version: 1,
      run: async (ctx) => {
        await ctx.step(
          "talk",
          (scope) => {
            scope.log("password hun");
            scope.log("ter2\n");
            scope.log("y".repeat(200));
            return Promise.resolve(1);
          },
          IDEMPOTENT,
        );
        ctx.publish({ phase: "resting" });
        await ctx.waitFor("go", { held: "go on?" });
        return "over";
      },
    };
    engine.start(def, {
      id: "run-1",
      input: null,
      actor: "operator",
      environment: "production",
      meta: { runbook: "x" },
    });
    const stop = new AbortController();
    const types: string[] = [];
    const tailing = (async () => {
      for await (const rows of reader.tail(0, { pollMs: 5, signal: stop.signal })) {
        types.push(...rows.map(({ type }) => type));
        if (types.includes("held")) stop.abort();
      }
    })();
    assert.equal((await engine.execute("run-1", [def])).state, "held");
    await tailing;
    assert.deepEqual(types, ["started", "intent", "outcome", "intent", "held"]);
    const run = reader.readRun("run-1");
    assert.deepEqual(run.question, { ask: "signal", signal: "go", question: "go on?" });
    assert.deepEqual(run.status?.value, { phase: "resting" });
    assert.deepEqual(
      run.steps.map(({ name, state, attempts }) => [name, state, attempts]),
      [
        ["talk", "done", 1],
        ["go", "held", 0],
      ],
    );
    assert.deepEqual(
      reader.listRuns().map(({ id, state, isInterrupted }) => [id, state, isInterrupted]),
      [["run-1", "held", false]],
    );
    const output = reader
      .readOutput("run-1", "talk")
      .map(({ text }) => text)
      .join("");
    assert.match(output, /^password \[secret\]\ny+\n\[output cut here: 100 bytes are kept of a step\]\n$/);
    journal.close();
  });
});
