import { z } from "zod";
import { TerminalError, type DurableContext } from "../../engine/context.ts";
import type { Json } from "../../json.ts";
import { defineOperation, type Operation, type OperationCall, type ReleaseRef } from "../../operation.ts";
import { readStep } from "../checks/findings.ts";
import { parseMigrations } from "./migrations.ts";
import type { DatabasePorts, SchemaState } from "./ports.ts";
import { reversionTo, revertTo } from "./revert.ts";

const args = z.strictObject({
  _: z.array(z.string()).max(0, "takes no arguments but --version").default([]),
  /** The version whose schema is wanted. */
  version: z.string().min(1),
});
type Args = z.output<typeof args>;

type RollbackPorts = Pick<DatabasePorts, "schema" | "migrations" | "releases" | "backups" | "serving">;

/** `rollback-db`: brings the schema back to the one recorded with a version, by down migrations in reverse order. */
export function rollbackDatabaseOperation(ports: RollbackPorts): Operation {
  return defineOperation<Args>({
    name: "rollback-db",
    script: "sh",
    title: "Returns the database to the schema of an earlier version",
    args,
    changes: ["database"],
    restores: true,
    deadlineMs: 3_600_000,
    guard: (ctx, call) => refuseWhatIsInUse(ctx, ports, call),
    run: async (ctx, call) => {
      const { version } = call.args;
      const target = await readStep(ctx, call, "target", 60_000, (scope) =>
        targetOf(ports, version, call.previous, scope.signal),
      );
      return revertTo(ports.schema, ctx, call, target, version, (ids) => backupInstead(ports, ids));
    },
    wayBack: { kind: "none", why: "it is a way back itself; `migrate` applies the newer migrations again" },
  });
}

/**
 * In a rollback the runbook's order counts. By hand a schema that the running release needs stays: without it every host
 * would fail its health check at once.
 */
async function refuseWhatIsInUse(ctx: DurableContext, ports: RollbackPorts, call: OperationCall<Args>): Promise<void> {
  if (call.mode !== "by-hand") return;
  const { version } = call.args;
  await readStep(ctx, call, "guard", 60_000, async (scope) => {
    const target = await targetOf(ports, version, call.previous, scope.signal);
    const [state, serving] = await Promise.all([ports.schema.state(scope.signal), ports.serving(scope.signal)]);
    const { undo } = await reversionTo(state, target, version, (ids) => backupInstead(ports, ids));
    const needed = (releaseId: string): string[] => {
      const record = state.records.find((one) => one.releaseId === releaseId);
      return undo.filter(({ id }) => record?.migrations.includes(id)).map(({ id }) => id);
    };
    const using = serving.filter((one) => needed(one.releaseId).length > 0);
    const [first] = using;
    if (first === undefined) return null;
    const hosts = using.map(({ host }) => host).join(", ");
    const message = `Nothing was changed: ${hosts} ${using.length === 1 ? "serves" : "serve"} ${first.version}, which works with ${needed(first.releaseId).join(", ")}. Bring the hosts back first, with rollback --version ${version}`;
    throw new TerminalError("SCHEMA_IN_USE", message);
  });
}

/** What is recorded with the version; where nothing is, the migrations of the release's own archive. */
export async function targetOf(
  ports: Pick<DatabasePorts, "schema" | "migrations" | "releases">,
  version: string,
  previous: ReleaseRef | null,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const state: SchemaState = await ports.schema.state(signal);
  // A version may have been packed more than once: the release that was active is meant, else the newest record.
  const exact = state.records.find((one) => one.releaseId === previous?.id && one.version === version);
  const record = exact ?? state.records.findLast((one) => one.version === version || one.releaseId === version);
  if (record !== undefined) return record.migrations;
  const [release] = await ports.releases.find(version);
  if (release !== undefined) return parseMigrations(await ports.migrations.read(release), release).map(({ id }) => id);
  const known = [...new Set(state.records.map((one) => one.version))].join(", ");
  throw new TerminalError(
    "SCHEMA_UNRECORDED",
    `No schema is recorded with ${version} and there is no release of that version; recorded are: ${known === "" ? "none" : known}`,
  );
}

/** Names the backup that a person could restore, with what that would lose. */
async function backupInstead({ backups, schema }: RollbackPorts, ids: readonly string[]): Promise<Error> {
  const { applied } = await schema.state();
  const firstAt = applied.find((one) => ids.includes(one.id))?.appliedAt ?? "";
  const all = await backups.list();
  const backup = all.find((one) => one.proof !== null && one.at <= firstAt);
  const stuck = `${ids.join(", ")} ${ids.length === 1 ? "has" : "have"} no way back; nothing was changed`;
  if (backup === undefined) {
    return new TerminalError("MIGRATION_IRREVERSIBLE", `${stuck}. There is no proved backup from before it either`, {
      ids,
    });
  }
  const lost = await backups.lostWrites(backup);
  const rows = Object.entries(lost.rows).map(([table, count]) => `${count} rows of ${table}`);
  const losing =
    rows.length === 0 && lost.changedTables.length === 0
      ? "nothing"
      : rows.length === 0
        ? `changes in ${lost.changedTables.join(", ")}`
        : rows.join(", ");
  const message = `${stuck}. The way back is restoring backup ${backup.id} of ${backup.at}, which a person must decide: since then it would lose at least ${losing}`;
  return new TerminalError("MIGRATION_IRREVERSIBLE", message, {
    ids,
    backup: backup.id,
    lost: lost as unknown as Json,
  });
}
