import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import type { SunnyError } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { AuditFiles } from "./files.ts";
import type { AuditLeaf } from "./leaf.ts";
import type { NoteSigner, NoteVerifier } from "./note.ts";

export interface AuditLogOptions {
  /** Shared with the journal; WAL and synchronous=FULL are the journal's to set. */
  readonly db: DatabaseSync;
  /** Directory of the published log, or where else its files are. */
  readonly dir: string | AuditFiles;
  /** The second place: another disk, at least another directory. */
  readonly copyDir: string | AuditFiles;
  /** Which log this is, for instance `sunny/production`; never changes. */
  readonly origin: string;
  readonly signer: NoteSigner;
  readonly clock: Clock;
  /** Earlier keys of the same log, whose checkpoints still count. */
  readonly verifiers?: readonly NoteVerifier[];
  /** Shortest time between two publications, default 1,000 ms. */
  readonly publishEveryMs?: number;
  /** Told when a scheduled publication failed; the next `append` throws the same error. */
  readonly onFailure?: (error: SunnyError) => void;
  /** Go on although the second copy is gone; default false. */
  readonly acceptMissingCopy?: boolean;
  /**
   * On opening, write every file of the log's directory again from the database, for a directory that was damaged;
   * default false. The rows must have the root of every checkpoint that is known, so this hides nothing. Files that
   * belong to no log are left: remove them, and a damaged `checkpoint`, first.
   */
  readonly republish?: boolean;
}

export interface Appended {
  readonly index: number;
  /** Leaf hash in hex. */
  readonly hash: string;
  /** False when the key was there already: the first leaf stays. */
  readonly added: boolean;
}

/** The record of every action. One object a process; several processes may share the database and the directories. */
export interface AuditLog {
  readonly origin: string;
  /** The verifier key as text, for those who check the log. */
  readonly verifier: string;
  /**
   * Adds a leaf inside the caller's SQL transaction, so that it exists exactly when the caller's rows do. Idempotent
   * by `key`. Call `committed()` or `rolledBack()` after the transaction.
   * @throws AUDIT_UNWRITABLE when it cannot be written, or an earlier publication failed; AUDIT_LEAF_INVALID
   */
  append(key: string, leaf: AuditLeaf): Appended;
  /** The transaction is through: its leaves are published within `publishEveryMs`. */
  committed(): void;
  rolledBack(): void;
  /** `append` in a transaction of its own, for whoever has no journal row to go with it. @throws as `append` */
  record(key: string, leaf: AuditLeaf): Appended;
  /** Number of leaves committed. */
  size(): number;
  /** The leaves as they were recorded, oldest first, from index `start` (default 0) up to but without `end`. */
  leaves(start?: number, end?: number): Iterable<{ readonly index: number; readonly leaf: AuditLeaf }>;
  /**
   * Writes tiles and a signed checkpoint over everything that is committed, to both places; nothing when there is
   * nothing new. Must not be called inside a transaction.
   * @throws AUDIT_UNWRITABLE, AUDIT_AHEAD, AUDIT_ROLLED_BACK, AUDIT_FORKED, AUDIT_CORRUPT, AUDIT_COPY_MISSING
   */
  publish(): Checkpoint;
  /** `publish`, under the name of its use: before an outcome is shown. @throws as `publish` */
  flush(): Checkpoint;
  /** Publishes what is left and stops the schedule; the database stays open. @throws as `publish` */
  close(): void;
}
