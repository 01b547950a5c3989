import { permissionSignal } from "../deployment/permission.ts";
import type { Sunny } from "../main.ts";
import type { Plan } from "../plan/model.ts";
import { planOf } from "./runs.ts";

/** Tells every run that waits for permission to carry out `plan` to look again; later looks are covered as well. */
export function wakeWaiting(sunny: Sunny, plan: Plan, by: string): void {
  for (const run of sunny.journal.read.runs(100)) {
    if (run.endedAt !== null || planOf(run).digest !== plan.digest) continue;
    const looks = sunny.journal.read
      .history(run.id)
      .filter((row) => row.type === "outcome" && row.name?.startsWith("permission/look-"));
    // The look after the last one that is journaled may have read the statements already, and be about to wait.
    for (const look of [looks.length, looks.length + 1]) {
      if (look > 0) sunny.engine.request(run.id, { kind: "signal", name: permissionSignal(look), value: null }, { by });
    }
  }
}
