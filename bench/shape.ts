/** One line of a benchmark. Every figure is finite; a ratio above 1 means that Sunny is better. */
export interface BenchRow {
  readonly case: string;
  readonly ours: number;
  readonly peers: Readonly<Record<string, number>>;
  readonly unit: string;
  readonly ratio: Readonly<Record<string, number>>;
  /** What else was measured, by name. */
  readonly [more: string]: unknown;
}

/** What a benchmark prints as its last line. */
export interface BenchResult {
  readonly bench: string;
  readonly rows: readonly BenchRow[];
  /** Peers that are not installed on this machine. */
  readonly missing?: readonly string[];
  /** Bars that the benchmark is held to, and whether they were met. */
  readonly bars?: readonly { readonly bar: string; readonly value: number; readonly met: boolean }[];
  readonly [more: string]: unknown;
}

/** What `bench/<name>/main.ts` exports as `run`. `log` is for people and goes to stderr. */
export type RunBench = (options: {
  readonly json: boolean;
  readonly log: (line: string) => void;
}) => Promise<BenchResult>;
