/** What the load generator is told to do. Paths are absolute; times in milliseconds unless they say otherwise. */
export interface LoadSettings {
  /** The address as customers know it; the certificate must be for its host. `http:` goes without one. */
  readonly url: string;
  /** Where it is really reached, `ip:port`, as curl's `--connect-to`; default the host and port of `url`. */
  readonly connect?: string;
  /** Certificates (PEM) that are trusted instead of the system's. */
  readonly caFile?: string;
  /** Requests begun per second, whatever the answers take (open loop); default 220. */
  readonly ratePerSecond?: number;
  /** The generator ends by itself after this time; default 600. */
  readonly maxSeconds?: number;
  /** ... and after this many requests; default 1,000,000. */
  readonly maxRequests?: number;
  /** Above this many unanswered requests the next ones are counted as not sent; default 1,000. */
  readonly maxInFlight?: number;
  /** Connections that are kept and used again; default 32. */
  readonly connections?: number;
  /** A request without an answer after this time is failed, its outcome unknown; default 10,000. */
  readonly timeoutMs?: number;
  /** Append-only file of what was acknowledged. */
  readonly ledgerFile: string;
  /** The mix is drawn from this seed; default 1. */
  readonly seed?: number;
  /** How often a failed or unknown POST is sent again with its key; default 0, so that failures cannot hide. */
  readonly retries?: number;
  /** Pause before each of these; default 200. */
  readonly retryDelayMs?: number;
  /** Requests that take `slowSeconds` each, one begun every so many seconds; default 0, none. */
  readonly slowEverySeconds?: number;
  readonly slowSeconds?: number;
  /** Websockets that are held open and used once a second; default 0. */
  readonly websockets?: number;
}

/** Lines that the generator takes on stdin. The end of its stdin stops it as well. */
export type LoadCommand =
  | { readonly do: "rate"; readonly perSecond: number }
  | { readonly do: "summary" }
  | { readonly do: "stop" };

/** A failed request, as far as it is known. */
export interface Failure {
  /** RFC 3339. */
  readonly at: string;
  readonly kind: RequestKind;
  /** Status of the answer, or the code of the error that came instead of one. */
  readonly why: string;
  /** Release and host that answered; "none" when no answer of the service arrived. */
  readonly version: string;
  readonly host: string;
}

export type RequestKind = "create" | "read" | "refund" | "slow";

/** What was seen of one release. */
export interface VersionSummary {
  readonly requests: number;
  readonly failed: number;
  /** Answers later than 500 ms. */
  readonly slow: number;
  readonly p95Ms: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly firstFailedAt: string | null;
  readonly firstSlowAt: string | null;
}

/** Counts since the start. `sent` = `answered` + failed without an answer + in flight. */
export interface LoadSummary {
  readonly event: "summary";
  readonly at: string;
  readonly seconds: number;
  readonly sent: number;
  readonly answered: number;
  /** Answers that are not what was asked for, and requests without one. Retries do not heal a failure. */
  readonly failed: number;
  readonly inFlight: number;
  /** Requests that were due and not begun, since too many were unanswered. */
  readonly notSent: number;
  readonly retried: number;
  readonly retriedOk: number;
  readonly acknowledged: { readonly payments: number; readonly refunds: number };
  readonly byKind: Readonly<Record<string, number>>;
  readonly byStatus: Readonly<Record<string, number>>;
  /** By the `x-app-version` of the answers; "none" for requests without an answer of the service. */
  readonly byVersion: Readonly<Record<string, VersionSummary>>;
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number };
  /** The first hundred. */
  readonly failures: readonly Failure[];
  readonly websockets: { readonly open: number; readonly echoes: number; readonly closed: number };
}

/** Lines that the generator writes on stdout. */
export type LoadEvent =
  | { readonly event: "started"; readonly at: string; readonly pid: number }
  | {
      readonly event: "tick";
      readonly at: string;
      /** Counts of the last second. */
      readonly sent: number;
      readonly answered: number;
      readonly failed: number;
      readonly inFlight: number;
      readonly p95Ms: number;
      readonly byVersion: Readonly<Record<string, { readonly requests: number; readonly failed: number }>>;
    }
  | { readonly event: "first-failure"; readonly at: string; readonly version: string; readonly why: string }
  | LoadSummary
  | { readonly event: "error"; readonly message: string };
