import { rfc3339 } from "../clock.ts";
import { canonicalJson, sha256 } from "../json.ts";
import type { Json } from "../json.ts";
import type { AttemptEnd, Control, JournalRow, Outcome } from "./rows.ts";

/**
 * Where the evidence of a journal row goes. All calls come from within the journal's transaction or right after it, so
 * that neither the row nor the leaf exists without the other.
 */
export interface LeafSink {
  /** Idempotent by `key`; throws when it cannot be written, and then the row is not written either. */
  append(key: string, leaf: unknown): void;
  /** The transaction is durable. */
  committed(): void;
  /** The transaction was undone: forget what was appended since the last `committed`. */
  rolledBack(): void;
  /** Settles when everything committed is also covered by a signed checkpoint. */
  flush(): unknown;
}

/** The leaf of a row. `environment` is the run's. */
export type ToLeaf = (row: JournalRow, environment: string) => unknown;

/** What acts, and from where. */
export interface LeafOrigin {
  readonly service: string;
  readonly host: string;
  readonly pid: number;
}

type LeafOutcome = "success" | "failure" | "started" | "denied" | "unknown" | "cancelled";

/**
 * Makes the leaf that a row leaves: who, what, when, on what and how it ended, with the SHA-256 of the row's canonical
 * content. Values of steps are in it by digest only; errors, requests and reasons as they are.
 */
export function leafOf(origin: LeafOrigin): ToLeaf {
  return (row, environment) => {
    const { action, outcome, detail } = describe(row);
    return {
      v: 1,
      at: rfc3339(row.at),
      actor: actorOf(row),
      action,
      outcome,
      origin: { host: origin.host, pid: origin.pid },
      resource: {
        service: origin.service,
        environment,
        deployment: row.run,
        ...(row.name === null ? {} : { step: row.name }),
      },
      detail: { attempt: row.attempt, ...detail },
      journal: { seq: row.seq, sha256: rowDigest(row) },
    };
  };
}

/** SHA-256 of a row's canonical content in hex: what its leaf says about it. */
export function rowDigest(row: JournalRow): string {
  return sha256(canonicalJson(row));
}

/** Whoever asked is a person, except for a watcher; what follows from it is done by Sunny on their behalf. */
function actorOf(row: JournalRow): { name: string; kind: "person" | "system"; via?: string } {
  if (row.type === "started" || row.type === "resumed") return { name: row.actor, kind: "person" };
  if (row.type !== "control") return { name: row.actor, kind: "person", via: "sunny" };
  const { control } = row.data as unknown as { readonly control: Control };
  const isWatcher = control.kind === "interrupt" && control.reason.kind !== "abort";
  return { name: row.actor, kind: isWatcher ? "system" : "person" };
}

interface Description {
  readonly action: string;
  readonly outcome: LeafOutcome;
  readonly detail: { readonly [key: string]: Json };
}

function describe(row: JournalRow): Description {
  const kind = row.kind ?? "run";
  switch (row.type) {
    case "started":
      return { action: "run.started", outcome: "started", detail: { run: row.data } };
    case "resumed":
      return { action: "run.resumed", outcome: "started", detail: { lease: row.data } };
    case "intent":
      return { action: `${kind}.started`, outcome: "started", detail: {} };
    case "attempt": {
      const end = row.data as unknown as AttemptEnd;
      return {
        action: `${kind}.attempt-ended`,
        outcome: end.result === "unknown" ? "unknown" : "failure",
        detail: { cause: end.cause, error: { ...end.error } },
      };
    }
    case "outcome":
      return { action: `${kind}.ended`, ...ended(row.data as unknown as Outcome) };
    case "interrupted":
      return { action: `${kind}.interrupted`, outcome: "cancelled", detail: { delivery: row.data } };
    case "control": {
      const { control } = row.data as unknown as { readonly control: Control };
      return { action: `run.${control.kind}-requested`, outcome: "success", detail: { request: row.data } };
    }
    case "refused":
      return { action: "run.request-refused", outcome: "denied", detail: { refusal: row.data } };
    case "nested":
      return { action: "run.nested-started", outcome: "started", detail: { nested: row.data } };
    case "held":
      return { action: "run.held", outcome: "unknown", detail: { question: row.data } };
    case "paused":
      return { action: "run.paused", outcome: "cancelled", detail: { reason: row.data } };
    case "end": {
      const end = row.data as { readonly error?: Json } | null;
      const failed = end?.error !== undefined;
      return {
        action: "run.ended",
        outcome: failed ? "failure" : "success",
        detail: failed ? { error: end.error! } : {},
      };
    }
  }
}

function ended(outcome: Outcome): Omit<Description, "action"> {
  switch (outcome.result) {
    case "ok":
      return { outcome: "success", detail: {} };
    case "resolved":
      return { outcome: "success", detail: { as: outcome.as, by: outcome.by, control: outcome.control } };
    case "timed-out":
      return { outcome: "failure", detail: { timedOut: true } };
    case "failed":
      return { outcome: "failure", detail: { error: { ...outcome.error } } };
    case "abandoned":
      return { outcome: "unknown", detail: { error: { ...outcome.error } } };
  }
}
