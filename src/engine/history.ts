import type { Delivery, HistoryRow, OperationKind, Outcome } from "./rows.ts";

/** What the journal knows of one step, wait, sleep or child. */
export interface Entry {
  readonly name: string;
  /** The newest attempt whose intent is journaled. */
  attempt: number;
  /** Attempts that ended by themselves: what the retry policy counts. */
  failures: number;
  /** The newest row; its type tells where the operation stopped. */
  last: HistoryRow;
  intent: HistoryRow;
  outcome: HistoryRow | undefined;
}

/** What the journal knows of one operation. */
export interface OperationRecord {
  readonly kind: OperationKind;
  readonly entries: Entry[];
  /** Set when an interrupt was delivered at this operation; alone, it was delivered before the operation began. */
  interrupted: HistoryRow | undefined;
  /** The name in `interrupted`, for the comparison. */
  readonly name: string | null;
}

/** Arranges the rows of a run by operation. Data stays text until it is asked for. */
export function operationsOf(rows: readonly HistoryRow[]): OperationRecord[] {
  const operations: OperationRecord[] = [];
  for (const row of rows) {
    if (row.op === null || row.kind === null) continue;
    let operation = operations[row.op];
    if (operation === undefined) {
      operation = { kind: row.kind, entries: [], interrupted: undefined, name: row.name };
      operations[row.op] = operation;
    }
    if (row.type === "interrupted") operation.interrupted = row;
    else addToEntry(operation, row);
  }
  return operations;
}

function addToEntry(operation: OperationRecord, row: HistoryRow): void {
  const { entries } = operation;
  let entry = entries.at(-1)?.name === row.name ? entries.at(-1) : entries.find(({ name }) => name === row.name);
  if (entry === undefined) {
    entry = { name: row.name ?? "", attempt: row.attempt, failures: 0, last: row, intent: row, outcome: undefined };
    entries.push(entry);
  }
  entry.last = row;
  entry.attempt = Math.max(entry.attempt, row.attempt);
  if (row.type === "outcome") entry.outcome = row;
  if (row.type === "attempt") entry.failures += 1;
}

/** How the operation was settled; `undefined` while it is not. */
export function outcomeOf(entry: Entry): Outcome | undefined {
  return entry.outcome === undefined ? undefined : (JSON.parse(entry.outcome.data) as Outcome);
}

/** What an `interrupted` row says. */
export function deliveryOf(row: HistoryRow): Delivery {
  return JSON.parse(row.data) as Delivery;
}
