import { DatabaseSync } from "node:sqlite";
import path from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../clock.ts";
import { RetryableError } from "../../engine/context.ts";
import type { Operation, ReleaseRef } from "../../operation.ts";
import { databaseOperations } from "../../operations/database/operations.ts";
import type { Cipher, DatabasePorts, PoolState, ServingHost } from "../../operations/database/ports.ts";
import { scratch, testSystem } from "../../operations/checks/testing/fixtures.ts";
import type { System } from "../../system/schema.ts";
import { sqliteBackups } from "./backups.ts";
import { sqliteProbe } from "./probe.ts";
import { sqliteSchema } from "./schema-store.ts";

/** For tests: a cipher without keys; what it writes is in clear. */
export const noCipher: Cipher = {
  recipients: () => Promise.resolve([]),
  canDecrypt: false,
  encrypt: (plain) => Promise.resolve(plain),
  decrypt: (plain) => Promise.resolve(plain),
};

const FIRST = {
  "0001_initial.up.sql": `CREATE TABLE payments (id TEXT PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
CREATE TABLE refunds (id TEXT PRIMARY KEY, payment_id TEXT NOT NULL REFERENCES payments (id)) STRICT;
CREATE INDEX refunds_by_payment ON refunds (payment_id);`,
  "0001_initial.down.sql": "DROP TABLE refunds; DROP TABLE payments;",
};

const SECOND = {
  "0002_reference.up.sql": `ALTER TABLE payments ADD COLUMN reference TEXT;
CREATE INDEX payments_by_reference ON payments (reference);`,
  "0002_reference.down.sql": "DROP INDEX payments_by_reference; ALTER TABLE payments DROP COLUMN reference;",
};

/** For tests: an SQLite database with its operations, and releases that are nothing but their migrations. */
export class DatabaseWorld {
  readonly system: System;
  readonly file: string;
  readonly releases = new Map<string, { ref: ReleaseRef; files: Map<string, string> }>();
  readonly pools = new Map<string, PoolState>();
  /** What hosts run; nothing at first. */
  serving: readonly ServingHost[] = [];
  readonly ports: DatabasePorts;
  readonly operations: Operation[];

  constructor(t: TestContext, options: { readonly cipher?: Cipher; readonly freeBytes?: () => Promise<number> } = {}) {
    const root = scratch(t);
    this.system = testSystem(root);
    this.file = path.join(root, "payments.db");
    new DatabaseSync(this.file).close();
    for (const host of this.system.hosts) {
      this.pools.set(host.name, { open: 2, inUse: 1, idle: 1, waiting: 0, max: 8 });
    }
    const connections = (host: string): Promise<PoolState> => {
      const state = this.pools.get(host);
      return state === undefined
        ? Promise.reject(new RetryableError("SERVICE_ADMIN_UNREACHABLE", `The service on ${host} does not answer`))
        : Promise.resolve(state);
    };
    this.ports = {
      schema: sqliteSchema(this.file, { clock: systemClock, lockTimeoutMs: 200 }),
      probe: sqliteProbe(this.file, systemClock),
      backups: sqliteBackups({
        clock: systemClock,
        file: this.file,
        directory: path.join(root, "backups"),
        cipher: options.cipher ?? noCipher,
        ...(options.freeBytes === undefined ? {} : { freeBytes: options.freeBytes }),
      }),
      migrations: { read: async ({ id }) => this.releases.get(id)?.files ?? new Map<string, string>() },
      releases: {
        find: async (version) =>
          [...this.releases.values()].map(({ ref }) => ref).filter((ref) => ref.version === version),
      },
      serving: async () => this.serving,
      pools: {
        connections,
        resetConnections: async (host) => {
          const before = await connections(host);
          const after = { ...before, open: 1, inUse: 0, idle: 1, waiting: 0 };
          this.pools.set(host, after);
          return { ...after, closed: before.open };
        },
      },
    };
    this.operations = databaseOperations({ ...this.ports, clock: systemClock });
  }

  /** Adds a release; `files` are those of its `migrations/`. */
  release(version: string, files: Record<string, string>): ReleaseRef {
    const digest = Buffer.from(version.padEnd(32, "-")).toString("hex");
    const ref = { name: "payments", version, digest, id: `${version}-${digest.slice(0, 12)}` };
    this.releases.set(ref.id, { ref, files: new Map(Object.entries(files)) });
    return ref;
  }

  /** Release 2.0.0 with one migration and 2.1.0 with two. */
  usual(): { old: ReleaseRef; next: ReleaseRef } {
    return { old: this.release("2.0.0", FIRST), next: this.release("2.1.0", { ...FIRST, ...SECOND }) };
  }

  sql(text: string): void {
    const db = new DatabaseSync(this.file);
    db.exec(text);
    db.close();
  }

  rows(text: string): Record<string, unknown>[] {
    const db = new DatabaseSync(this.file);
    try {
      return db
        .prepare(text)
        .all()
        .map((row) => ({ ...row }));
    } finally {
      db.close();
    }
  }
}
