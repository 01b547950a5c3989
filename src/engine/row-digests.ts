import type { DatabaseSync } from "node:sqlite";
import { digestOf } from "../json.ts";
import type { Json } from "../json.ts";
import { rowDigest } from "./leaf.ts";
import type { JournalRow } from "./rows.ts";
import { ROW, toRow, type Cell } from "./sqlite-storage.ts";
import type { RunFrozen } from "./storage.ts";

/**
 * Every row of a journal's database by the digest that its leaf carries, oldest first, for whoever compares the journal
 * with its evidence. The row with which a run began is read together with the run's own record, so that an altered
 * input shows as well. A row that cannot be read has the digest "". What the audit log does not cover, it cannot show:
 * captured output, published statuses and the progress of runs, all of which follow from rows or are not evidence.
 */
export function* rowDigests(db: DatabaseSync): Generator<{ readonly seq: number; readonly sha256: string }> {
  const frozen = db.prepare("SELECT frozen FROM runs WHERE id = ?");
  const rows = db.prepare(`SELECT ${ROW} FROM rows ORDER BY seq`);
  rows.setReturnArrays(true);
  for (const cells of rows.iterate() as unknown as Iterable<Cell[]>) {
    yield { seq: Number(cells[0]), sha256: digestOfCells(cells, (run) => frozen.get(run)?.["frozen"]) };
  }
}

function digestOfCells(cells: Cell[], frozen: (run: string) => unknown): string {
  try {
    const row = toRow(cells);
    // The digest is that of the values: another text for the same values was not written by Sunny.
    if (JSON.stringify(row.data) !== cells.at(-1)) return "";
    return rowDigest(row.type === "started" ? asRecorded(row, JSON.parse(String(frozen(row.run))) as RunFrozen) : row);
  } catch {
    return "";
  }
}

/** The first row of a run as it would have been written from the run's record as it is now. */
function asRecorded(row: JournalRow, run: RunFrozen): JournalRow {
  const { workflow, version, environment, meta, supersedes, within } = run;
  const data = row.data as Record<string, Json>;
  // A child run is recorded without its input: that follows from its parent.
  if (!("input" in data)) return { ...row, data: { ...data, workflow, version } };
  const recorded = { workflow, version, input: digestOf(run.input), environment, meta, supersedes };
  return { ...row, data: within === null || within === undefined ? recorded : { ...recorded, within: { ...within } } };
}
