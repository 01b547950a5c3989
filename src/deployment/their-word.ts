import type { Json } from "../json.ts";
import type { RollbackDecision } from "./rollback.ts";

/** What of a rollback rests on a person's word and not on what Sunny saw: one sentence for each decision. */
export function onTheirWord(decisions: readonly Json[]): string[] {
  const taken = decisions as readonly (Partial<RollbackDecision> & { readonly title?: string })[];
  return taken.flatMap(({ as, by, reason, title }) => {
    if (as !== "done" && as !== "skip") return [];
    const what = as === "done" ? "was done by hand" : "was left out";
    return [`"${title}" ${what}, says ${by}${reason === undefined || reason === "" ? "" : `: ${reason}`}`];
  });
}
