import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import type { DurableContext, StepOptions, WorkflowDef } from "./context.ts";
import { createEngine } from "./engine.ts";
import { openJournal } from "./open-journal.ts";

/** https://www.sqlite.org/fileformat2.html#the_write_ahead_log: a header, then frames of a header and a page. */
const WAL_HEADER = 32;
const FRAME = 24 + 4_096;
const OPTIONS: StepOptions<never> = { disposition: { kind: "idempotent" }, deadlineMs: 60_000 };
const STEPS = ["take a backup", "migrate", "switch"];

/** A transaction of the journal: where it ends in the write-ahead log, and the newest row that it holds. */
interface Commit {
  readonly end: number;
  readonly lastSeq: number;
}

/** What a power cut may leave of a write that was under way: a part of it, or pages that never came to the disk. */
const TEARS: readonly { readonly name: string; tear(wal: Buffer, from: number, to: number, at: number): Buffer }[] = [
  { name: "is cut off", tear: (wal, _from, _to, at) => wal.subarray(0, at) },
  {
    name: "is zeroes from there",
    tear: (wal, _from, to, at) => Buffer.concat([wal.subarray(0, at), Buffer.alloc(to - at)]),
  },
  {
    name: "lacks what stands up to there",
    tear: (wal, from, to, at) =>
      Buffer.concat([wal.subarray(0, from), Buffer.alloc(at + 1 - from), wal.subarray(at + 1, to)]),
  },
  {
    name: "has one bit that is not as it was written",
    tear: (wal, _from, to, at) => {
      const torn = Buffer.from(wal.subarray(0, to));
      torn.writeUInt8(torn.readUInt8(at) ^ 1, at);
      return torn;
    },
  },
];

void describe("a journal whose last transaction came to the disk in part", () => {
  let directory: string;
  let main: Buffer;
  let wal: Buffer;
  const commits: Commit[] = [];

  const workflow = (effects: string[]): WorkflowDef<null, string[]> => ({
    name: "torn",
    version: 1,
    async run(ctx: DurableContext) {
      const done: string[] = [];
      for (const step of STEPS) {
        done.push(await ctx.step(step, () => (effects.push(step), Promise.resolve(`${step}: done`)), OPTIONS));
      }
      return done;
    },
  });

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "sunny-torn-"));
    const path = join(directory, "journal.db");
    const journal = openJournal(path, { clock: systemClock });
    const note = (): void => void commits.push({ end: statSync(`${path}-wal`).size, lastSeq: journal.read.lastSeq() });
    journal.onCommit(note);
    const engine = createEngine({ journal, clock: systemClock });
    const def = workflow([]);
    engine.start(def, { id: "run-1", input: null, actor: "operator", environment: "production" });
    await engine.execute("run-1", [def] as never);
    main = readFileSync(path);
    wal = readFileSync(`${path}-wal`);
    journal.close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** The file as it would be found: opened, read, and carried on. */
  async function found(torn: Buffer): Promise<{ lastSeq: number; output: unknown; effects: readonly string[] }> {
    const path = join(directory, "found.db");
    for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    writeFileSync(path, main);
    writeFileSync(`${path}-wal`, torn);
    const journal = openJournal(path, { clock: systemClock });
    try {
      const lastSeq = journal.read.lastSeq();
      const effects: string[] = [];
      const def = workflow(effects);
      // Whoever held the lease was this process, which has it no more.
      const owner = { pid: process.pid, startTime: "another", boot: "here" };
      const engine = createEngine({ journal, clock: systemClock, owner, liveness: () => "dead" });
      if (journal.read.run("run-1") === undefined) return { lastSeq, output: null, effects };
      const result = await engine.execute("run-1", [def] as never);
      assert.equal(result.state, "done");
      return { lastSeq, output: (result as { output: unknown }).output, effects };
    } finally {
      journal.close();
    }
  }

  for (const { name, tear } of TEARS) {
    void it(`is as it was before that transaction when it ${name}, and the run goes on from there`, async () => {
      assert.ok(commits.length > STEPS.length, `${commits.length} transactions`);
      for (const [i, { end }] of commits.entries()) {
        const previous = commits[i - 1];
        if (previous === undefined || previous.end === end) continue;
        for (const at of placesIn(previous.end, end)) {
          const torn = tear(wal, previous.end, end, at);
          // Zeroes where there were zeroes are no damage.
          if (torn.equals(wal.subarray(0, end))) continue;
          const where: string = `transaction ${i}, byte ${at} of ${previous.end} to ${end}`;
          const { lastSeq, output, effects } = await found(torn);
          assert.equal(lastSeq, previous.lastSeq, where);
          assert.deepEqual(
            output,
            STEPS.map((step) => `${step}: done`),
            where,
          );
          assert.deepEqual(effects, STEPS.slice(STEPS.length - effects.length), `${where}: steps are repeated`);
        }
      }
    });
  }

  void it("holds every transaction that is there as a whole", async () => {
    for (const { end, lastSeq } of commits) {
      copyFileSync(join(directory, "journal.db"), join(directory, "whole.db"));
      assert.equal((await found(wal.subarray(0, end))).lastSeq, lastSeq);
    }
  });
});

/** Both sides of each frame's edges, and places within header and page; the last byte is part of the transaction. */
function placesIn(from: number, to: number): number[] {
  assert.equal((from - WAL_HEADER) % FRAME, 0, "a transaction begins with a frame");
  const places = new Set<number>();
  for (let frame = from; frame < to; frame += FRAME) {
    for (const offset of [0, 1, 8, 23, 24, 2_048, FRAME - 1]) places.add(frame + offset);
  }
  return [...places].filter((at) => at < to);
}
