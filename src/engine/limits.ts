/** Bounds of the engine; every one in milliseconds or bytes. */
export interface EngineLimits {
  /** How long a lease lasts without renewal; default 15 s, renewed every third of it. */
  readonly leaseMs: number;
  /** How often rows of other processes are looked for; default 250 ms. */
  readonly pollMs: number;
  /** How long a step may take to end once its signal aborted; default 10 s. */
  readonly graceMs: number;
  /** Bound of one probe, one fence raise, and of a rerun under an interrupt; default 30 s. */
  readonly settleMs: number;
  /** Output kept of one step; default 256 KiB. */
  readonly outputBytes: number;
  /** Largest input, output or value; default 4 MiB. */
  readonly payloadBytes: number;
}

/** What holds where nothing else is said. */
export const DEFAULT_LIMITS: EngineLimits = {
  leaseMs: 15_000,
  pollMs: 250,
  graceMs: 10_000,
  settleMs: 30_000,
  outputBytes: 256 * 1024,
  payloadBytes: 4 * 1024 * 1024,
};
