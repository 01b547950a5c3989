import type { WorkflowDef } from "./context.ts";
import type { RecordedError } from "./rows.ts";
import type { RunRecord } from "./storage.ts";

/** Why none of `defs` can go on with this run; undefined when one can. A run is never carried on by guessing. */
export function versionError(
  run: Pick<RunRecord, "id" | "workflow" | "version">,
  defs: readonly WorkflowDef<never, unknown>[],
): RecordedError | undefined {
  const sameName = defs.filter(({ name }) => name === run.workflow);
  if (sameName.some(({ version }) => version === run.version)) return undefined;
  const versions = sameName.map(({ version }) => version);
  const has = versions.length === 0 ? "does not have that workflow" : `has version ${versions.join(", ")}`;
  return {
    code: "WORKFLOW_VERSION",
    message: `Run ${run.id} was started with version ${run.version} of workflow "${run.workflow}"; this Sunny ${has}`,
    details: { workflow: run.workflow, version: run.version, have: versions },
  };
}
