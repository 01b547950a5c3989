import { TerminalError } from "../engine/context.ts";
import type { StepScope } from "../engine/context.ts";
import type {
  AppliedMigration,
  BackupManifest,
  DatabasePorts,
  Migration,
  SchemaObjects,
  SchemaRecord,
} from "../operations/database/ports.ts";
import { parseMigrations } from "../operations/database/migrations.ts";
import { rfc3339 } from "../clock.ts";
import { FencedTarget } from "./fenced-target.ts";
import type { SimulatedProcess } from "./process.ts";
import { originIn } from "./script.ts";
import type { Origin, Parts } from "./script.ts";
import type { SimulatedWorld } from "./world.ts";

export interface SimulatedDatabase {
  applied: AppliedMigration[];
  readonly records: Map<string, SchemaRecord>;
  readonly backups: BackupManifest[];
  readonly fence: FencedTarget;
  /** Refuses to work: full, locked, or not there. */
  refuses: boolean;
  /** Files of each release's `migrations/` folder. */
  readonly files: Map<string, ReadonlyMap<string, string>>;
}

/** A database without migrations and backups. */
export const newDatabase = (): SimulatedDatabase => ({
  applied: [],
  records: new Map(),
  backups: [],
  fence: new FencedTarget(),
  refuses: false,
  files: new Map(),
});

/** Migrations of that many, `reversible` with a way back each, as the files of a release. */
export function migrationFiles(
  ids: readonly { readonly id: string; readonly reversible: boolean }[],
): Map<string, string> {
  return new Map(
    ids.flatMap(({ id, reversible }): [string, string][] => {
      const up = `CREATE TABLE t_${id} (x)${reversible ? "" : "\n-- sunny: irreversible"}`;
      return [
        [`${id}.up.sql`, up],
        ...(reversible ? [[`${id}.down.sql`, `DROP TABLE t_${id}`] as [string, string]] : []),
      ];
    }),
  );
}

/** Puts the migrations of a release into the ledger, as if it had been deployed before. */
export function migrateBefore(world: SimulatedWorld, release: { id: string; version: string }): void {
  const { database } = world;
  const migrations = parseMigrations(database.files.get(release.id) ?? new Map(), release);
  database.applied = migrations.map(({ id, checksum, down }) => ({
    id,
    checksum,
    appliedAt: "2026-01-01T00:00:00.000Z",
    release: release.id,
    by: "operator",
    down,
  }));
}

