/** What can be wrong with an audit log. */
export type ProblemKind =
  | "CHECKPOINT_MISSING"
  | "CHECKPOINT_INVALID"
  | "COPY_MISSING"
  | "COPY_INVALID"
  | "DATABASE_DAMAGED"
  | "DATABASE_UNREADABLE"
  | "FILE_ALTERED"
  | "FILE_EXTRA"
  | "FILE_MISSING"
  | "FORKED"
  | "HOST_COPY_INVALID"
  | "HOST_COPY_MISSING"
  | "JOURNAL_ALTERED"
  | "JOURNAL_MISSING"
  | "LEAF_ALTERED"
  | "LEAF_MISSING"
  | "LOST_TAIL"
  | "ROLLED_BACK"
  | "ROOT_MISMATCH"
  | "ROW_ALTERED"
  | "ROW_MISSING";

/** One thing that is wrong, where, and what to do. */
export interface Problem {
  readonly kind: ProblemKind;
  readonly message: string;
  readonly remedy: string;
  /** Path of the file. */
  readonly file?: string;
  /** Index of the leaf, from 0. */
  readonly leaf?: number;
}

const REMEDIES: Readonly<Record<ProblemKind, string>> = {
  CHECKPOINT_MISSING: "Find out who removed it, then write it again from the database with `sunny audit repair`.",
  CHECKPOINT_INVALID: "Find out who changed it, then write it again from the database with `sunny audit repair`.",
  COPY_MISSING:
    "Bring the second place back, or begin a new one with `sunny audit repair --new-copy`: what it knew is lost then.",
  COPY_INVALID:
    "Find out who changed it, verify `--against` a checkpoint kept elsewhere, then `sunny audit repair --new-copy`.",
  DATABASE_DAMAGED: "Restore the database from a backup; the published entries still show what was recorded.",
  DATABASE_UNREADABLE: "Give the path and the rights to read the journal's database.",
  FILE_ALTERED: "The database holds the same data: `sunny audit repair` sets the file aside and writes it again.",
  FILE_EXTRA: "Find out who put the file there; it is no part of the log. `sunny audit repair` sets it aside.",
  FILE_MISSING: "The database holds the same data: `sunny audit repair` writes the file again.",
  FORKED: "One of the two was rewritten: keep both, and ask who had access to key and files.",
  HOST_COPY_INVALID:
    "Find out who changed `.sunny/checkpoint` on that host; remove it, and the next deployment writes it again.",
  HOST_COPY_MISSING:
    "Make a server reachable that was deployed to by SSH, which keeps one (a host on this machine keeps none), or verify `--against` a checkpoint kept elsewhere.",
  JOURNAL_ALTERED: "Keep the database as evidence; resume nothing from it: restore it from a backup.",
  JOURNAL_MISSING: "Keep the database as evidence; resume nothing from it: restore it from a backup.",
  LEAF_ALTERED: "The database holds what was recorded: `sunny audit repair` sets the file aside and writes it again.",
  LEAF_MISSING: "The database holds what was recorded: `sunny audit repair` sets the file aside and writes it again.",
  LOST_TAIL: "Restore the newest database; nothing may be started before.",
  ROLLED_BACK: "Restore the newest state directory, and find out who put the old one back.",
  ROOT_MISMATCH: "Restore the log's directory from a backup; neither entries nor hashes are those that were signed.",
  ROW_ALTERED: "Keep the database as evidence; the published entries show what was recorded.",
  ROW_MISSING: "Keep the database as evidence; the published entries show what was recorded.",
};

const MAX_PROBLEMS = 1000;

/** Collects what a verification finds. Stops keeping problems at 1,000, which is no way to hide one. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly notes: string[] = [];

  add(kind: ProblemKind, message: string, where: { readonly file?: string; readonly leaf?: number } = {}): void {
    if (this.problems.length >= MAX_PROBLEMS) return;
    this.problems.push({ kind, message, remedy: REMEDIES[kind], ...where });
  }

  note(text: string): void {
    this.notes.push(text);
  }
}
