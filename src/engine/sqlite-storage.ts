import type { DatabaseSync, StatementSync } from "node:sqlite";

import type { Json } from "../json.ts";
import type { HistoryRow, JournalRow, OperationKind, RowDraft, RowType } from "./rows.ts";
import { journalError } from "./sqlite-errors.ts";
import type {
  EnvironmentRecord,
  JournalStorage,
  OutputChunk,
  RunFrozen,
  RunProgress,
  RunRecord,
  StorageReader,
  StorageTransaction,
} from "./storage.ts";

/** What SQLite keeps in a column. */
export type Cell = null | number | bigint | string | Uint8Array;

/** Statements are prepared when they are first needed, and read as arrays: on replay that halves the time. */
class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      statement.setReturnArrays(true);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }

  run(sql: string, ...values: Cell[]): number {
    return Number(this.#prepare(sql).run(...values).lastInsertRowid);
  }

  first(sql: string, ...values: Cell[]): Cell[] | undefined {
    return this.#prepare(sql).get(...values) as Cell[] | undefined;
  }

  all(sql: string, ...values: Cell[]): Cell[][] {
    return this.#prepare(sql).all(...values) as unknown as Cell[][];
  }
}

/** Columns of a row in the order in which `toRow` reads them. */
export const ROW = "seq, run, type, op, kind, name, attempt, actor, at, data";

