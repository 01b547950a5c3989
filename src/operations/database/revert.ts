import { TerminalError, type DurableContext, type Probed, type StepScope } from "../../engine/context.ts";
import type { OperationCall, OperationReport } from "../../operation.ts";
import { readStep } from "../checks/findings.ts";
import type { AppliedMigration, SchemaState, SchemaStore } from "./ports.ts";

const ONE_MS = 600_000;
const READ_MS = 60_000;

/** What is to be taken back, newest first, and what was there. */
export interface Reversion {
  readonly now: readonly string[];
  readonly target: readonly string[];
  readonly undo: readonly { readonly id: string; readonly reversible: boolean }[];
}

/**
 * Takes back every applied migration that is not among `target`, newest first. A target of null is looked up: what is
 * recorded with `version`. Does nothing, and says so with both states, when the schema is there already.
 *
 * @param irreversible makes the error when one has no way back; asked before anything is done
 * @throws TerminalError MIGRATION_IRREVERSIBLE, SCHEMA_UNRECORDED, SCHEMA_BEHIND
 */
export async function revertTo(
  schema: SchemaStore,
  ctx: DurableContext,
  call: OperationCall<unknown>,
  target: readonly string[] | null,
  version: string,
  irreversible: (ids: readonly string[]) => Promise<Error> | Error = noWayBack,
): Promise<OperationReport> {
  const reversion = await readStep(ctx, call, "read", READ_MS, async (scope) =>
    reversionTo(await schema.state(scope.signal), target, version, irreversible),
  );
  const { now, target: wanted, undo } = reversion;
  if (undo.length === 0) {
    return {
      summary: `Not needed: ${schema.name} has the schema of ${version} (${listed(now)})`,
      data: { now, target: wanted, reverted: [] },
    };
  }
  for (const { id } of undo) {
    const fn = async (scope: StepScope): Promise<null> => {
      await schema.revert(id, scope);
      scope.log(`took back ${id}\n`);
      return null;
    };
    await ctx.step<null>(`${call.stepName}/revert-${id}`, fn, {
      disposition: { kind: "probe", probe: (scope) => isReverted(schema, id, scope) },
      deadlineMs: ONE_MS,
    });
  }
  const ids = undo.map(({ id }) => id);
  return {
    summary: `${schema.name} returned to the schema of ${version}: ${ids.join(", ")} taken back`,
    data: { now, target: wanted, reverted: ids },
  };
}

/** What `revertTo` would do to a schema in that state. @throws what `revertTo` throws before it does anything */
export async function reversionTo(
  state: SchemaState,
  target: readonly string[] | null,
  version: string,
  irreversible: (ids: readonly string[]) => Promise<Error> | Error,
): Promise<Reversion> {
  const found = reversionOf(state, target ?? recordedWith(state, version), version);
  const stuck = found.undo.filter(({ reversible }) => !reversible).map(({ id }) => id);
  if (stuck.length > 0) throw await irreversible(stuck);
  return found;
}

/** Which migrations were in force with a version. @throws TerminalError SCHEMA_UNRECORDED */
export function recordedWith(state: SchemaState, version: string): readonly string[] {
  const record = state.records.findLast((one) => one.version === version);
  if (record !== undefined) return record.migrations;
  const known = [...new Set(state.records.map((one) => one.version))];
  throw new TerminalError(
    "SCHEMA_UNRECORDED",
    `No schema is recorded with ${version}; there are records for ${known.length === 0 ? "no release" : known.join(", ")}`,
  );
}

function reversionOf({ applied }: SchemaState, target: readonly string[], version: string): Reversion {
  const now = applied.map(({ id }) => id);
  // Nothing was ever migrated here, so there is nothing of it to take back.
  if (now.length === 0) return { now, target, undo: [] };
  const behind = target.filter((id) => !now.includes(id));
  if (behind.length > 0) {
    const message = `The schema is older than that of ${version}, which needs ${behind.join(", ")}; nothing was changed`;
    throw new TerminalError("SCHEMA_BEHIND", message);
  }
  const undo = applied.filter(({ id }) => !target.includes(id)).toReversed();
  return { now, target, undo: undo.map((one: AppliedMigration) => ({ id: one.id, reversible: one.down !== null })) };
}

async function isReverted(schema: SchemaStore, id: string, scope: StepScope): Promise<Probed<null>> {
  await schema.raiseFence(scope);
  const { applied } = await schema.state(scope.signal);
  return applied.some((one) => one.id === id) ? { state: "not-done" } : { state: "done", value: null };
}

function noWayBack(ids: readonly string[]): Error {
  return new TerminalError(
    "MIGRATION_IRREVERSIBLE",
    `The schema cannot return by itself: ${ids.join(", ")} ${ids.length === 1 ? "has" : "have"} no way back; nothing was changed. Keep the schema when the older release works with it, or restore a backup`,
  );
}

function listed(ids: readonly string[]): string {
  return ids.length === 0
    ? "no migrations"
    : `${ids.length} ${ids.length === 1 ? "migration" : "migrations"}, last ${ids.at(-1)}`;
}
