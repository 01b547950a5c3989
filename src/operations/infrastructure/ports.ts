import type { StepScope } from "../../engine/context.ts";
import type { ReleaseRef } from "../../operation.ts";
import type { Fleet, LoadBalancer, PublicEndpoint } from "../rollout/ports.ts";

/** The files of a folder of a release, by their path in it; empty when the release has no such folder. */
export interface ConfigurationSource {
  /** @throws TerminalError when the release's archive is missing or was altered. */
  files(release: ReleaseRef, folder: string): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** What an apply will do to one resource. */
export interface ResourceChange {
  readonly address: string;
  readonly action: "create" | "update" | "delete" | "replace" | "read" | "forget";
  /** Attributes that change, `name: before → after`, sensitive ones as "(sensitive)". */
  readonly attributes: readonly string[];
}

/** A plan that was saved to a file, which is what an apply applies, and nothing else. */
export interface SavedPlan {
  readonly changes: readonly ResourceChange[];
  /** SHA-256 of the saved plan file, hex: an apply refuses another. */
  readonly sha256: string;
  /** "Terraform v1.11.4". */
  readonly program: string;
}

/** What was applied last, kept with the state. */
export interface AppliedRecord {
  /** Digest of the configuration folder, `sha256:<hex>`. */
  readonly digest: string;
  readonly releaseId: string;
  readonly version: string;
  /** RFC 3339. */
  readonly at: string;
}

/** Terraform or a compatible program. One working folder; the state and the record of what is applied stay in it. */
export interface Terraform {
  /** Path of the program; null when none of the configured ones is on this machine. */
  program(): Promise<string | null>;
  /** Whether there is a state to compare with. */
  hasState(): Promise<boolean>;
  applied(): Promise<AppliedRecord | null>;
  remember(record: Omit<AppliedRecord, "at">, scope: StepScope): Promise<void>;
  /** Writes `files` as the configuration, initialises and saves a plan. @throws TerminalError TERRAFORM_FAILED */
  plan(files: ReadonlyMap<string, Uint8Array>, scope: StepScope): Promise<SavedPlan>;
  /** The plan that was saved last; null when there is none. */
  saved(): Promise<SavedPlan | null>;
  /** Applies exactly the saved plan of that digest. @throws TerminalError TERRAFORM_PLAN_STALE, TERRAFORM_FAILED */
  apply(sha256: string, scope: StepScope): Promise<void>;
  /** The plan whose apply began and did not report its end; null when there is none. */
  interrupted(): Promise<string | null>;
  /** Compares the world with the state; the changes are the drift. */
  drift(scope: StepScope): Promise<{ readonly drifted: boolean; readonly changes: readonly string[] }>;
}

/** What the operations on the infrastructure need of the world. */
export interface InfrastructurePorts {
  readonly configuration: ConfigurationSource;
  readonly terraform: Terraform;
  readonly fleet: Pick<Fleet, "read">;
  readonly loadBalancer: Pick<LoadBalancer, "read">;
  readonly publicEndpoint: PublicEndpoint;
}
