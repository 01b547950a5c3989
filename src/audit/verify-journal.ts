import type { DatabaseSync } from "node:sqlite";
import type { Findings } from "./findings.ts";
import { parseLeaf } from "./leaf.ts";
import type { AuditRows } from "./rows.ts";

/** One row of the journal, by the digest that its leaf must carry. */
export interface JournalDigest {
  readonly seq: number;
  /** SHA-256 of the row's content in hex, as in the leaf's `journal`. */
  readonly sha256: string;
}

/** Reads the digests of all rows of the journal, in the database and the transaction it is given. */
export type JournalReader = (db: DatabaseSync) => Iterable<JournalDigest>;

/**
 * Compares the journal with its evidence, both ways: every row has the leaf that was written with it, and every leaf
 * that names a row has that row, unchanged.
 */
export function verifyJournal(db: DatabaseSync, rows: AuditRows, read: JournalReader, findings: Findings): void {
  const journal = new Map<number, string>();
  for (const { seq, sha256 } of read(db)) journal.set(seq, sha256);
  for (const { index, data } of rows.leaves(0, Number.MAX_SAFE_INTEGER)) {
    const entry = parseLeaf(data).journal;
    if (entry === undefined) continue;
    const actual = journal.get(entry.seq);
    journal.delete(entry.seq);
    if (actual === undefined) {
      findings.add("JOURNAL_MISSING", `Row ${entry.seq} of the journal, recorded as action ${index}, is gone`, {
        leaf: index,
      });
    } else if (actual !== entry.sha256) {
      findings.add("JOURNAL_ALTERED", `Row ${entry.seq} of the journal is not the one recorded as action ${index}`, {
        leaf: index,
      });
    }
  }
  for (const seq of journal.keys()) {
    findings.add("JOURNAL_ALTERED", `Row ${seq} of the journal was never recorded in the audit log`);
  }
}
