import type { LatencyCounts } from "../../analysis/metrics.ts";

/** Values by the start of their period, milliseconds. */
export type Values = ReadonlyMap<number, number>;

/** Starts of periods, ascending: those that count, and those of them that were not given yet. */
export interface Periods {
  readonly all: readonly number[];
  readonly fresh: readonly number[];
}

/**
 * What was given out of one host. Values may arrive after their period was read, errors after the requests that they are
 * part of; what a period shows more than it did is then given with the next one, and nothing twice.
 */
export class Given {
  /** Start of the first period that counts: what is before is not part of the watch. */
  readonly #from: number;
  /** End of the last period that was given out. */
  #upTo: number;
  readonly #counts = new Map<string, number>();

  constructor(from: number) {
    this.#from = from;
    this.#upTo = from;
  }

  periodsOf(times: Iterable<number>): Periods {
    const all = [...new Set(times)].filter((time) => time >= this.#from).toSorted((a, b) => a - b);
    return { all, fresh: all.filter((time) => time >= this.#upTo) };
  }

  /** What `figure` counted since it was given last; undefined without a value for a new period, NaN with a broken one. */
  count(figure: string, values: Values | undefined, periods: Periods): number | undefined {
    if (values === undefined || !periods.fresh.some((time) => values.has(time))) return undefined;
    return this.sparse(figure, values, periods);
  }

  /** The same for a figure that is reported only when there is something to report: no value is 0. */
  sparse(figure: string, values: Values, periods: Periods): number {
    const known = periods.all.filter((time) => values.has(time));
    if (known.some((time) => periods.fresh.includes(time) && !isCount(values.get(time)))) return Number.NaN;
    let sum = 0;
    for (const time of known) sum += this.#more(`${figure} ${time}`, values.get(time)!);
    return sum;
  }

  /** The histogram since it was given last: `ranks` are percentages within each of `edges`. NaN where a rank is missing. */
  latency(
    durations: Values | undefined,
    edges: readonly number[],
    ranks: readonly (Values | undefined)[],
    periods: Periods,
  ): LatencyCounts | undefined {
    if (durations === undefined || !periods.fresh.some((time) => durations.has(time))) return undefined;
    const rows = periods.all.flatMap((time) => {
      const total = durations.get(time);
      if (total === undefined) return [];
      const within = ranks.map((rank) => (total === 0 ? 0 : (total * (rank?.get(time) ?? Number.NaN)) / 100));
      return [{ time, total, within, whole: isCount(total) && within.every(isCount) }];
    });
    // Total and parts of a period belong together, so a broken one is left for when it is whole.
    if (rows.some(({ time, whole }) => !whole && periods.fresh.includes(time))) {
      return { edges, counts: edges.map(() => Number.NaN), total: Number.NaN };
    }
    const counts = edges.map(() => 0);
    let sum = 0;
    for (const { time, total, within } of rows.filter((row) => row.whole)) {
      sum += this.#more(`durations ${time}`, total);
      for (const [i, part] of within.entries()) counts[i]! += this.#more(`within ${edges[i]} ${time}`, part);
    }
    return { edges, counts, total: sum };
  }

  /** Ends a reading: the periods up to `end` were given, those before `start` are not asked for any more. */
  done(end: number, start: number): void {
    this.#upTo = Math.max(this.#upTo, end);
    for (const key of this.#counts.keys()) {
      if (Number(key.slice(key.lastIndexOf(" ") + 1)) < start) this.#counts.delete(key);
    }
  }

  #more(key: string, value: number): number {
    const before = this.#counts.get(key) ?? 0;
    if (!isCount(value) || value <= before) return 0;
    this.#counts.set(key, value);
    return value - before;
  }
}

function isCount(value: number | undefined): boolean {
  return value !== undefined && Number.isFinite(value) && value >= 0;
}
