import type { StepScope } from "../../engine/context.ts";
import type { ReleaseRef } from "../../operation.ts";

/*
 * What migrations, backups and pools need from the world. Errors as everywhere: `RetryableError` when it is known that
 * nothing happened, `TerminalError` when it failed for good in a known state, anything else is unknown.
 */

/** One migration as a release carries it: `migrations/<id>.up.sql` and `.down.sql`. */
export interface Migration {
  /** `NNNN_name`; ids sort in the order in which they are applied. */
  readonly id: string;
  readonly up: string;
  /** Null when there is no way back. */
  readonly down: string | null;
  /** SHA-256 of `up`, hex. A migration that was applied must never change again. */
  readonly checksum: string;
}

/** The files of a release's `migrations/` folder by their name in it, as text; empty when it has none. */
export interface MigrationSource {
  /** @throws TerminalError when the release's archive is missing or was altered. */
  read(release: ReleaseRef): Promise<ReadonlyMap<string, string>>;
}

/** Finds releases by id or version, newest first. */
export interface ReleaseFinder {
  find(idOrVersion: string): Promise<readonly ReleaseRef[]>;
}

export interface AppliedMigration {
  readonly id: string;
  readonly checksum: string;
  /** RFC 3339. */
  readonly appliedAt: string;
  /** Id of the release that brought it. */
  readonly release: string;
  readonly by: string;
  /** Kept with the record, so that the way back needs no archive; null when irreversible. */
  readonly down: string | null;
}

/** Which migrations were in force with a release. */
export interface SchemaRecord {
  readonly releaseId: string;
  readonly version: string;
  readonly migrations: readonly string[];
  readonly recordedAt: string;
}

export interface SchemaState {
  /** False when Sunny never recorded anything in this database. */
  readonly ledger: boolean;
  readonly applied: readonly AppliedMigration[];
  readonly records: readonly SchemaRecord[];
}

/** Tables, columns, indexes, triggers and views by name ("index payments_by_created_at"), each with its normalised definition. */
export type SchemaObjects = Readonly<Record<string, string>>;

/** Who migrates, for the record beside the migration. */
export interface MigrationActor {
  readonly release: ReleaseRef;
  readonly by: string;
}

/** The schema of a database and the ledger of what was done to it. Every change is one transaction, fenced by token and attempt. */
export interface SchemaStore {
  /** For people: "SQLite database payments.db". */
  readonly name: string;
  state(signal?: AbortSignal): Promise<SchemaState>;
  /** Applies one migration together with its record. @throws TerminalError MIGRATION_FAILED, DATABASE_FENCED */
  apply(migration: Migration, actor: MigrationActor, scope: StepScope): Promise<void>;
  /** Runs the recorded down migration and removes the record. @throws TerminalError MIGRATION_FAILED, DATABASE_FENCED */
  revert(id: string, scope: StepScope): Promise<void>;
  /** Records migrations as applied without running them, for a database whose schema is already theirs. */
  adopt(migrations: readonly Migration[], actor: MigrationActor, scope: StepScope): Promise<void>;
  /** Keeps which migrations are in force with a release; `replace: false` leaves an existing record alone. */
  record(
    release: ReleaseRef,
    migrations: readonly string[],
    options: { replace: boolean },
    scope: StepScope,
  ): Promise<void>;
  /** Makes the database refuse every older token from now on: what still runs under one commits nothing more. @throws TerminalError DATABASE_FENCED */
  raiseFence(scope: StepScope): Promise<void>;
  /** What is there, without Sunny's own tables. */
  objects(signal?: AbortSignal): Promise<SchemaObjects>;
  /** What would be there after these migrations in an empty database. @throws TerminalError MIGRATION_FAILED */
  expected(migrations: readonly Migration[], signal?: AbortSignal): Promise<SchemaObjects>;
  /** Damage and broken references, one sentence each; empty when sound. */
  problems(signal?: AbortSignal): Promise<readonly string[]>;
}

/** What a connection made for the purpose found. */
export interface DatabaseHealth {
  /** To connect and answer a query. */
  readonly connectMs: number;
  /** To get the right to write, and give it back unused. */
  readonly writeLockMs: number;
  readonly sizeBytes: number;
  /** Damage found by the database's quick check; empty when sound. */
  readonly problems: readonly string[];
  /** Figures of the kind of database, for the report: "journal mode wal". */
  readonly notes: readonly string[];
}

