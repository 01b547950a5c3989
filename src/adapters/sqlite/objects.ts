import type { DatabaseSync } from "node:sqlite";
import type { SchemaObjects } from "../../operations/database/ports.ts";
import { isOwn } from "./connection.ts";

interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly tbl_name: string;
  readonly sql: string | null;
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  readonly dflt_value: string | null;
  readonly pk: number;
  readonly hidden: number;
}

/**
 * Everything in the schema by kind and name, with a definition that is the same for the same meaning: white space,
 * comments and the case of what is not quoted count for nothing. Columns stand for themselves, so that a missing one can be named.
 */
export function schemaObjects(db: DatabaseSync): SchemaObjects {
  const objects: Record<string, string> = {};
  const rows = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all();
  for (const row of rows as unknown as SchemaRow[]) {
    // Indexes without SQL come with a constraint, which is part of the table's own definition.
    if (row.sql === null || isOwn(row.tbl_name) || row.name.startsWith("sqlite_")) continue;
    objects[`${row.type} ${row.name}`] = normalised(row.sql);
    if (row.type !== "table") continue;
    for (const column of db.prepare("SELECT * FROM pragma_table_xinfo(?)").all(row.name) as unknown as ColumnRow[]) {
      objects[`column ${row.name}.${column.name}`] = columnText(column);
    }
  }
  return objects;
}

function columnText({ type, notnull, dflt_value, pk, hidden }: ColumnRow): string {
  const parts = [type.toUpperCase()];
  if (notnull === 1) parts.push("NOT NULL");
  if (dflt_value !== null) parts.push(`DEFAULT ${dflt_value}`);
  if (pk > 0) parts.push(`PRIMARY KEY ${pk}`);
  if (hidden > 0) parts.push("GENERATED");
  return parts.join(" ");
}

/** SQL with comments out, white space reduced and words in small letters; quoted text stays as it is. */
export function normalised(sql: string): string {
  const tokens = sql.match(
    /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\/|\s+|[\w$.]+|./g,
  );
  let text = "";
  let gap = false;
  for (const token of tokens ?? []) {
    if (/^(?:\s|--|\/\*)/.test(token)) {
      gap = true;
      continue;
    }
    if (gap && /[\w$.'"`\]]$/.test(text) && /^[\w$.'"`[]/.test(token)) text += " ";
    text += /^\w/.test(token) ? token.toLowerCase() : token;
    gap = false;
  }
  return text;
}