/** The database as a process reaches it. */
export function simulatedDatabase(
  world: SimulatedWorld,
  process: SimulatedProcess,
): Omit<DatabasePorts, "releases" | "serving"> {
  const { database } = world;
  const assertWorks = (): void => {
    if (!database.refuses) return;
    world.suffer("the database refuses");
    throw new TerminalError("DATABASE_UNREACHABLE", "the database refuses connections");
  };
  /** The fence is checked when a transaction begins and again when it commits. */
  const admit = (origin: Origin): undefined => {
    assertWorks();
    const refusal = world.defects.fencing === false ? undefined : database.fence.refusal(origin);
    if (refusal !== undefined) throw new TerminalError("DATABASE_FENCED", `the database refuses: ${refusal}`);
    database.fence.admit(origin);
    world.contacted("database", origin);
    return undefined;
  };
  const order = (label: string, scope: StepScope, commit: (origin: Origin) => void): Promise<void> => {
    const origin = originIn(scope);
    return process.call({
      label: `database ${label}`,
      scope,
      enter: () => admit(origin),
      *parts(): Parts<void> {
        world.noted("database", `begin ${label}`);
        yield 200;
        admit(origin);
        commit(origin);
        world.changed("database", label, origin);
        yield 10;
      },
    });
  };
  const look = <T>(label: string, from: () => T, signal?: AbortSignal): Promise<T> =>
    process.read(
      `database ${label}`,
      () => {
        assertWorks();
        return from();
      },
      signal,
    );
  return {
    schema: {
      name: "database",
      state: (signal) =>
        look(
          "state",
          () => ({ ledger: true, applied: [...database.applied], records: [...database.records.values()] }),
          signal,
        ),
      apply: (migration, { release, by }, scope) =>
        order(`apply ${migration.id}`, scope, () => {
          if (database.applied.some(({ id }) => id === migration.id)) {
            throw new TerminalError("MIGRATION_FAILED", `${migration.id} is applied already`);
          }
          const { id, checksum, down } = migration;
          const appliedAt = rfc3339(world.clock.now());
          database.applied.push({ id, checksum, down, appliedAt, release: release.id, by });
        }),
      revert: (id, scope) =>
        order(`revert ${id}`, scope, () => {
          if (!database.applied.some((one) => one.id === id)) {
            throw new TerminalError("MIGRATION_FAILED", `${id} is not applied`);
          }
          database.applied = database.applied.filter((one) => one.id !== id);
        }),
      adopt: (_migrations, _actor, scope) => order("adopt", scope, () => undefined),
      record: ({ id, version }, migrations, { replace }, scope) =>
        order(`record ${version}`, scope, () => {
          if (database.records.has(id) && !replace) return;
          database.records.set(id, { releaseId: id, version, migrations, recordedAt: rfc3339(world.clock.now()) });
        }),
      raiseFence: (scope) => {
        const origin = originIn(scope);
        return process.call({
          label: "database fence",
          scope,
          enter: () => admit(origin),
          // oxlint-disable-next-line require-yield -- entering is all of it
          *parts() {
            return undefined;
          },
        });
      },
      objects: (signal) => look("objects", () => objectsOf(database.applied), signal),
      expected: (migrations) => Promise.resolve(objectsOf(migrations)),
      problems: (signal) => look("problems", () => [], signal),
    },
    probe: {
      name: "database",
      check: (_options, signal) =>
        look("check", () => ({ connectMs: 1, writeLockMs: 1, sizeBytes: 4_096, problems: [], notes: [] }), signal),
    },
    pools: {
      connections: (_host, signal) =>
        look("pools", () => ({ open: 1, inUse: 0, idle: 1, waiting: 0, max: 10 }), signal),
      resetConnections: async (host, scope) => {
        await process.call({ label: `${host} reset connections`, scope, parts: () => pause(20) });
        return { open: 1, inUse: 0, idle: 1, waiting: 0, max: 10, closed: 1 };
      },
    },
    backups: simulatedBackups(world, process, look),
    migrations: { read: (release) => Promise.resolve(world.database.files.get(release.id) ?? new Map()) },
  };
}

function* pause(ms: number): Parts<void> {
  yield ms;
}

function objectsOf(migrations: readonly (Migration | AppliedMigration)[]): SchemaObjects {
  return Object.fromEntries(migrations.map(({ id, checksum }) => [`table t_${id}`, checksum]));
}

/** The backup that somebody made just before a run, as every night. */
export function backUpBefore(world: SimulatedWorld): void {
  world.database.backups.unshift(backupOf(world, "the-night-before"));
}

function backupOf(world: SimulatedWorld, id: string): BackupManifest {
  return {
    format: 1,
    id,
    database: "database",
    at: rfc3339(world.clock.now()),
    file: `${id}.backup`,
    bytes: 4_096,
    sha256: "0".repeat(64),
    recipients: [],
    schemaVersion: world.database.applied.at(-1)?.id ?? null,
    tables: {},
    proof: null,
  };
}

function simulatedBackups(
  world: SimulatedWorld,
  process: SimulatedProcess,
  look: <T>(label: string, from: () => T, signal?: AbortSignal) => Promise<T>,
): DatabasePorts["backups"] {
  const { backups } = world.database;
  return {
    name: "backups of the database",
    create: (id, scope) =>
      process.call({
        label: `backup ${id}`,
        scope,
        *parts() {
          const done = backups.find((one) => one.id === id);
          if (done !== undefined) return done;
          yield 2_000;
          const manifest = backupOf(world, id);
          if (!backups.some((one) => one.id === id)) backups.unshift(manifest);
          yield 5;
          return manifest;
        },
      }),
    list: (signal) => look("backups", () => [...backups], signal),
    prove: (_manifest, scope) =>
      process.call({
        label: "backup prove",
        scope,
        *parts() {
          yield 1_000;
          return { kind: "restored" as const, problems: [] };
        },
      }),
    markProved: () => Promise.resolve(),
    prune: (_keep, scope) =>
      process.call({
        label: "backup prune",
        scope,
        *parts() {
          yield 5;
          return [] as string[];
        },
      }),
    damage: () => Promise.resolve(null),
    lostWrites: () => Promise.resolve({ rows: {}, changedTables: [] }),
  };
}
