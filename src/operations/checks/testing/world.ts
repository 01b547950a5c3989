import type { HostReading, MetricSource } from "../../../analysis/metrics.ts";
import type { Rule } from "../../../analysis/rule.ts";
import { systemClock, type Clock } from "../../../clock.ts";
import type { Operation } from "../../../operation.ts";
import type { System } from "../../../system/schema.ts";
import type { BackupManifest, DatabaseHealth } from "../../database/ports.ts";
import type { HostState, Probe, ServerState } from "../../rollout/ports.ts";
import { checkOperations } from "../operations.ts";
import type { MemoryReading } from "../ports.ts";
import { named, testSystem } from "./fixtures.ts";

/** For tests: what a healthy production says, to be broken piece by piece. */
export interface CheckWorld {
  readonly system: System;
  readonly hosts: Map<string, Partial<HostState>>;
  readonly probes: Map<string, Probe>;
  readonly servers: Map<string, ServerState>;
  backups: BackupManifest[];
  /** What is wrong with the file of the newest backup. */
  damage: string | null;
  database: DatabaseHealth | Error;
  release: Error | null;
  readonly memory: Map<string, MemoryReading>;
  rules: readonly Rule[];
  problems: string[];
  /** Answers of the metric source; the time of day is given. */
  reading: (host: string, now: number) => HostReading;
  /** Bodies of `/metrics` by host. */
  readonly metrics: Map<string, string>;
  watching: boolean | null;
  operation(name: string): Operation;
}

/** A rule on errors, as "Error rate > 1%" becomes one. */
export const ERROR_RULE: Rule = {
  kind: "error-rate",
  id: "error-rate",
  title: "Error rate > 1%",
  share: 1,
  limit: 0.01,
};

/** Builds a healthy production of two hosts that run 2.0.0. */
export function checkWorld(root: string, clock: Clock = systemClock): CheckWorld {
  const system = testSystem(root);
  const now = clock.now();
  const manifest: BackupManifest = {
    format: 1,
    id: "20260101T000000Z-aaaaaaaa",
    database: "payments.db",
    at: new Date(now - 3_600_000).toISOString(),
    file: "x",
    bytes: 1,
    sha256: "0".repeat(64),
    recipients: [],
    schemaVersion: null,
    tables: {},
    proof: "restored",
  };
  let cpu = 0;
  const world: Omit<CheckWorld, "operation"> = {
    system,
    hosts: new Map(),
    probes: new Map(),
    servers: new Map(),
    backups: [manifest],
    damage: null,
    database: { connectMs: 1, writeLockMs: 1, sizeBytes: 1, problems: [], notes: [] },
    release: null,
    memory: new Map(),
    rules: [ERROR_RULE],
    problems: [],
    reading: (host, at) => ({ host, at, mode: "cumulative", requests: (cpu += 1), errors: 0, cpuSeconds: cpu }),
    metrics: new Map(),
    watching: true,
  };
  for (const { name } of system.hosts) {
    world.hosts.set(name, { service: "running", freeBytes: 1e10, pending: null });
    world.probes.set(name, { ok: true, status: 200, version: "2.0.0", latencyMs: 2, reason: "" });
    world.servers.set(name, {
      name,
      admin: "ready",
      up: true,
      check: "L7OK/200",
      weightPercent: 100,
      sessions: 0,
      upgraded: 0,
      requests: 1,
      failures: 0,
    });
    world.memory.set(name, memoryReading());
    world.metrics.set(name, `app_info{version="2.0.0",host="${name}"} 1\n`);
  }
  const source: MetricSource = {
    name: "scrape of 2 hosts",
    read: async (hosts) => hosts.map((host) => world.reading(host, clock.now())),
  };
  const required = <T>(map: ReadonlyMap<string, T>, host: string): T => {
    const value = map.get(host);
    if (value === undefined) throw new Error(`${host} does not answer`);
    return value;
  };
  const operations = checkOperations({
    clock,
    fleet: {
      read: async (host) => ({ clockMs: clock.now(), ...required(world.hosts, host) }) as HostState,
      probe: async (host) => required(world.probes, host),
    },
    loadBalancer: { read: async () => [...world.servers.values()] },
    backups: { list: async () => world.backups, damage: async () => world.damage },
    database: {
      name: "SQLite database payments.db",
      check: async () => {
        if (world.database instanceof Error) throw world.database;
        return world.database;
      },
    },
    certificates: { read: () => Promise.reject(new Error("no certificates here")) },
    tls: { served: () => Promise.reject(new Error("no certificates here")) },
    releases: {
      verify: async () => {
        if (world.release !== null) throw world.release;
      },
    },
    memory: { memory: async (host) => required(world.memory, host) },
    http: {
      request: async ({ url }) => {
        const host = system.hosts.find(({ port }) => url.includes(`:${port}/`))?.name ?? "";
        return { status: 200, headers: {}, body: required(world.metrics, host), latencyMs: 1 };
      },
    },
    monitoring: {
      monitored: async () => ({ source, rules: world.rules, problems: world.problems }),
      watching: async () => world.watching,
    },
  });
  return Object.assign(world, { operation: (name: string) => named(operations, name) });
}

const MB = 1024 * 1024;

/** A service of 256 MiB that uses 100; `alive` is what stays after a collection, by second, over a saw-tooth of garbage. */
export function memoryReading(
  options: { readonly alive?: (second: number) => number; readonly seconds?: number; readonly resident?: number } = {},
): MemoryReading {
  const { alive = () => 20 * MB, seconds = 60, resident = 100 * MB } = options;
  const samples = Array.from({ length: seconds }, (_, second) => ({
    at: 1_700_000_000_000 + second * 1000,
    residentBytes: resident,
    heapUsedBytes: alive(second) + (second % 7) * 3 * MB,
    externalBytes: MB,
    requests: second * 50,
  }));
  return { limitBytes: 256 * MB, residentBytes: resident, heapUsedBytes: 30 * MB, heapLimitBytes: 1024 * MB, samples };
}
