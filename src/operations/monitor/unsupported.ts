import { isSunnyError } from "../../errors.ts";
import { diagnostic, type Diagnostic } from "../../runbook/diagnostic.ts";
import type { Runbook } from "../../runbook/model.ts";
import { rulesFromThreshold } from "./rules.ts";

/**
 * The thresholds that no rule can test, each at its own line and with the reason: all of them, so that nobody has to plan
 * again for each.
 */
export function unsupportedThresholds(runbook: Runbook): Diagnostic[] {
  return runbook.thresholds.flatMap((threshold) => {
    try {
      rulesFromThreshold(threshold);
      return [];
    } catch (error) {
      if (!isSunnyError(error)) throw error;
      const remedy = error.hint === undefined || error.hint === "" ? {} : { remedy: error.hint };
      return [diagnostic("PL203", runbook.file, threshold, { message: `${error.message}.`, ...remedy })];
    }
  });
}
