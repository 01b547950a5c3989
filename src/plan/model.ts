import type { Rule } from "../analysis/rule.ts";
import type { Json } from "../json.ts";
import type { Binding } from "../operations/monitor/binding.ts";
import type { ReleaseRef, Subject } from "../operation.ts";
import type { Contact, Item, MaintenanceWindow } from "../runbook/model.ts";
import type { GateBinding, System } from "../system/schema.ts";

/** Version of the plan's own format; a plan of another format is refused, never guessed at. */
export const PLAN_FORMAT = 1;

/** Version of the rollback part alone, so that a newer Sunny can still carry out an older one. */
export const ROLLBACK_FORMAT = 1;

/** What the plan is for: the whole runbook, its rollback section, one operation by hand, or an operator procedure. */
export type PlanKind = "deploy" | "rollback" | "run" | "procedure";

/** What stands behind a command. */
export type StepSource =
  /** An operation that needs no script: terraform, curl, a subprocess, or one called by name. */
  | { readonly kind: "operation" }
  /** A script that is byte for byte the one Sunny generates; `found` says where. */
  | { readonly kind: "launcher"; readonly path: string; readonly found: ScriptPlace; readonly sha256: string }
  /** A script of somebody else's, or an edited one: it runs as it is. */
  | { readonly kind: "foreign"; readonly path: string; readonly found: ScriptPlace; readonly sha256: string };

export type ScriptPlace = "beside the runbook" | "in the configured scripts" | "built in";

export type PlannedWayBack =
  | { readonly kind: "revert"; readonly describe: string }
  | { readonly kind: "none"; readonly why: string };

export interface PlanStep {
  /** Unique in the plan; durable steps are journaled below it. */
  readonly id: string;
  readonly title: string;
  /** Title of the phase or procedure. */
  readonly phase: string;
  /** In the runbook; 0 for steps that Sunny adds. */
  readonly line: number;
  /** The command as the runbook has it, or what Sunny adds and why. */
  readonly text: string;
  readonly operation: string;
  /** Validated; placeholders resolved. */
  readonly args: Json;
  readonly when: "always" | "if-needed";
  /** `revert` runs the operation's way back instead of the operation. */
  readonly direction: "run" | "revert";
  readonly changes: readonly Subject[];
  /** Null for steps that only read. */
  readonly wayBack: PlannedWayBack | null;
  readonly deadlineMs: number;
  readonly source: StepSource;
  /** What the operation observed when the plan was frozen. */
  readonly facts: Json;
}

/** An item of the checklist, and what opens it; `line` is in the runbook. */
export interface PlanGate {
  readonly id: string;
  readonly group: string;
  readonly text: string;
  readonly line: number;
  readonly binding: GateBinding;
}

/** An item of the closing checklist; `operation` when Sunny can show it itself, else a person does and says so. */
export interface PlanClosing {
  readonly id: string;
  readonly group: string;
  readonly text: string;
  readonly line: number;
}

/** A running step of another plan, as part of which a plan is carried out. */
export interface PlanWithin {
  readonly run: string;
  /** Id of the step in that plan. */
  readonly step: string;
  /** Digest of that plan. */
  readonly digest: string;
}

export interface PlanRollback {
  readonly format: number;
  /** The release that hosts and schema go back to. */
  readonly target: ReleaseRef;
  readonly steps: readonly PlanStep[];
  /** Ids among `steps` that the runbook does not mention and Sunny added, since something applied needs them. */
  readonly added: readonly string[];
}

/** Everything that decides what will happen. Frozen: any change means another digest, and another approval. */
export interface Plan {
  readonly format: number;
  readonly kind: PlanKind;
  readonly sunny: string;
  readonly workflow: { readonly name: string; readonly version: number };
  readonly service: string;
  readonly environment: string;
  readonly runbook: { readonly file: string; readonly digest: string; readonly version: string | null } | null;
  readonly release: ReleaseRef | null;
  /** Active when the plan was frozen; null before the first deployment. */
  readonly previous: ReleaseRef | null;
  /** Who made the plan; may not approve it. */
  readonly author: string;
  /** Why, for the record; asked for by auditors. */
  readonly reason: string;
  readonly gates: readonly PlanGate[];
  readonly windows: readonly MaintenanceWindow[];
  readonly approvals: System["approvals"];
  readonly phases: readonly { readonly title: string; readonly steps: readonly PlanStep[] }[];
  readonly rules: readonly Rule[];
  /** Which metrics answer for the rules, as they were found when the plan was made; null when nothing is watched. */
  readonly metrics: Binding | null;
  /** Null when there is nothing to go back to; `noWayBackAccepted` must then be true. */
  readonly rollback: PlanRollback | null;
  readonly noWayBackAccepted: boolean;
  readonly closing: readonly PlanClosing[];
  /** The step of another plan that this one is part of: what it needs was given to that plan. Absent otherwise. */
  readonly within?: PlanWithin;
  /** The run whose recorded rollback this plan carries out in its place. Absent otherwise. */
  readonly takesBack?: string;
  readonly contacts: readonly Contact[];
  readonly escalation: readonly Item[];
  readonly compliance: readonly string[];
  readonly system: System;
  /** `sha256:<hex>` over the canonical JSON of all of the above. */
  readonly digest: string;
}

/** Every step of the phases, in order. */
export function planSteps(plan: Pick<Plan, "phases">): readonly PlanStep[] {
  return plan.phases.flatMap((phase) => phase.steps);
}

/** True when carrying out the plan changes something. */
export function changesAnything(plan: Pick<Plan, "phases">): boolean {
  return planSteps(plan).some((step) => step.changes.length > 0);
}
