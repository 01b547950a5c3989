import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import type { TableSummary } from "../../operations/database/ports.ts";
import { quoted } from "./connection.ts";

/** Rows between two turns of the event loop, so that heartbeats go on and an abort is noticed. */
const ROWS_A_TURN = 2_000;

/** Rows and content digest of every table, SQLite's internal ones left out. */
export async function tableSummaries(db: DatabaseSync, signal?: AbortSignal): Promise<Record<string, TableSummary>> {
  const summaries: Record<string, TableSummary> = {};
  const tables = db.prepare(
    "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name",
  );
  for (const { name, wr } of tables.all()) {
    const table = String(name);
    if (!table.startsWith("sqlite_")) summaries[table] = await tableSummary(db, table, wr === 1, signal);
  }
  return summaries;
}

/**
 * The digest is SHA-256 over one line of JSON a row, in the order of the key, each value marked with its type (text,
 * integer, blob as hex, real number), so that equal content gives equal digests in every copy and nothing else does.
 */
async function tableSummary(
  db: DatabaseSync,
  table: string,
  withoutRowid: boolean,
  signal?: AbortSignal,
): Promise<TableSummary> {
  const statement = db.prepare(
    `SELECT * FROM ${quoted(table)} ORDER BY ${withoutRowid ? keyColumns(db, table) : "rowid"}`,
  );
  statement.setReadBigInts(true);
  statement.setReturnArrays(true);
  const hash = createHash("sha256");
  let rows = 0;
  for (const row of statement.iterate()) {
    hash.update(`${JSON.stringify(row, plain)}\n`);
    rows += 1;
    if (rows % ROWS_A_TURN === 0) {
      signal?.throwIfAborted();
      await turn();
    }
  }
  return { rows, digest: hash.digest("hex") };
}

function keyColumns(db: DatabaseSync, table: string): string {
  const keys = db.prepare("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk").all(table);
  return keys.map(({ name }) => quoted(String(name))).join(", ");
}

function plain(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === "string") return `t${value}`;
  if (typeof value === "bigint") return `i${value}`;
  if (typeof value === "number" && !Number.isFinite(value)) return `r${value}`;
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString("hex")}`;
  return value;
}
