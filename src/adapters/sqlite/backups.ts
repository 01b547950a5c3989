import { rename, rm, statfs, stat } from "node:fs/promises";
import path from "node:path";
import { backup, type DatabaseSync } from "node:sqlite";
import { rfc3339, type Clock } from "../../clock.ts";
import { TerminalError, type StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import { bytesText } from "../../operations/checks/findings.ts";
import type {
  BackupManifest,
  BackupProof,
  Backups,
  Cipher,
  LostWrites,
  TableSummary,
} from "../../operations/database/ports.ts";
import { findProblems } from "./apart.ts";
import { archiveProblem, measure, readArchive, syncDirectory, writeArchive } from "./backup-archive.ts";
import { pruneFiles, readManifests, workDirectory, writeManifest } from "./backup-files.ts";
import { isDiskFull, openDatabase, withDatabase } from "./connection.ts";
import { readLedger } from "./ledger.ts";
import { backupsName } from "./names.ts";
import { tableSummaries } from "./summary.ts";

export interface SqliteBackupOptions {
  readonly clock: Clock;
  readonly file: string;
  /** Where backups are kept; made with mode 0700 when missing. */
  readonly directory: string;
  readonly cipher: Cipher;
  /** Free bytes where `directory` is. Default: asks the file system. */
  readonly freeBytes?: (directory: string) => Promise<number>;
}

/**
 * Backups of an SQLite file in a directory: a consistent copy through SQLite's own backup interface, compressed,
 * encrypted, with a manifest that is written last. Data is in clear only in a directory of mode 0700 beside the
 * archives, while the backup is made and proved.
 */
export function sqliteBackups(options: SqliteBackupOptions): Backups {
  const { directory, file, clock } = options;
  return {
    name: backupsName(file, directory),
    create: (id, scope) => explained(options, scope, () => create(options, id, scope)),
    list: () => readManifests(directory),
    prove: (manifest, scope) => explained(options, scope, () => prove(options, manifest, scope)),
    damage: (manifest, signal) => damage(directory, manifest, signal),
    markProved: (manifest, proof) => writeManifest(directory, { ...manifest, proof }),
    prune: async (keep) => {
      const proved = (await readManifests(directory)).find(({ proof }) => proof !== null);
      return pruneFiles(directory, keep, new Set(proved === undefined ? [] : [proved.id]), clock.now());
    },
    lostWrites: (manifest, signal) => lostWrites(options, manifest, signal),
  };
}

async function create(options: SqliteBackupOptions, id: string, scope: StepScope): Promise<BackupManifest> {
  const { directory, file, cipher, clock } = options;
  const made = (await readManifests(directory)).find((one) => one.id === id);
  if (made !== undefined) return made;
  const recipients = await cipher.recipients();
  const work = await workDirectory(directory, `${id}-${scope.fence.token}-${scope.fence.attempt}`);
  try {
    await requireSpace(options, scope.signal);
    const copy = path.join(work, "copy.sqlite");
    const at = rfc3339(clock.now());
    await snapshot(file, copy);
    const { tables, schemaVersion } = await contentOf(copy, scope.signal);
    scope.log(`copied ${file}: ${rowCount(tables)} rows in ${Object.keys(tables).length} tables\n`);
    const name = `${id}.sqlite.gz${recipients.length > 0 ? ".pgp" : ""}`;
    const stored = await writeArchive(copy, path.join(work, name), cipher, recipients.length > 0, scope.signal);
    await rename(path.join(work, name), path.join(directory, name));
    await syncDirectory(directory);
    scope.log(`stored ${name}: ${bytesText(stored.bytes)}, sha256 ${stored.sha256}\n`);
    const database = path.basename(file);
    const manifest: BackupManifest = {
      format: 1,
      id,
      database,
      at,
      file: name,
      ...stored,
      recipients,
      schemaVersion,
      tables,
      proof: null,
    };
    await writeManifest(directory, manifest);
    return manifest;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** All pages in one go: between two steps another process's write would start the copy over, for ever under load. */
async function snapshot(file: string, to: string): Promise<void> {
  const db = openDatabase(file, { readOnly: true });
  try {
    await backup(db, to, { rate: 2_147_483_647 });
  } finally {
    db.close();
  }
}

async function prove(options: SqliteBackupOptions, manifest: BackupManifest, scope: StepScope): Promise<BackupProof> {
  const { directory, cipher } = options;
  const file = path.join(directory, manifest.file);
  const encrypted = manifest.recipients.length > 0;
  const kind = encrypted && !cipher.canDecrypt ? "archive" : "restored";
  const damaged = await damage(directory, manifest, scope.signal);
  if (damaged !== null) return { kind, problems: [damaged] };
  if (kind === "archive") return { kind, problems: [] };
  const work = await workDirectory(directory, `prove-${manifest.id}-${scope.fence.token}-${scope.fence.attempt}`);
  try {
    const copy = path.join(work, "restored.sqlite");
    await readArchive(file, copy, cipher, encrypted, scope.signal);
    return { kind, problems: await compare(copy, manifest, scope.signal) };
  } catch (error) {
    if (scope.signal.aborted || isDiskFull(error)) throw error;
    return { kind, problems: [`${manifest.file} cannot be restored: ${archiveProblem(error)}`] };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function damage(directory: string, manifest: BackupManifest, signal: AbortSignal): Promise<string | null> {
  const { file, bytes, sha256 } = manifest;
  const stored = await measure(path.join(directory, file), signal);
  if (stored === null) return `the file ${file} is missing`;
  if (stored.bytes !== bytes) {
    const how = stored.bytes < bytes ? "truncated" : "longer than it was";
    return `the file ${file} is ${how}: ${stored.bytes} bytes, ${bytes} were written`;
  }
  if (stored.sha256 === sha256) return null;
  return `the file ${file} was altered: its sha256 is ${stored.sha256}, ${sha256} was written`;
}

async function compare(copy: string, manifest: BackupManifest, signal: AbortSignal): Promise<string[]> {
  const { tables, problems } = await contentOf(copy, signal);
  const found = [...problems];
  for (const table of new Set([...Object.keys(manifest.tables), ...Object.keys(tables)])) {
    const [wanted, got] = [manifest.tables[table], tables[table]];
    if (got === undefined) found.push(`table ${table} is missing in the restored copy`);
    else if (wanted?.rows !== got.rows)
      found.push(`table ${table} has ${got.rows} rows in the restored copy, ${wanted?.rows ?? 0} were backed up`);
    else if (wanted.digest !== got.digest) found.push(`table ${table} has other content in the restored copy`);
  }
  return found;
}

interface Content {
  readonly tables: Record<string, TableSummary>;
  readonly schemaVersion: string | null;
  readonly problems: readonly string[];
}

async function contentOf(file: string, signal: AbortSignal): Promise<Content> {
  const problems = await findProblems({ file, thorough: true, references: false }, signal);
  return withDatabase(file, { readOnly: false }, async (db: DatabaseSync) => {
    const schemaVersion = readLedger(db).applied.at(-1)?.id ?? null;
    return { tables: await tableSummaries(db, signal), schemaVersion, problems };
  });
}

function rowCount(tables: Readonly<Record<string, TableSummary>>): number {
  return Object.values(tables).reduce((sum, { rows }) => sum + rows, 0);
}

async function lostWrites(
  options: SqliteBackupOptions,
  manifest: BackupManifest,
  signal?: AbortSignal,
): Promise<LostWrites> {
  const work = await workDirectory(options.directory, `compare-${manifest.id}`);
  try {
    const copy = path.join(work, "now.sqlite");
    await snapshot(options.file, copy);
    const now = (await contentOf(copy, signal ?? new AbortController().signal)).tables;
    const rows: Record<string, number> = {};
    const changedTables: string[] = [];
    for (const [table, { rows: count, digest }] of Object.entries(now)) {
      if (table.startsWith("sunny_")) continue;
      const then = manifest.tables[table];
      if (then?.digest !== digest) changedTables.push(table);
      const more = Math.abs(count - (then?.rows ?? 0));
      if (more > 0) rows[table] = more;
    }
    return { rows, changedTables };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A full disk is better found before than in the middle: copy and archive need at most twice the database. */
async function requireSpace(
  { file, directory, freeBytes = freeBytesOf }: SqliteBackupOptions,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const needed = 2 * (await stat(file)).size;
  const free = await freeBytes(directory);
  if (free >= needed) return;
  const message = `No room for a backup in ${directory}: ${bytesText(free)} free, ${bytesText(needed)} needed; nothing was written`;
  throw new TerminalError("BACKUP_DISK_FULL", message);
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

async function explained<T>(
  { directory, file }: SqliteBackupOptions,
  scope: StepScope,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TerminalError || scope.signal.aborted) throw error;
    if (isDiskFull(error))
      throw new TerminalError("BACKUP_DISK_FULL", `The disk of ${directory} became full: ${messageOf(error)}`);
    throw new TerminalError("BACKUP_FAILED", `${file} cannot be backed up: ${messageOf(error)}`, null, {
      cause: error,
    });
  }
}
