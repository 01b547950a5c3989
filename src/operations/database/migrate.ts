import { z } from "zod";
import { TerminalError, type DurableContext, type StepScope } from "../../engine/context.ts";
import {
  defineOperation,
  type Operation,
  type OperationCall,
  type OperationReport,
  type ReleaseRef,
} from "../../operation.ts";
import { readStep } from "../checks/findings.ts";
import { parseMigrations, planMigrations } from "./migrations.ts";
import type { DatabasePorts, Migration } from "./ports.ts";
import { recognisedMigrations, schemaDifferences } from "./schema-difference.ts";
import { revertTo } from "./revert.ts";

/** One migration, with the wait for the database's write lock. */
const ONE_MS = 600_000;
const READ_MS = 60_000;

const args = z.strictObject({
  _: z.array(z.string()).max(0, "takes no arguments").default([]),
  /** The environment that is meant; must be the configured one. */
  env: z.string(),
  /** The last migration to apply: its id or its number. */
  to: z.string().optional(),
});
type Args = z.output<typeof args>;

/** What `observe` finds, as part of the plan: what will be applied, and what can be taken back. */
type MigrationFacts = {
  readonly release: string;
  readonly applied: readonly string[];
  /** Migrations whose schema is there without a record; they are recorded, not run. */
  readonly adopted: readonly string[];
  readonly pending: readonly { readonly id: string; readonly checksum: string; readonly reversible: boolean }[];
};

type MigrationPorts = Pick<DatabasePorts, "schema" | "migrations">;

/** `migrate`: brings the database to the release's migrations, each in one transaction with its record. */
export function migrateOperation(ports: MigrationPorts): Operation {
  return defineOperation<Args>({
    name: "migrate",
    script: "js",
    title: "Applies the release's pending database migrations",
    args,
    changes: ["database"],
    deadlineMs: 3_600_000,
    observe: async (call) => {
      requireEnvironment(call);
      return await observed(ports, call);
    },
    run: (ctx, call) => migrate(ports, ctx, call),
    wayBack: {
      kind: "revert",
      describe: "the database returns to the schema it had, by down migrations; an irreversible one waits for a person",
      run: async (ctx, call) => {
        const facts = call.facts as unknown as MigrationFacts | null;
        const target = facts === null ? null : [...facts.applied, ...facts.adopted];
        return revertTo(ports.schema, ctx, call, target, call.previous?.version ?? "no release");
      },
    },
  });
}

async function migrate(
  ports: MigrationPorts,
  ctx: DurableContext,
  call: OperationCall<Args>,
): Promise<OperationReport> {
  requireEnvironment(call);
  const release = requireRelease(call);
  const { schema } = ports;
  const actor = { release, by: call.actor };
  const facts = await readStep(ctx, call, "read", READ_MS, () => observed(ports, call));
  const before = [...facts.applied, ...facts.adopted];
  if (facts.adopted.length > 0) {
    await ctx.step(`${call.stepName}/adopt`, (scope) => adopt(ports, release, facts, actor, scope), {
      disposition: { kind: "idempotent" },
      deadlineMs: READ_MS,
    });
  }
  if (call.previous !== null && call.previous.id !== release.id) {
    await recordSchema(ports, ctx, call, call.previous, before, "record-before", false);
  }
  for (const one of facts.pending) {
    const fn = async (scope: StepScope): Promise<null> => {
      await schema.apply(await requireUnchanged(ports, release, one), actor, scope);
      scope.log(`applied ${one.id}\n`);
      return null;
    };
    await ctx.step<null>(`${call.stepName}/apply-${one.id}`, fn, {
      disposition: { kind: "probe", probe: (scope) => isApplied(ports, one.id, scope) },
      deadlineMs: ONE_MS,
    });
  }
  const after = [...before, ...facts.pending.map(({ id }) => id)];
  await recordSchema(ports, ctx, call, release, after, "record-after", true);
  const names = facts.pending.map(({ id }) => id).join(", ");
  const count = facts.pending.length;
  const adopted = facts.adopted.length === 0 ? "" : `; ${facts.adopted.length} were there already and are recorded now`;
  const summary =
    count === 0
      ? `${schema.name} has all migrations of ${release.version} already${adopted}`
      : `${count} ${count === 1 ? "migration" : "migrations"} applied to ${schema.name}: ${names}${adopted}`;
  return { summary, data: { before, after, release: release.id } };
}

