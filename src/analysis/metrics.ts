import type { Millis } from "../clock.ts";

/** Cumulative histogram of durations: `counts[i]` of `total` requests took at most `edges[i]` seconds, edges ascending. */
export interface LatencyCounts {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
  readonly total: number;
}

/**
 * What a source says of one host at one time. Counters only ever grow (until the process restarts) when `mode` is
 * `cumulative`; with `windowed` they are the counts since the host's previous sample. A member that is missing is not measured.
 */
export interface HostSample {
  readonly host: string;
  /** When the values held, by the source's clock, milliseconds since the epoch. */
  readonly at: Millis;
  readonly mode: "cumulative" | "windowed";
  readonly requests?: number;
  readonly errors?: number;
  readonly latency?: LatencyCounts;
  /** CPU seconds used (a counter), and cores that may be used. */
  readonly cpuSeconds?: number;
  readonly cpuLimitCores?: number;
  /** Shares of what may be used, 0 to 1, where the source knows them directly. */
  readonly cpuShare?: number;
  readonly memoryShare?: number;
  readonly dbConnections?: number;
  readonly dbConnectionsMax?: number;
  readonly queueLength?: number;
  /** When the process started, seconds since the epoch: tells a restart from a counter that went back for no reason. */
  readonly startedAtSeconds?: number;
}

/** A host that gave nothing usable, and why, as one sentence for people. */
export interface HostFailure {
  readonly host: string;
  readonly failed: string;
}

export type HostReading = HostSample | HostFailure;

/** Where the figures come from. One bad host is a `HostFailure` in the answer, never a rejection. */
export interface MetricSource {
  /** For people: "scrape of 4 hosts", "Prometheus at http://…". */
  readonly name: string;
  /**
   * Reads each host once, at once; answers in the order of `hosts`.
   * A rejection (whole source down) makes every arm blind for the interval.
   */
  read(hosts: readonly string[], signal: AbortSignal): Promise<readonly HostReading[]>;
  /** How often the source has new figures, milliseconds; absent when it is whenever it is asked. */
  readonly stepMs?: number;
  /** Errors of successive intervals of the past, oldest first, for learning the interval length; absent where nothing is kept. */
  past?(hosts: readonly string[], options: PastOptions): Promise<readonly PastInterval[]>;
}

/** Which stretch of the past is asked for, and in which steps; milliseconds. */
export interface PastOptions {
  readonly fromMs: Millis;
  readonly toMs: Millis;
  readonly stepMs: number;
  readonly signal: AbortSignal;
}

/** All hosts together in one step of the past. */
export interface PastInterval {
  readonly requests: number;
  readonly errors: number;
}
