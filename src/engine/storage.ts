import type { Json } from "../json.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import type { HistoryRow, JournalRow, Question, RecordedError, RowDraft } from "./rows.ts";

/**
 * The port between the journal and what keeps it: SQLite in production, plain memory in the simulation. Storage knows
 * nothing of replay, leases or interrupts; it keeps records and promises that a transaction is whole, exclusive and
 * durable when it returns.
 */

export type RunState = "ready" | "running" | "held" | "paused" | "done" | "failed" | "superseded";

/** The right of one process to act for a run. */
export interface Lease {
  readonly token: number;
  readonly owner: ProcessIdentity;
  readonly acquiredAt: number;
  readonly expiresAt: number;
  /** Processes that act for steps under way: while one of them lives, the owner does not count as dead. */
  readonly processes: readonly ProcessIdentity[];
  /** Steps under way within which other processes may run operations; absent when there are none. */
  readonly scopes?: readonly OpenScope[];
}

/** A step that lets programs which it started act as part of it. */
export interface OpenScope {
  /** Of the token that the programs were handed. */
  readonly sha256: string;
  readonly step: string;
  /** The run that changes something within it now: one at a time. */
  readonly guest: string | null;
}

/** The step of another run as part of which a run acts. */
export interface Within {
  readonly run: string;
  readonly step: string;
  /** SHA-256 of the token by which it was admitted. */
  readonly scope: string;
}

/** What of a run never changes. */
export interface RunFrozen {
  readonly id: string;
  /** The run under whose lease this one executes; itself unless it is a child. */
  readonly root: string;
  readonly workflow: string;
  readonly version: number;
  readonly environment: string;
  readonly actor: string;
  readonly input: Json;
  /** Free data of the caller: what `sunny status` shows of the plan. */
  readonly meta: Json;
  /** A run whose occupancy this one may take over: the rollback of a run that cannot go on. */
  readonly supersedes: string | null;
  /** The step that started it, when it acts as part of another run; null for one that stands by itself. */
  readonly within: Within | null;
  readonly createdAt: number;
}

/** What of a run changes while it is executed. */
export interface RunProgress {
  readonly state: RunState;
  /** What a person is asked, while it is held. */
  readonly question: Question | null;
  /** Why it is paused. */
  readonly reason: RecordedError | null;
  readonly output: Json;
  readonly error: RecordedError | null;
  readonly endedAt: number | null;
  /** Kept by the root run only. */
  readonly lease: Lease | null;
  /** How often an executor has taken it up. */
  readonly executions: number;
  /** The newest control row that its executor has seen. */
  readonly observedSeq: number;
}

export interface RunRecord extends RunFrozen, RunProgress {}

/** The authority's record of an environment. */
export interface EnvironmentRecord {
  readonly name: string;
  /** The newest fencing token given out. */
  readonly token: number;
  readonly occupiedBy: string | null;
  readonly occupiedSince: number | null;
}

/** A piece of what a step wrote, scrubbed; `seq` orders all pieces of a journal. */
export interface OutputChunk {
  readonly seq: number;
  readonly run: string;
  readonly step: string;
  readonly attempt: number;
  readonly at: number;
  readonly text: string;
}

export interface StorageReader {
  run(id: string): RunRecord | undefined;
  progress(id: string): RunProgress | undefined;
  /** Newest first, at most `limit`. */
  runs(limit: number): RunRecord[];
  /** In the order of `seq`, without rows of type `control`. */
  history(run: string): HistoryRow[];
  /** Rows after `seq` of one run, or of all. */
  rowsAfter(seq: number, run: string | null, limit: number): JournalRow[];
  /** Control rows of the run after `seq`. */
  controlsAfter(seq: number, run: string): JournalRow[];
  /** The newest `seq`; 0 in an empty journal. */
  lastSeq(): number;
  environment(name: string): EnvironmentRecord | undefined;
  status(run: string): { readonly at: number; readonly value: Json } | undefined;
  /** Output after `seq`; of one step, or of all. */
  output(run: string, step: string | null, afterSeq: number): OutputChunk[];
  outputBytes(run: string, step: string): number;
}

/** What can be read and written inside a transaction; `append` gives the new `seq`. */
export interface StorageTransaction extends StorageReader {
  insertRun(run: RunRecord): void;
  updateRun(id: string, changes: Partial<RunProgress>): void;
  append(row: RowDraft, at: number): number;
  putEnvironment(record: EnvironmentRecord): void;
  putStatus(run: string, value: Json, at: number): void;
  appendOutput(chunk: Omit<OutputChunk, "seq">): void;
}

export interface JournalStorage {
  /** Identity of this journal; hosts keep it beside the highest token. */
  readonly authority: string;
  readonly read: StorageReader;
  /**
   * Runs `work` in one exclusive transaction that is durable on return; whatever `work` throws rolls it back.
   *
   * @throws SunnyError with code DISK_FULL, JOURNAL_BUSY, JOURNAL_CORRUPT or JOURNAL_UNWRITABLE.
   */
  transaction<T>(work: (tx: StorageTransaction) => T): T;
  /** A number that changes when another connection has committed; its own commits do not count. */
  changeCounter(): number;
  close(): void;
}
