import type { Millis } from "../../clock.ts";

/** How a deployment stands, as the first line of the view shows it. */
export type ViewState =
  | "waiting"
  | "running"
  | "paused"
  | "rolling-back"
  | "held"
  | "succeeded"
  | "rolled-back"
  | "refused";

/** How a step stands; `attested` is for gates, `reverted` for steps that were taken back. */
export type StepState = "pending" | "running" | "done" | "failed" | "skipped" | "held" | "attested" | "reverted";

/** One step or gate. */
export interface ViewStep {
  readonly id: string;
  readonly title: string;
  readonly state: StepState;
  /** How long it took, or has been running; absent before it starts. Milliseconds. */
  readonly ms?: number;
  /** One short line: what it found, why it was skipped. */
  readonly note?: string;
}

/** A phase of the runbook, the gates, the rollback: a heading with steps. */
export interface ViewPhase {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly ViewStep[];
}

/** How a host stands in a rollout. */
export type HostState =
  | "serving"
  | "draining"
  | "drained"
  | "installing"
  | "activating"
  | "confirming"
  | "healthy"
  | "reverting"
  | "reverted"
  | "down"
  | "unknown";

export interface ViewHost {
  readonly name: string;
  readonly state: HostState;
  /** Version that answers; null when unknown. */
  readonly version: string | null;
  /** Percent of the traffic it gets; null when unknown. */
  readonly weight: number | null;
  /** Requests or sessions in flight; null when unknown. */
  readonly sessions: number | null;
}

/** Part of the traffic by version; percent, together 100. */
export interface ViewShare {
  readonly version: string;
  readonly percent: number;
}

/** As in the analysis: no data is `blind`. */
export type RuleVerdict = "healthy" | "degraded" | "undecided" | "blind";

/** One watched limit on one arm. */
export interface ViewRule {
  readonly id: string;
  readonly name: string;
  readonly arm: "canary" | "baseline" | "fleet";
  /** Latest value in `unit`; null without data. */
  readonly value: number | null;
  /** In `unit`; null for comparisons. */
  readonly limit: number | null;
  /** What the hosts with the release before show meanwhile, in `unit`; null or absent when there is nothing to compare with. */
  readonly baseline?: number | null;
  /** `%`, `ms`, or empty. */
  readonly unit: string;
  readonly verdict: RuleVerdict;
  /** "e-value 14 of 100 needed". */
  readonly evidence?: string;
  /** The last values in `unit`, oldest first, for the sparkline; null is an interval without data. At most 60 are shown. */
  readonly recent: readonly (number | null)[];
}

/** A bake, a drain: something that ends by itself. */
export interface ViewProgress {
  readonly title: string;
  /** Of which: "canary". */
  readonly what?: string;
  readonly since: Millis;
  readonly until: Millis;
}

/** Something that a person must do. */
export interface ViewWaiting {
  /** "approval by CTO", "decision on step migrate". */
  readonly for: string;
  readonly since: Millis;
  /** When it ends by itself; null when it never does. */
  readonly until: Millis | null;
  /** A command that answers it: `sunny approve d-118`. */
  readonly command?: string;
}

/** One line of output of a step, scrubbed. */
export interface ViewLog {
  readonly at: Millis;
  readonly text: string;
  readonly step?: string;
}

/** Everything that the terminal view shows; plain data, JSON. Times are milliseconds since the epoch. */
export interface ViewModel {
  readonly deployment: string;
  readonly service: string;
  readonly environment: string;
  /** Version that was active before; null on a first deployment. */
  readonly from: string | null;
  /** Version that is deployed; null when none is (an operator procedure). */
  readonly to: string | null;
  /** `sha256:<hex>`; the view shortens it. */
  readonly planDigest: string;
  readonly state: ViewState;
  /** Why it ended or is held, one sentence. */
  readonly reason?: string;
  readonly started: Millis;
  readonly ended: Millis | null;
  readonly phases: readonly ViewPhase[];
  readonly hosts: readonly ViewHost[];
  readonly traffic: readonly ViewShare[];
  readonly rules: readonly ViewRule[];
  readonly progress: ViewProgress | null;
  readonly waiting: ViewWaiting | null;
  /** Newest last; the view shows the last few. */
  readonly log: readonly ViewLog[];
  /** What is wrong and needs attention, one sentence each. */
  readonly problems: readonly string[];
}
