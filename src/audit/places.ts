import path from "node:path";

/** Where the record of an environment is kept, below its state directory. */
export interface AuditPlaces {
  /** Journal and audit rows, one SQLite file. */
  readonly journal: string;
  /** The published log: tiles and checkpoint. */
  readonly log: string;
  /** Second place of the checkpoints. */
  readonly copy: string;
  /** Private key that signs checkpoints, 0600. */
  readonly signer: string;
  /** Verifier key for whoever checks the log. */
  readonly verifier: string;
}

/** The places of an environment whose state is in `stateDir`. */
export function auditPlaces(stateDir: string, copyDir: string): AuditPlaces {
  return {
    journal: path.join(stateDir, "journal.db"),
    log: path.join(stateDir, "audit"),
    copy: copyDir,
    signer: path.join(stateDir, "keys", "audit.key"),
    verifier: path.join(stateDir, "keys", "audit.pub"),
  };
}
