import { TerminalError } from "../../engine/context.ts";
import { sha256 } from "../../json.ts";
import type { ReleaseRef } from "../../operation.ts";
import type { AppliedMigration, Migration, SchemaState } from "./ports.ts";

const FILE = /^(\d{4,})_([a-z0-9][a-z0-9_-]*)\.(up|down)\.sql$/i;

/** A comment line in an up migration that says that there is no way back on purpose. */
const IRREVERSIBLE = /^\s*--\s*sunny:\s*irreversible\b/im;

/**
 * Reads the files of a release's `migrations/` folder: `NNNN_name.up.sql` and, unless it says `-- sunny: irreversible`,
 * `NNNN_name.down.sql`. In the order in which they are applied; files of other kinds are left alone.
 *
 * @throws TerminalError MIGRATIONS_INVALID naming every file that is wrong
 */
export function parseMigrations(files: ReadonlyMap<string, string>, release: Pick<ReleaseRef, "version">): Migration[] {
  const problems: string[] = [];
  const downs = new Map<string, string>();
  const ups = new Map<string, string>();
  for (const [file, text] of files) {
    if (!file.toLowerCase().endsWith(".sql")) continue;
    const match = FILE.exec(file);
    if (match === null) problems.push(`${file} is not named NNNN_name.up.sql or NNNN_name.down.sql`);
    else (match[3]?.toLowerCase() === "up" ? ups : downs).set(`${match[1]}_${match[2]}`, text);
  }
  const ids = [...ups.keys()].toSorted();
  const numbers = new Map<string, string>();
  for (const id of ids) {
    const number = id.slice(0, id.indexOf("_"));
    const twin = numbers.get(number);
    if (twin !== undefined) problems.push(`${twin} and ${id} have the same number`);
    numbers.set(number, id);
  }
  for (const id of downs.keys())
    if (!ups.has(id)) problems.push(`${id}.down.sql takes back nothing: there is no ${id}.up.sql`);
  const migrations = ids.map((id) => {
    const up = ups.get(id) ?? "";
    const down = downs.get(id);
    if (up.trim() === "") problems.push(`${id}.up.sql is empty`);
    if (down !== undefined && IRREVERSIBLE.test(up))
      problems.push(`${id} says that it is irreversible and has a down file`);
    return { id, up, down: down === undefined || down.trim() === "" ? null : down, checksum: sha256(up) };
  });
  if (problems.length > 0) {
    throw new TerminalError(
      "MIGRATIONS_INVALID",
      `The migrations of ${release.version} are not sound: ${problems.join("; ")}`,
    );
  }
  return migrations;
}

/** What is to be done to bring a database to a release's migrations. */
export interface MigrationPlan {
  readonly pending: readonly Migration[];
  /** True when the database has no ledger yet, so that its schema must be recognised first. */
  readonly unknownSchema: boolean;
}

/**
 * Compares the ledger with a release's list. `to` ends the list at that migration (its id or number).
 *
 * @throws TerminalError MIGRATION_CHANGED, MIGRATION_MISSING, MIGRATION_OUT_OF_ORDER, MIGRATION_UNKNOWN
 */
export function planMigrations(
  state: SchemaState,
  migrations: readonly Migration[],
  release: Pick<ReleaseRef, "version">,
  to?: string,
): MigrationPlan {
  const refusals = ledgerProblems(state.applied, migrations, release);
  const [first] = refusals;
  if (first !== undefined) {
    throw new TerminalError(
      first.code,
      `Nothing was migrated: ${refusals.map((refusal) => refusal.message).join("; ")}`,
    );
  }
  const wanted = upTo(migrations, to);
  const applied = new Set(state.applied.map((one) => one.id));
  const pending = wanted.filter((migration) => !applied.has(migration.id));
  const newest = state.applied.at(-1)?.id ?? "";
  const late = pending.find((migration) => migration.id < newest);
  if (late !== undefined) {
    const message = `Nothing was migrated: ${late.id} comes before ${newest}, which is applied already; give it a higher number`;
    throw new TerminalError("MIGRATION_OUT_OF_ORDER", message);
  }
  return { pending, unknownSchema: !state.ledger || state.applied.length === 0 };
}

/** One applied migration that does not fit the release. */
export interface LedgerProblem {
  readonly code: "MIGRATION_CHANGED" | "MIGRATION_MISSING";
  readonly id: string;
  readonly message: string;
}

/** Applied migrations that the release does not have, or has with other content. */
export function ledgerProblems(
  applied: readonly AppliedMigration[],
  migrations: readonly Migration[],
  release: Pick<ReleaseRef, "version">,
): LedgerProblem[] {
  const byId = new Map(migrations.map((migration) => [migration.id, migration]));
  return applied.flatMap(({ id, checksum, release: by }): LedgerProblem[] => {
    const migration = byId.get(id);
    if (migration === undefined) {
      const message = `${id} is applied (by release ${by}), and release ${release.version} does not have it`;
      return [{ code: "MIGRATION_MISSING", id, message }];
    }
    if (migration.checksum === checksum) return [];
    const message = `${id} was edited after it was applied: sha256 ${migration.checksum.slice(0, 12)} in release ${release.version}, ${checksum.slice(0, 12)} in the database`;
    return [{ code: "MIGRATION_CHANGED", id, message }];
  });
}

function upTo(migrations: readonly Migration[], to: string | undefined): readonly Migration[] {
  if (to === undefined) return migrations;
  const at = migrations.findIndex(({ id }) => id === to || id.startsWith(`${to}_`));
  if (at === -1) {
    const known = migrations.map(({ id }) => id).join(", ");
    throw new TerminalError(
      "MIGRATION_UNKNOWN",
      `There is no migration ${to} in the release; it has ${known === "" ? "none" : known}`,
    );
  }
  return migrations.slice(0, at + 1);
}
