import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { filePlans, type PlanStore } from "./adapters/files/plans.ts";
import { fileStatements } from "./adapters/files/statements.ts";
import type { AuditLeaf, AuditOutcome } from "./audit/leaf.ts";
import type { AuditPlaces } from "./audit/places.ts";
import { rfc3339, type Clock } from "./clock.ts";
import { DEPLOYMENT } from "./deployment/input.ts";
import type { PreparePorts } from "./deployment/prepare.ts";
import type { Requests, RunResult } from "./engine/engine.ts";
import type { Journal } from "./engine/journal.ts";
import { isAlive } from "./engine/process-identity.ts";
import { createRequests } from "./engine/requests.ts";
import type { RunRecord } from "./engine/storage.ts";
import { messageOf } from "./errors.ts";
import { loadPeople, type KeyedPerson } from "./gate/people.ts";
import type { StatementStore } from "./gate/store.ts";
import type { Json } from "./json.ts";
import type { Operation } from "./operation.ts";
import type { BalancerLook, Probe } from "./operations/rollout/ports.ts";
import type { Plan } from "./plan/model.ts";
import type { LoadedSystem } from "./system/load.ts";
import type { System } from "./system/schema.ts";
import type { Connected } from "./wiring/connect.ts";
import type { Executor } from "./wiring/execution.ts";
import type { LiveWatch, WatchNowOptions } from "./wiring/live-watch.ts";
import type { SourceNeeds } from "./wiring/metric-source.ts";
import { notifierOf } from "./wiring/notices.ts";
import { openRecords, ORIGIN } from "./wiring/records.ts";
import type { WatchHost } from "./wiring/watch-host.ts";

/** Sunny for one environment: everything that verbs, scripts and servers call. What a call needs is loaded by it. */
export interface Sunny {
  readonly system: System;
  readonly journal: Journal;
  readonly engine: Requests;
  /** The workflow of every run. */
  readonly deployment: typeof DEPLOYMENT;
  readonly people: readonly KeyedPerson[];
  readonly statements: StatementStore;
  readonly plans: PlanStore;
  /** Every operation by its name. @throws NOTE_*, CONFIG_INVALID */
  operations(): Promise<ReadonlyMap<string, Operation>>;
  /** What one plan is made with: hosts are read once, from now on. @throws NOTE_*, CONFIG_INVALID */
  prepare(): Promise<PreparePorts>;
  /**
   * Takes a run up in this process and watches the service meanwhile. `seen`: only if no other process has carried it on since
   * it was read. @throws RUN_BUSY
   */
  execute(runId: string, actor: string, seen?: RunRecord): Promise<RunResult>;
  /** Keeps room on the journal's disk for the way back; called before a run starts. @throws DISK_FULL, JOURNAL_UNWRITABLE */
  keepRoom(): void;
  /** Gives that room back, for a rollback or a hold only; false when there was none. */
  releaseRoom(): boolean;
  /** True when a living process carries the run out. */
  isCarriedOut(runId: string): boolean;
  /** What hosts and load balancers say now; hosts that do not answer are null. */
  environment(): Promise<BalancerLook & { readonly probes: ReadonlyMap<string, Probe | null> }>;
  /**
   * Fails as the load balancer would refuse a canary its weight, without an order.
   * @throws SERVER_UNKNOWN, HAPROXY_COMMAND_FAILED, LOAD_BALANCER_UNREACHABLE
   */
  requireOrders(): Promise<void>;
  /** Reads a host over its connection. @throws RetryableError HOST_UNREACHABLE */
  reach(host: string): Promise<void>;
  /** What each host says of itself and of whom it belongs to, for people. */
  found(): Promise<readonly { readonly host: string; readonly found: string }[]>;
  /** What is watched in this process, and what was kept of every watch. */
  watch(): Promise<Pick<WatchHost, "snapshot" | "explain" | "notes">>;
  /** Watches the whole fleet against the runbook, outside of any run. @throws CHECK_FAILED, NOTHING_WATCHED */
  watchNow(options: WatchNowOptions): Promise<LiveWatch>;
  /** Adds an action to the audit log that leaves no journal row. @throws AUDIT_UNWRITABLE */
  record(actor: string, action: string, outcome: AuditOutcome, plan: Plan | null, detail: Json): void;
  auditLeaves(): Iterable<AuditLeaf>;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly clock: Clock;
  /** Connections are made anew, also where an earlier command kept some. */
  readonly connectsAnew?: boolean;
}