/** What is pending, read from the database and the release. */
async function observed(
  ports: MigrationPorts,
  call: Omit<OperationCall<Args>, "facts" | "earlier">,
): Promise<MigrationFacts> {
  const release = requireRelease(call);
  const migrations = parseMigrations(await ports.migrations.read(release), release);
  const state = await ports.schema.state();
  const plan = planMigrations(state, migrations, release, call.args.to);
  const adopted = plan.unknownSchema ? await recognise(ports, migrations, release) : [];
  const known = new Set(adopted);
  return {
    release: release.id,
    applied: state.applied.map(({ id }) => id),
    adopted,
    pending: plan.pending
      .filter(({ id }) => !known.has(id))
      .map(({ id, checksum, down }) => ({ id, checksum, reversible: down !== null })),
  };
}

async function recognise(
  ports: MigrationPorts,
  migrations: readonly Migration[],
  release: ReleaseRef,
): Promise<string[]> {
  const count = await recognisedMigrations(ports.schema, migrations);
  if (count !== null) return migrations.slice(0, count).map(({ id }) => id);
  const differences = schemaDifferences(await ports.schema.expected(migrations), await ports.schema.objects());
  const shown = differences.slice(0, 5).map(({ object, message }) => `${object} ${message}`);
  throw new TerminalError(
    "SCHEMA_UNKNOWN",
    `${ports.schema.name} was never migrated by Sunny, and its schema is that of no migration of ${release.version}: ${shown.join("; ")}`,
  );
}

async function adopt(
  ports: MigrationPorts,
  release: ReleaseRef,
  facts: MigrationFacts,
  actor: { readonly release: ReleaseRef; readonly by: string },
  scope: StepScope,
): Promise<null> {
  const known = new Set(facts.adopted);
  const migrations = parseMigrations(await ports.migrations.read(release), release);
  await ports.schema.adopt(
    migrations.filter(({ id }) => known.has(id)),
    actor,
    scope,
  );
  return null;
}

async function isApplied(
  { schema }: MigrationPorts,
  id: string,
  scope: StepScope,
): Promise<{ state: "done"; value: null } | { state: "not-done" }> {
  // First, so that an older attempt that still runs cannot commit after the table was read.
  await schema.raiseFence(scope);
  const { applied } = await schema.state(scope.signal);
  return applied.some((one) => one.id === id) ? { state: "done", value: null } : { state: "not-done" };
}

/** The migration as it was when it was looked at; the archive may not change under a running deployment. */
async function requireUnchanged(
  { migrations }: MigrationPorts,
  release: ReleaseRef,
  { id, checksum }: { readonly id: string; readonly checksum: string },
): Promise<Migration> {
  const migration = parseMigrations(await migrations.read(release), release).find((one) => one.id === id);
  if (migration?.checksum === checksum) return migration;
  throw new TerminalError(
    "MIGRATION_CHANGED",
    `Migration ${id} of ${release.version} changed since it was planned; nothing was changed`,
  );
}

async function recordSchema(
  { schema }: MigrationPorts,
  ctx: DurableContext,
  call: OperationCall<Args>,
  release: ReleaseRef,
  migrations: readonly string[],
  part: string,
  replace: boolean,
): Promise<void> {
  const fn = async (scope: StepScope): Promise<null> => {
    await schema.record(release, migrations, { replace }, scope);
    return null;
  };
  await ctx.step(`${call.stepName}/${part}`, fn, { disposition: { kind: "idempotent" }, deadlineMs: READ_MS });
}

function requireEnvironment({ args: { env }, system }: Pick<OperationCall<Args>, "args" | "system">): void {
  if (env === system.environment) return;
  throw new TerminalError(
    "ENVIRONMENT_MISMATCH",
    `--env says "${env}" and the configuration describes "${system.environment}"; nothing was migrated`,
  );
}

/** The release that is deployed; by hand the one that is active. */
export function requireRelease({
  release,
  previous,
}: Pick<OperationCall<unknown>, "release" | "previous">): ReleaseRef {
  const meant = release ?? previous;
  if (meant !== null) return meant;
  throw new TerminalError(
    "NO_RELEASE",
    "No release is being deployed and none is active, so there is no list of migrations",
  );
}
