import { DatabaseSync } from "node:sqlite";
import { sqliteIntervalStore, watchesIn } from "../adapters/sqlite/intervals.ts";
import { canonicalJson } from "../json.ts";
import type { IntervalStore } from "../operations/monitor/ports.ts";
import type { Arms } from "../operations/rollout/ports.ts";

/** The arms of a watch as they were set last; `generation` counts the changes from 1. */
export interface KeptArms {
  readonly generation: number;
  readonly arms: Arms;
}

/** Arms and intervals of every watch, in a file of their own, so that a resumed run goes on with the evidence it had. */
export class WatchStore {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#db = new DatabaseSync(file, { timeout: 5_000 });
    this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    this.#db.exec(
      "CREATE TABLE IF NOT EXISTS watch_arms (watch TEXT PRIMARY KEY, generation INTEGER NOT NULL, arms TEXT NOT NULL) STRICT",
    );
  }

  arms(watch: string): KeptArms | null {
    const row = this.#db.prepare("SELECT generation, arms FROM watch_arms WHERE watch = ?").get(watch);
    if (row === undefined) return null;
    return { generation: Number(row["generation"]), arms: JSON.parse(String(row["arms"])) as Arms };
  }

  /** Keeps arms that differ from those before; gives back what counts now. */
  setArms(watch: string, arms: Arms): KeptArms {
    const before = this.arms(watch);
    if (before !== null && canonicalJson(before.arms) === canonicalJson(arms)) return before;
    const generation = (before?.generation ?? 0) + 1;
    this.#db
      .prepare("INSERT OR REPLACE INTO watch_arms (watch, generation, arms) VALUES (?, ?, ?)")
      .run(watch, generation, canonicalJson(arms));
    return { generation, arms };
  }

  intervals(watch: string): IntervalStore {
    return sqliteIntervalStore(this.#db, watch);
  }

  /** Watches that have kept intervals, newest first. */
  watches(limit: number): readonly string[] {
    return watchesIn(this.#db, limit);
  }

  close(): void {
    this.#db.close();
  }
}
