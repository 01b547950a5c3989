import type { z } from "zod";
import type { DurableContext } from "./engine/context.ts";
import type { Json } from "./json.ts";
import type { System } from "./system/schema.ts";

/** What a step can change. Policy (window, approval, lease) follows from this, never from how the step was started. */
export type Subject =
  | "hosts"
  | "traffic"
  | "database"
  | "infrastructure"
  | "certificates"
  | "credentials"
  | "records"
  /** A foreign command of which nobody declared what it changes. */
  | "unknown";

/** A release as plans and hosts name it. `id` is `<version>-<first 12 hex digits of digest>`, the directory on a host. */
export interface ReleaseRef {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the archive, hex. */
  readonly digest: string;
  readonly id: string;
}

/** The releases that a plan is about: what it deploys, and what was active before; null where there is none. */
export interface Releases {
  readonly release: ReleaseRef | null;
  readonly previous: ReleaseRef | null;
}

/** One thing that was looked at, for people and for the evidence. */
export interface Finding {
  /** What was looked at: "certificate api.sunnypayments.com", "web-3", "index payments_by_merchant". */
  readonly subject: string;
  readonly ok: boolean;
  /** What was found, with figures and limits: "expires in 3 days, at least 14 are asked for". */
  readonly message: string;
}

/** What an operation gives back when it did its job. A failed one throws `TerminalError` with its findings in `details`. */
export interface OperationReport {
  /** One sentence, past tense: "4 hosts run 2.1.0". */
  readonly summary: string;
  readonly findings?: readonly Finding[];
  /** Facts kept in the journal for later steps and for the evidence: JSON, no secrets, references instead of bulk. */
  readonly data?: Json;
}

/** Everything about the deployment that an operation may need; frozen with the plan. */
export interface OperationCall<A> {
  readonly args: A;
  /** What `observe` returned when the plan was frozen; null when it observes nothing or is run inside a rollback. */
  readonly facts: Json;
  readonly system: System;
  /** The release that is being deployed; null when the run deploys nothing. */
  readonly release: ReleaseRef | null;
  /** The release that was active when the plan was frozen; null before the first deployment. */
  readonly previous: ReleaseRef | null;
  /** Names of durable steps start with this and a slash: the plan step's id. */
  readonly stepName: string;
  /** Who started the run: a person's name as the audit log keeps it. */
  readonly actor: string;
  /** "deploy" and "rollback" inside a deployment, "by-hand" for `sunny run` and the scripts. */
  readonly mode: "deploy" | "rollback" | "by-hand";
  /** Set when a hold interrupted the same operation in this run and it goes on: what stands half done is its own. */
  readonly again?: true;
  /** The run that acted, where a way back is carried out by another run than that; absent otherwise. */
  readonly actedIn?: string;
  /** Reports of the steps that ran before in the same run, by operation name. */
  readonly earlier: Readonly<Record<string, OperationReport>>;
}

/** The way back of a mutating operation; registered before the operation acts, and safe when it never did. */
export type WayBack<A> =
  | {
      readonly kind: "revert";
      /** For the plan: "hosts return to the release they had". */
      readonly describe: string;
      /** Brings the target to the state before (a state, not an inverse); "not needed" when it is there already. */
      run(ctx: DurableContext, call: OperationCall<A>): Promise<OperationReport>;
    }
  | { readonly kind: "none"; /** Why there is none, for the plan and the rehearsal. */ readonly why: string };

/**
 * What a step of a runbook can be. `run` is a workflow over the durable context: everything that touches the world is
 * a step of it, named `<call.stepName>/<part>`. Operations are built from ports by factories, so that the same ones
 * run against real adapters and in the simulated world.
 */
export interface Operation<A = unknown> {
  /** The name of its script without extension, and of `sunny run NAME`. */
  readonly name: string;
  /** Extension of the script that Sunny generates for it; null for operations without one. */
  readonly script: "sh" | "js" | null;
  /** For `sunny run` without a name: one line. */
  readonly title: string;
  /** Validates what a runbook or a person gave: long options by name, positionals under `_`. */
  readonly args: z.ZodType<A>;
  /** Why these arguments cannot be meant, as a sentence; null when they can. Asked before anything runs. */
  check?(args: A, system: System, about: Releases): string | null;
  /** Empty when it only reads. */
  readonly changes: readonly Subject[];
  /** Where it depends on the arguments whether it only reads: what it changes with these. */
  changesWith?(args: A): readonly Subject[];
  /** It brings back a good state (rollback, restart, renewal): no window, checklist or approval stands in its way. */
  readonly restores?: true;
  /** Upper bound for the whole operation, milliseconds; the plan shows it. */
  readonly deadlineMs: number;
  /** Asks the world when the plan is made; the answer is part of the digest, is read again before the step, and must not change between. */
  observe?(call: Omit<OperationCall<A>, "facts" | "earlier">): Promise<Json>;
  /** Looks, in durable steps, whether it may act; what it throws is a refusal before anything was changed. */
  guard?(ctx: DurableContext, call: OperationCall<A>): Promise<void>;
  run(ctx: DurableContext, call: OperationCall<A>): Promise<OperationReport>;
  /** Required when it changes anything. */
  readonly wayBack?: WayBack<A>;
}

/** What an operation changes when it is called with these arguments. */
export function changesOf(operation: Operation, args: unknown): readonly Subject[] {
  return operation.changesWith?.(args) ?? operation.changes;
}

/** Erases the argument type, for catalogues; the arguments are validated by `args` before `run` sees them. */
export function defineOperation<A>(operation: Operation<A>): Operation {
  return operation;
}
