import type { JournalRow } from "../engine/rows.ts";

export interface Took {
  readonly startedAt: number;
  /** Null while something of it runs. */
  readonly endedAt: number | null;
  readonly ms: number;
}

/** A durable sleep under way; times are milliseconds since the epoch. */
export interface Sleeping {
  readonly name: string;
  readonly since: number;
  readonly until: number;
}

/** When the steps of a plan began and ended, from the rows of their durable parts (`<step>/<part>`). */
export class StepTimes {
  readonly #parts = new Map<string, { startedAt: number; endedAt: number; open: Set<string> }>();
  readonly #now: () => number;
  #sleeping: Sleeping | null = null;
  #waitingUntil: number | null = null;
  #lastAt: number | null = null;
  #lastSeq = 0;

  /** `ids`: of the plan's steps and gates; a row belongs to the longest that its name begins with. */
  constructor(ids: readonly string[], now: () => number) {
    for (const id of ids) this.#parts.set(id, { startedAt: 0, endedAt: 0, open: new Set() });
    this.#now = now;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Takes in rows in the order of `seq`. */
  add(rows: readonly JournalRow[]): void {
    for (const row of rows) this.#addRow(row);
  }

  of(id: string): Took | null {
    const part = this.#parts.get(id);
    if (part === undefined || part.startedAt === 0) return null;
    const endedAt = part.open.size === 0 ? part.endedAt : null;
    return { startedAt: part.startedAt, endedAt, ms: (endedAt ?? this.#now()) - part.startedAt };
  }

  sleeping(): Sleeping | null {
    return this.#sleeping;
  }

  /** When the wait at hand ends by itself; null when it never does. */
  waitingUntil(): number | null {
    return this.#waitingUntil;
  }

  lastAt(): number | null {
    return this.#lastAt;
  }

  /** Names of durable steps that are open now. */
  openParts(): string[] {
    return [...this.#parts.values()].flatMap((part) => [...part.open]);
  }

  #addRow(row: JournalRow): void {
    this.#lastSeq = row.seq;
    this.#lastAt = row.at;
    if (row.name === null || row.kind === null) return;
    if (row.kind === "sleep" || row.kind === "wait") this.#addWait(row);
    const id = this.#owner(row.name);
    const part = id === undefined ? undefined : this.#parts.get(id);
    if (part === undefined) return;
    if (part.startedAt === 0) part.startedAt = row.at;
    if (row.type === "intent") part.open.add(row.name);
    if (row.type === "outcome" || row.type === "interrupted") part.open.delete(row.name);
    part.endedAt = row.at;
  }

  #addWait(row: JournalRow): void {
    const over = row.type !== "intent";
    const deadline = over ? null : deadlineOf(row.data);
    if (row.kind === "wait") this.#waitingUntil = deadline;
    else this.#sleeping = deadline === null ? null : { name: row.name ?? "", since: row.at, until: deadline };
  }

  #owner(name: string): string | undefined {
    let best: string | undefined;
    for (const id of this.#parts.keys()) {
      if ((name === id || name.startsWith(`${id}/`)) && id.length > (best?.length ?? -1)) best = id;
    }
    return best;
  }
}

/** Sleeps and waits journal their absolute deadline. */
function deadlineOf(data: unknown): number | null {
  if (typeof data !== "object" || data === null) return null;
  const { deadline } = data as { deadline?: unknown };
  return typeof deadline === "number" ? deadline : null;
}