/** Opens an environment: journal and audit log. @throws JOURNAL_*, AUDIT_*, NOTIFY_SECRET_MISSING, PERSON_KEY_INVALID */
export async function openSunny(loaded: LoadedSystem, { clock, connectsAnew = false }: OpenOptions): Promise<Sunny> {
  const { system } = loaded;
  const people = loadPeople(system.people, (file) => readFileSync(file, "utf8"));
  const records = openRecords(system, clock);
  const { journal } = records;
  if (loaded.listed !== undefined) {
    const { keepInventory } = await import("./system/last-inventory.ts");
    keepInventory(system.stateDir, loaded.listed);
  }
  const statements = fileStatements(path.join(system.stateDir, "approvals"));
  const parts = partsOf(loaded, { clock, connectsAnew, journal, people, statements, places: records.places });
  return {
    system,
    journal,
    engine: createRequests({ journal, clock }),
    deployment: DEPLOYMENT,
    people,
    statements,
    plans: filePlans(path.join(system.stateDir, "plans")),
    operations: async () => (await parts.connected()).operations(),
    async prepare() {
      const { preparing } = await import("./wiring/preparing.ts");
      return preparing(system, await parts.connected(), parts.needs);
    },
    execute: async (runId, actor, seen) => (await parts.executor()).execute(runId, actor, seen),
    keepRoom: () => records.keepRoom(),
    releaseRoom: () => records.releaseRoom(),
    isCarriedOut(runId) {
      const lease = journal.read.run(runId)?.lease ?? null;
      return lease !== null && lease.expiresAt > clock.now() && isAlive(lease.owner);
    },
    environment: async () => look(system, await parts.connected()),
    async requireOrders() {
      const { requireOrders } = await import("./operations/rollout/preconditions.ts");
      await requireOrders((await parts.connected()).loadBalancer, system);
    },
    async reach(host) {
      await (await parts.connected()).fleet.read(host);
    },
    async found() {
      const { fleet } = await parts.connected();
      return Promise.all(system.hosts.map(({ name }) => foundBy(fleet, name)));
    },
    watch: () => parts.watch(),
    async watchNow(options) {
      const { watchNow } = await import("./wiring/live-watch.ts");
      return watchNow(options, system, await parts.watch(), { ...parts.needs, notifier: parts.notifier });
    },
    record: (actor, action, outcome, plan, detail) =>
      void records.audit.record(
        `${journal.authority}/${randomUUID()}`,
        leaf(system, clock, actor, action, outcome, plan, detail),
      ),
    auditLeaves: () => records.leaves(),
    async close() {
      await parts.close();
      records.close();
    },
  };
}

interface Opened extends Required<OpenOptions> {
  readonly journal: Journal;
  readonly people: readonly KeyedPerson[];
  readonly statements: StatementStore;
  readonly places: AuditPlaces;
}

/** What is made when it is first asked for, once. */
function partsOf({ system, file }: LoadedSystem, opened: Opened) {
  const { clock, connectsAnew, journal, people, statements, places } = opened;
  const notifier = notifierOf(system, clock);
  const watchFile = path.join(system.stateDir, "watch.db");
  const needs: SourceNeeds = {
    clock,
    usageOf: async (host, signal) => (await connected()).fleet.usage(host, signal),
  };
  const watch = once(async (): Promise<WatchHost> => {
    const { WatchHost } = await import("./wiring/watch-host.ts");
    return new WatchHost(watchFile, needs);
  });
  const connected = once(async (): Promise<Connected> => {
    const { connect } = await import("./wiring/connect.ts");
    const { newestCheckpoint } = await import("./wiring/host-checkpoints.ts");
    const { authority } = journal;
    const checkpoint = (): string | null => newestCheckpoint(places);
    return connect(system, { clock, authority, watch, needs, notifier, configFile: file, checkpoint, connectsAnew });
  });
  const executor = once(async (): Promise<Executor> => {
    const { executorOf } = await import("./wiring/execution.ts");
    const own = await connected();
    // From here on the files of another version may lie where Sunny came from.
    await own.load();
    const operations = await own.operations();
    const given = { system, clock, journal, people, statements, notifier, places };
    return executorOf({ ...given, connected: own, operations, watch: await watch(), escalations: watchFile });
  });
  return {
    notifier,
    needs,
    watch,
    connected,
    executor,
    async close() {
      const watching = await watch.made();
      await watching?.end();
      watching?.close();
      await (await connected.made())?.close();
      (await executor.made())?.close();
    },
  };
}

interface Once<T> {
  (): Promise<T>;
  /** What was made; undefined when nobody asked for it, or it could not be made. */
  made(): Promise<T | undefined>;
}

function once<T>(make: () => Promise<T>): Once<T> {
  let made: Promise<T> | undefined;
  return Object.assign(() => (made ??= make()), { made: async () => made?.catch(() => undefined) });
}

async function foundBy(fleet: Connected["fleet"], host: string): Promise<{ host: string; found: string }> {
  const { foundOn } = await import("./operations/rollout/adopt.ts");
  try {
    const state = await fleet.read(host);
    const owner = state.fence === null ? "belongs to nobody" : `belongs to ${state.fence.authority}`;
    return { host, found: `${owner}, ${foundOn(state)}` };
  } catch (error) {
    return { host, found: messageOf(error) };
  }
}

async function look(system: System, { fleet, loadBalancer }: Connected): ReturnType<Sunny["environment"]> {
  const asked = loadBalancer.look?.() ?? loadBalancer.read().then((servers) => ({ servers, read: [], unread: [] }));
  const balancer = await asked.catch((error: unknown) => ({ servers: [], read: [], unread: [messageOf(error)] }));
  const probes = await Promise.all(
    system.hosts.map(async ({ name }) => [name, await fleet.probe(name).catch(() => null)] as const),
  );
  return { ...balancer, probes: new Map(probes) };
}

function leaf(
  system: System,
  clock: Clock,
  actor: string,
  action: string,
  outcome: AuditOutcome,
  plan: Plan | null,
  detail: Json,
): AuditLeaf {
  return {
    v: 1,
    at: rfc3339(clock.now()),
    actor: { name: actor, kind: "person" },
    action,
    outcome,
    origin: ORIGIN,
    resource: { service: system.service, environment: system.environment },
    detail: plan === null ? detail : { plan: plan.digest, what: detail },
  };
}
