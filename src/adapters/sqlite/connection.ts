import { constants, DatabaseSync } from "node:sqlite";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { sleep, type Clock } from "../../clock.ts";
import { TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";

/** Between two attempts at a lock that another process holds. Waiting inside SQLite would stop this whole process. */
const RETRY_MS = 20;

/** One attempt inside SQLite, short for the same reason. */
const INNER_TIMEOUT_MS = 10;

/**
 * Opens an existing database. One that is missing is an error and never made anew: an empty one would look as if all data
 * were gone.
 *
 * @throws TerminalError DATABASE_UNREACHABLE naming the file and the reason
 */
export function openDatabase(file: string, options: { readonly readOnly: boolean }): DatabaseSync {
  if (!existsSync(file)) throw new TerminalError("DATABASE_UNREACHABLE", `There is no database at ${file}`);
  const url = pathToFileURL(file);
  url.searchParams.set("mode", options.readOnly ? "ro" : "rw");
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(url, { readOnly: options.readOnly, timeout: INNER_TIMEOUT_MS });
    // Opening reads nothing: a file that is no database shows itself at the first query only.
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    return db;
  } catch (error) {
    if (db !== undefined && isBusy(error)) return db;
    db?.close();
    throw new TerminalError("DATABASE_UNREACHABLE", `The database ${file} cannot be opened: ${messageOf(error)}`);
  }
}

/** Opens, runs `work`, closes whatever happened. */
export async function withDatabase<T>(
  file: string,
  options: { readonly readOnly: boolean },
  work: (db: DatabaseSync) => Promise<T> | T,
): Promise<T> {
  const db = openDatabase(file, options);
  try {
    return await work(db);
  } finally {
    db.close();
  }
}

export interface LockWait {
  readonly clock: Clock;
  /** At most this long, milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` in a transaction that may write from its start, and returns its result after the commit. Anything thrown
 * undoes the whole.
 *
 * @throws TerminalError DATABASE_LOCKED when the right to write did not come in time; nothing happened then
 */
export async function writeTransaction<T>(db: DatabaseSync, wait: LockWait, work: () => T): Promise<T> {
  await retried(wait, () => db.exec("BEGIN IMMEDIATE"));
  try {
    const result = work();
    await retried(wait, () => db.exec("COMMIT"));
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** Runs `work` again while another process holds the lock it needs. @throws TerminalError DATABASE_LOCKED */
export async function retried<T>({ clock, timeoutMs, signal }: LockWait, work: () => T): Promise<T> {
  const until = clock.monotonic() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (clock.monotonic() >= until) {
        const message = `The database is locked: another process held it for more than ${timeoutMs} ms`;
        throw new TerminalError("DATABASE_LOCKED", message);
      }
    }
    await sleep(clock, RETRY_MS, signal);
  }
}

/** True for SQLITE_BUSY and SQLITE_LOCKED in all their extended forms. */
export function isBusy(error: unknown): boolean {
  return [5, 6].includes(errorCode(error));
}

/** True for SQLITE_FULL, and for a write that the file system refused. */
export function isDiskFull(error: unknown): boolean {
  if (errorCode(error) === 13) return true;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
}

function errorCode(error: unknown): number {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return 0;
  return error.errcode & 0xff;
}

/** Quotes a name for SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Runs SQL of a migration so that it cannot leave the transaction it is in, reach another file, or touch the ledger.
 *
 * @throws Error of SQLite, "not authorized" for what is not allowed
 */
export function execConfined(db: DatabaseSync, sql: string): void {
  const forbidden = new Set<number>([constants.SQLITE_TRANSACTION, constants.SQLITE_ATTACH, constants.SQLITE_DETACH]);
  db.setAuthorizer((action, first, second) => {
    if (forbidden.has(action)) return constants.SQLITE_DENY;
    const writes =
      action === constants.SQLITE_INSERT || action === constants.SQLITE_UPDATE || action === constants.SQLITE_DELETE;
    const drops = action === constants.SQLITE_DROP_TABLE;
    if ((writes || drops) && isOwn(first)) return constants.SQLITE_DENY;
    if (action === constants.SQLITE_ALTER_TABLE && isOwn(second)) return constants.SQLITE_DENY;
    return constants.SQLITE_OK;
  });
  try {
    db.exec(sql);
  } finally {
    db.setAuthorizer(null);
  }
}

/** Sunny's own tables. */
export function isOwn(table: string | null): boolean {
  return table !== null && table.toLowerCase().startsWith("sunny_");
}
