import { SunnyError } from "../errors.ts";

/** The refusal of an id that the journal does not know. */
export function unknownRun(runId: string): SunnyError {
  return new SunnyError("RUN_UNKNOWN", `There is no run ${runId} in this journal`, {
    place: { deployment: runId },
    hint: "List what was run with `sunny status`.",
  });
}
