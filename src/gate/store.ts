/** A statement that somebody handed in, as it was stored. */
export type StoredStatement =
  | { readonly kind: "approval"; readonly signed: string }
  | { readonly kind: "attestation"; readonly gate: string; readonly signed: string }
  | { readonly kind: "attestation"; readonly gate: string; readonly text: string; readonly osUser: string };

/** A statement, and the run that it has let begin: it counts for no other. Null: it is still to be used. */
export type KeptStatement = StoredStatement & { readonly usedBy: string | null };

/** Statements about a plan, kept by its digest in the order in which they came. */
export interface StatementStore {
  list(digest: string): readonly KeptStatement[];
  add(digest: string, statement: StoredStatement): void;
  /** Gives `runId` every statement about the plan that no run has used yet; of two that ask at once one gets each. */
  use(digest: string, runId: string): void;
}