export interface DatabaseProbe {
  readonly name: string;
  /** @throws TerminalError DATABASE_UNREACHABLE, DATABASE_LOCKED when no write lock came within `timeoutMs` */
  check(options: { readonly timeoutMs: number }, signal?: AbortSignal): Promise<DatabaseHealth>;
}

/** The connection pool of the service on one host. */
export interface PoolState {
  readonly open: number;
  readonly inUse: number;
  readonly idle: number;
  readonly waiting: number;
  readonly max: number;
}

/** The administrative interface of the service on each host. @throws RetryableError SERVICE_ADMIN_UNREACHABLE */
export interface PoolAdmin {
  connections(host: string, signal?: AbortSignal): Promise<PoolState>;
  /** Closes every connection and opens anew; `closed` counts them. */
  resetConnections(host: string, scope: StepScope): Promise<PoolState & { readonly closed: number }>;
}

export interface TableSummary {
  readonly rows: number;
  /** SHA-256 over all rows in the order of their key, hex. */
  readonly digest: string;
}

/** What a backup holds, written beside it; a backup without a manifest is not finished and does not count. */
export interface BackupManifest {
  readonly format: 1;
  /** `<UTC time>-<first 8 hex digits of the run's key>`; sorts by age. */
  readonly id: string;
  readonly database: string;
  /** RFC 3339: every write acknowledged before this moment is in it. */
  readonly at: string;
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of the file as stored (compressed, encrypted), hex. */
  readonly sha256: string;
  /** Fingerprints of the keys that can open it; empty when it is not encrypted. */
  readonly recipients: readonly string[];
  /** The last applied migration; null without any. */
  readonly schemaVersion: string | null;
  readonly tables: Readonly<Record<string, TableSummary>>;
  /** How it was shown to be good when it was made. */
  readonly proof: "restored" | "archive" | null;
}

export interface BackupProof {
  /** `restored`: opened, restored into a temporary database and compared. `archive`: no key here, so only size and digest of the file. */
  readonly kind: "restored" | "archive";
  /** What differs or is damaged, one sentence each; empty when good. */
  readonly problems: readonly string[];
}

/** What would be lost by going back to a backup. */
export interface LostWrites {
  /** Rows by which each table differs in number, by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Tables whose content differs in any way. */
  readonly changedTables: readonly string[];
}

/** The backups of one database. */
export interface Backups {
  readonly name: string;
  /** Consistent while writes go on; idempotent by id: a finished one is returned as it is. @throws TerminalError BACKUP_FAILED, BACKUP_DISK_FULL */
  create(id: string, scope: StepScope): Promise<BackupManifest>;
  /** Finished ones, newest first. @throws TerminalError BACKUP_DAMAGED naming a manifest that cannot be read */
  list(signal?: AbortSignal): Promise<readonly BackupManifest[]>;
  prove(manifest: BackupManifest, scope: StepScope): Promise<BackupProof>;
  /** Compares size and digest of the stored file with what was written; null when they are the same, else what is wrong. */
  damage(manifest: BackupManifest, signal: AbortSignal): Promise<string | null>;
  markProved(manifest: BackupManifest, kind: BackupProof["kind"]): Promise<void>;
  /** Removes the oldest beyond `keep`, and leftovers of unfinished ones. Returns the ids removed. */
  prune(keep: number, scope: StepScope): Promise<readonly string[]>;
  lostWrites(manifest: BackupManifest, signal?: AbortSignal): Promise<LostWrites>;
}

/** Encrypts backups to their recipients. Both directions stream: nothing is held in memory whole. */
export interface Cipher {
  /** Fingerprints, upper-case hex; empty when nothing is encrypted. @throws TerminalError KEY_INVALID */
  recipients(): Promise<readonly string[]>;
  /** True when a key that opens is at hand. */
  readonly canDecrypt: boolean;
  encrypt(plain: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
  /** @throws TerminalError BACKUP_KEY_WRONG; what is read before the end is unauthenticated until the end was read. */
  decrypt(encrypted: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>>;
}

/** A host and the release that it runs. */
export interface ServingHost {
  readonly host: string;
  readonly releaseId: string;
  readonly version: string;
}

/** What the operations on the database need of the world. */
export interface DatabasePorts {
  readonly schema: SchemaStore;
  readonly probe: DatabaseProbe;
  readonly pools: PoolAdmin;
  readonly backups: Backups;
  readonly migrations: MigrationSource;
  readonly releases: ReleaseFinder;
  /** The release that each host runs; hosts that run none or do not answer are left out. */
  serving(signal?: AbortSignal): Promise<readonly ServingHost[]>;
}
