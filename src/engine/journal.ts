import type { Clock } from "../clock.ts";
import type { LeafSink, ToLeaf } from "./leaf.ts";
import type { RowDraft } from "./rows.ts";
import type { JournalStorage, StorageReader, StorageTransaction } from "./storage.ts";

export type * from "./rows.ts";

/** What may be written in a transaction; each row takes its leaf along. */
export interface JournalTransaction extends Omit<StorageTransaction, "append"> {
  /** Returns the row's `seq`. */
  append(row: RowDraft): number;
}

/** The journal of an environment's runs, on any storage. */
export interface Journal {
  readonly authority: string;
  readonly clock: Clock;
  readonly read: StorageReader;
  /**
   * One durable transaction over rows, records and leaves; calls the listeners afterwards.
   *
   * @throws SunnyError with code DISK_FULL, JOURNAL_BUSY, JOURNAL_CORRUPT or JOURNAL_UNWRITABLE, and what the sink throws.
   */
  transaction<T>(work: (tx: JournalTransaction) => T): T;
  /** Calls `listener` after each commit of this process; returns how to stop. Commits of others: `changeCounter`. */
  onCommit(listener: () => void): () => void;
  changeCounter(): number;
  /** Settles when the evidence of everything committed is signed. */
  flush(): Promise<void>;
  close(): void;
}

export interface JournalOptions {
  readonly clock: Clock;
  /** Takes the evidence of each row; default none. */
  readonly sink?: LeafSink;
  /** Default: the row itself. */
  readonly toLeaf?: ToLeaf;
}

/** Puts a journal on a storage. */
export function journalOn(storage: JournalStorage, options: JournalOptions): Journal {
  const { clock, sink } = options;
  const toLeaf: ToLeaf = options.toLeaf ?? ((row) => row);
  const listeners = new Set<() => void>();
  const environments = new Map<string, string>();

  const withLeaves = (tx: StorageTransaction): JournalTransaction => ({
    ...tx,
    append: (draft) => {
      const at = clock.now();
      const seq = tx.append(draft, at);
      if (sink !== undefined) {
        let environment = environments.get(draft.run);
        if (environment === undefined) {
          environment = tx.run(draft.run)?.environment ?? "";
          environments.set(draft.run, environment);
        }
        sink.append(`${storage.authority}/${seq}`, toLeaf({ ...draft, seq, at }, environment));
      }
      return seq;
    },
  });

  return {
    authority: storage.authority,
    clock,
    read: storage.read,
    transaction: (work) => {
      let result;
      try {
        result = storage.transaction((tx) => work(withLeaves(tx)));
      } catch (error) {
        sink?.rolledBack();
        throw error;
      }
      sink?.committed();
      for (const listener of listeners) listener();
      return result;
    },
    onCommit: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    changeCounter: () => storage.changeCounter(),
    flush: async () => {
      await sink?.flush();
    },
    close: () => storage.close(),
  };
}
