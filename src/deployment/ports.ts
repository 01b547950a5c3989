import type { Json } from "../json.ts";
import type { Operation, ReleaseRef } from "../operation.ts";
import type { Plan, PlanGate, PlanStep } from "../plan/model.ts";
import type { NestedChange } from "./nested.ts";

/** How a gate turned out. "attested" is somebody's word, never shown as a check. */
export interface GateOutcome {
  readonly id: string;
  readonly text: string;
  readonly state: "passed" | "attested" | "failed" | "missing";
  /** The check, or the person. */
  readonly by: string;
  /** What was found, or what is missing and how it is given. */
  readonly evidence: string;
}

/** What a plan still needs before anything may change, and what it has. JSON. */
export interface Permission {
  /** Sentences for people: what is missing and the command that gives it. Empty: go. */
  readonly missing: readonly string[];
  /** Sentences about what forbids it for good: a denial. */
  readonly denied: readonly string[];
  /** Who gave what: "window override by CTO (PGP 6B1F...)". */
  readonly given: readonly string[];
  readonly attested: readonly GateOutcome[];
  /** Milliseconds to wait for what is missing, before it counts as denied. */
  readonly waitMs: number;
}

export interface Notice {
  readonly event: "started" | "waiting" | "succeeded" | "rolled-back" | "refused" | "held" | "rolling-back";
  /** Tells several notices of one event in a run apart; absent for those that come once. */
  readonly key?: string;
  readonly text: string;
  readonly detail: Json;
}

/** What the workflow needs besides operations. All of it is called within durable steps. */
export interface DeploymentPorts {
  readonly operations: ReadonlyMap<string, Operation>;
  /** Windows, approvals and attestations as they stand now. What lets the run begin counts for no other run. */
  permission(plan: Plan, runId: string): Promise<Permission>;
  /** Carries out a gate that is bound to a command. */
  commandGate(gate: PlanGate, plan: Plan, log: (text: string) => void, signal: AbortSignal): Promise<GateOutcome>;
  /** The release that is active in the environment now; null when none is. */
  activeRelease(plan: Plan): Promise<ReleaseRef | null>;
  /** Reads again what the step's operation observed when the plan was frozen. */
  observe(plan: Plan, step: PlanStep): Promise<Json>;
  /** What runs that steps of a run have started did or may have done, oldest first. Absent: steps can start none. */
  nested?(runId: string): readonly NestedChange[];
  /** Records and tells people; never throws for a channel that does not answer. */
  notify(plan: Plan, runId: string, notice: Notice): Promise<void>;
}

/** What `sunny status` and the terminal view read while a deployment runs. */
export interface Progress {
  readonly stage: "gates" | "permission" | "phases" | "rollback" | "closing" | "ended";
  /** Plan step that is running; null between steps. */
  readonly current: string | null;
  readonly done: readonly string[];
  readonly failed: readonly string[];
  /** Steps that had nothing to do, with what was compared. */
  readonly notNeeded: readonly string[];
  /** Summary by step id. */
  readonly summaries: Readonly<Record<string, string>>;
  readonly gates: readonly GateOutcome[];
  readonly waitingFor: readonly string[];
  readonly given: readonly string[];
  /** Why it is going back; null while it is not. */
  readonly reason: string | null;
}

export interface ClosingItem {
  readonly id: string;
  readonly text: string;
  /** "shown": a step of this deployment shows it. "open": a person does it and says so. */
  readonly state: "shown" | "open";
  readonly by: string;
}

/** The end of a deployment. `held` is no end: it is a state of the run. */
export interface DeploymentOutput {
  readonly outcome: "succeeded" | "rolled-back" | "refused";
  /** Why it did not succeed. */
  readonly reason: string | null;
  /** The step that failed, or the rule that was breached. */
  readonly cause: string | null;
  readonly gates: readonly GateOutcome[];
  readonly given: readonly string[];
  readonly summaries: Readonly<Record<string, string>>;
  readonly notNeeded: readonly string[];
  /** Decisions that people took while it was held. */
  readonly decisions: readonly Json[];
  readonly closing: readonly ClosingItem[];
}