function reader(statements: Statements, guard: <T>(work: () => T) => T): StorageReader {
  const first = (sql: string, ...values: Cell[]) => guard(() => statements.first(sql, ...values));
  const all = (sql: string, ...values: Cell[]) => guard(() => statements.all(sql, ...values));
  return {
    run: (id) => toRun(first("SELECT frozen, progress FROM runs WHERE id = ?", id)),
    progress: (id) => {
      const cells = first("SELECT progress FROM runs WHERE id = ?", id);
      return cells === undefined ? undefined : (JSON.parse(String(cells[0])) as RunProgress);
    },
    runs: (limit) =>
      all("SELECT frozen, progress FROM runs ORDER BY created_at DESC, rowid DESC LIMIT ?", limit).map((cells) =>
        toRun(cells)!,
      ),
    history: (run) =>
      all(
        "SELECT seq, type, op, kind, name, attempt, data FROM rows WHERE run = ? AND type <> 'control' ORDER BY seq",
        run,
      ).map(toHistory),
    rowsAfter: (seq, run, limit) =>
      run === null
        ? all(`SELECT ${ROW} FROM rows WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit).map(toRow)
        : all(`SELECT ${ROW} FROM rows WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?`, run, seq, limit).map(toRow),
    controlsAfter: (seq, run) =>
      all(`SELECT ${ROW} FROM rows WHERE run = ? AND seq > ? AND type = 'control' ORDER BY seq`, run, seq).map(toRow),
    lastSeq: () => Number(first("SELECT max(seq) FROM rows")?.[0] ?? 0),
    environment: (name) =>
      toEnvironment(first("SELECT name, token, occupied_by, occupied_since FROM environments WHERE name = ?", name)),
    status: (run) => {
      const cells = first("SELECT at, value FROM statuses WHERE run = ?", run);
      return cells === undefined ? undefined : { at: Number(cells[0]), value: JSON.parse(String(cells[1])) as Json };
    },
    output: (run, step, afterSeq) =>
      (step === null
        ? all(
            "SELECT seq, run, step, attempt, at, text FROM output WHERE run = ? AND seq > ? ORDER BY seq",
            run,
            afterSeq,
          )
        : all(
            "SELECT seq, run, step, attempt, at, text FROM output WHERE run = ? AND step = ? AND seq > ? ORDER BY seq",
            run,
            step,
            afterSeq,
          )
      ).map(toChunk),
    outputBytes: (run, step) =>
      Number(
        first("SELECT sum(length(CAST(text AS BLOB))) FROM output WHERE run = ? AND step = ?", run, step)?.[0] ?? 0,
      ),
  };
}

function writer(statements: Statements, read: StorageReader): StorageTransaction {
  return {
    ...read,
    insertRun: (run) => {
      const {
        id,
        root,
        createdAt,
        workflow,
        version,
        environment,
        actor,
        input,
        meta,
        supersedes,
        within,
        ...progress
      } = run;
      const frozen = { id, root, workflow, version, environment, actor, input, meta, supersedes, within, createdAt };
      statements.run(
        "INSERT INTO runs (id, root, created_at, frozen, progress) VALUES (?, ?, ?, ?, ?)",
        id,
        root,
        createdAt,
        JSON.stringify(frozen satisfies RunFrozen),
        JSON.stringify(progress satisfies RunProgress),
      );
    },
    updateRun: (id, changes) => {
      const progress = { ...read.progress(id), ...changes };
      statements.run("UPDATE runs SET progress = ? WHERE id = ?", JSON.stringify(progress), id);
    },
    append: (row: RowDraft, at: number) =>
      statements.run(
        "INSERT INTO rows (run, type, op, kind, name, attempt, actor, at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        row.run,
        row.type,
        row.op,
        row.kind,
        row.name,
        row.attempt,
        row.actor,
        at,
        JSON.stringify(row.data),
      ),
    putEnvironment: (record) => {
      statements.run(
        "INSERT OR REPLACE INTO environments (name, token, occupied_by, occupied_since) VALUES (?, ?, ?, ?)",
        record.name,
        record.token,
        record.occupiedBy,
        record.occupiedSince,
      );
    },
    putStatus: (run, value, at) => {
      statements.run(
        "INSERT OR REPLACE INTO statuses (run, at, value) VALUES (?, ?, ?)",
        run,
        at,
        JSON.stringify(value),
      );
    },
    appendOutput: (chunk) => {
      statements.run(
        "INSERT INTO output (run, step, attempt, at, text) VALUES (?, ?, ?, ?, ?)",
        chunk.run,
        chunk.step,
        chunk.attempt,
        chunk.at,
        chunk.text,
      );
    },
  };
}

/** Keeps a journal in an open SQLite database; the tables must exist. */
export function sqliteStorage(db: DatabaseSync, path: string, authority: string): JournalStorage {
  const statements = new Statements(db);
  const guard = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw journalError(error, path);
    }
  };
  const read = reader(statements, guard);
  const tx = writer(statements, read);
  return {
    authority,
    read,
    transaction: (work) =>
      guard(() => {
        db.exec("BEGIN IMMEDIATE");
        try {
          const result = work(tx);
          db.exec("COMMIT");
          return result;
        } catch (error) {
          // A full disk may have rolled back already; a second ROLLBACK would hide the first error.
          if (db.isTransaction) db.exec("ROLLBACK");
          throw error;
        }
      }),
    changeCounter: () => Number(guard(() => statements.first("PRAGMA data_version"))?.[0] ?? 0),
    close: () => db.close(),
  };
}

function toRun(cells: Cell[] | undefined): RunRecord | undefined {
  if (cells === undefined) return undefined;
  const frozen = JSON.parse(String(cells[0])) as RunFrozen;
  return { ...frozen, within: frozen.within ?? null, ...(JSON.parse(String(cells[1])) as RunProgress) };
}

function toHistory(cells: Cell[]): HistoryRow {
  return {
    seq: cells[0] as number,
    type: cells[1] as RowType,
    op: cells[2] as number | null,
    kind: cells[3] as OperationKind | null,
    name: cells[4] as string | null,
    attempt: cells[5] as number,
    data: cells[6] as string,
  };
}

/** Makes a row from its cells; throws when its data is no JSON. */
export function toRow(cells: Cell[]): JournalRow {
  return {
    seq: cells[0] as number,
    run: cells[1] as string,
    type: cells[2] as RowType,
    op: cells[3] as number | null,
    kind: cells[4] as OperationKind | null,
    name: cells[5] as string | null,
    attempt: cells[6] as number,
    actor: cells[7] as string,
    at: cells[8] as number,
    data: JSON.parse(cells[9] as string) as Json,
  };
}

function toEnvironment(cells: Cell[] | undefined): EnvironmentRecord | undefined {
  if (cells === undefined) return undefined;
  return {
    name: cells[0] as string,
    token: cells[1] as number,
    occupiedBy: cells[2] as string | null,
    occupiedSince: cells[3] as number | null,
  };
}

function toChunk(cells: Cell[]): OutputChunk {
  return {
    seq: cells[0] as number,
    run: cells[1] as string,
    step: cells[2] as string,
    attempt: cells[3] as number,
    at: cells[4] as number,
    text: cells[5] as string,
  };
}
