import { DatabaseSync } from "node:sqlite";
import type { EscalationState } from "../notify/escalation.ts";

/** Keeps where each escalation of a run stands, so that a resumed run does not ask from the beginning. */
export interface EscalationStore {
  load(run: string, question: string): EscalationState | null;
  /** Durable when it returns. */
  save(run: string, question: string, state: EscalationState): void;
  close(): void;
}

/** In an SQLite file, which may be shared with other tables. */
export function sqliteEscalations(file: string): EscalationStore {
  const db = new DatabaseSync(file, { timeout: 5_000 });
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec(
    "CREATE TABLE IF NOT EXISTS escalation (run TEXT NOT NULL, question TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (run, question)) STRICT, WITHOUT ROWID",
  );
  return {
    load(run, question) {
      const row = db.prepare("SELECT state FROM escalation WHERE run = ? AND question = ?").get(run, question);
      return row === undefined ? null : (JSON.parse(String(row["state"])) as EscalationState);
    },
    save(run, question, state) {
      db.prepare("INSERT OR REPLACE INTO escalation (run, question, state) VALUES (?, ?, ?)").run(
        run,
        question,
        JSON.stringify(state),
      );
    },
    close: () => db.close(),
  };
}
