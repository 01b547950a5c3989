import type { StepScope } from "../engine/context.ts";
import { MemoryDisk } from "../engine/memory-storage.ts";
import type { ProcessIdentity } from "../engine/process-identity.ts";
import type { JournalStorage } from "../engine/storage.ts";
import type { Arms } from "../operations/rollout/ports.ts";
import { newBalancer } from "./balancer.ts";
import type { SimulatedBalancer } from "./balancer.ts";
import { certificatePicture, newCertificate } from "./certificates.ts";
import type { SimulatedCertificate } from "./certificates.ts";
import type { Papers } from "./papers.ts";
import type { CertificateSpec } from "../operations/tls/ports.ts";
import { newDatabase } from "./database.ts";
import type { SimulatedDatabase } from "./database.ts";
import { newHost } from "./hosts.ts";
import type { SimulatedHost } from "./hosts.ts";
import { Invariants } from "./invariants.ts";
import type { CapacityRules } from "./invariants.ts";
import { folderDigest } from "../operations/infrastructure/state.ts";
import { contentOf, newInfrastructure } from "./outside.ts";
import type { SimulatedInfrastructure } from "./outside.ts";
import { SimulatedProcess } from "./process.ts";
import type { CrashPlan, Moment } from "./process.ts";
import type { Origin, Script } from "./script.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** How a release behaves where it runs; nothing is said of a good one. */
export interface Behaviour {
  /** Does not stay up. */
  readonly crashes?: boolean;
  /** Breaks the rules that are watched. */
  readonly worse?: boolean;
  /** What it says it is. */
  readonly answersAs?: string;
  /** What public addresses answer. */
  readonly publicStatus?: number;
}

/** What is broken on purpose, to see that the simulation finds it. */
export interface Defects {
  /** False: no target checks a fence. */
  readonly fencing?: boolean;
  readonly switchInTwoSteps?: boolean;
  readonly wrapStorage?: (storage: JournalStorage, process: SimulatedProcess, world: SimulatedWorld) => JournalStorage;
}

/** What goes wrong besides crashes. */
export interface Faults {
  /** What happens to a call: an error instead of it, something at one of its parts, an answer that does not arrive. */
  atCall(label: string, scope: StepScope | undefined, process: SimulatedProcess): CallFault | undefined;
  /** Thrown by a write of the journal. */
  atCommit(process: SimulatedProcess): Error | undefined;
}

/** What goes wrong with one call: before it acts, at a part of it, or after it. */
export interface CallFault {
  readonly before?: Error;
  readonly atPart?: number;
  readonly act?: (script: Script<unknown>) => void;
  readonly after?: (signal: AbortSignal | undefined) => Promise<void>;
  /** At this part the connection is lost: nobody waits for the script any more, which goes on. */
  readonly cutAt?: number;
}

export interface WorldOptions {
  readonly hosts: readonly string[];
  /** What the hosts run at first; null before the first deployment. */
  readonly active: string | null;
  readonly capacity: CapacityRules;
  readonly behaviours?: Readonly<Record<string, Behaviour>>;
  readonly defects?: Defects;
}

/** A machine room in memory: hosts, load balancer, database, infrastructure, a journal's disk, and the time. */
export class SimulatedWorld {
  readonly clock = new VirtualClock();
  readonly disk = new MemoryDisk("authority-1");
  readonly hosts: readonly SimulatedHost[];
  readonly balancer: SimulatedBalancer;
  readonly database: SimulatedDatabase = newDatabase();
  readonly infrastructure: SimulatedInfrastructure = newInfrastructure();
  readonly defects: Defects;
  readonly capacity: CapacityRules;
  readonly behaviours: Map<string, Behaviour>;
  readonly certificates = new Map<string, SimulatedCertificate>();
  readonly notices = new Set<string>();
  /** What is under way on targets, whoever started it. */
  readonly scripts = new Set<Script<unknown>>();
  /** How often something happened that must not happen twice, by key. */
  readonly effects = new Map<string, number>();
  /** How often each kind of fault and crash was met, so that one which never comes is seen. */
  readonly suffered = new Map<string, number>();
  readonly processes: SimulatedProcess[] = [];
  /** What was changed, in order: for whoever reads a failure. */
  readonly events: string[] = [];
  /** What hosts did not answer when it was asked last: "web-1 probe". */
  readonly unread = new Set<string>();
  arms: Arms = { canary: [], baseline: [] };
  blind = false;
  faults: Faults | undefined;
  onMoment: ((moment: Moment, label: string, process: SimulatedProcess) => void) | undefined;
  onEvent: ((event: string) => void) | undefined;
  readonly invariants: Invariants;
  readonly #programs = new Set<number>();
  readonly #endedPrograms = new Set<number>();
  #pids = 100;
  #ids = 0;

  constructor({ hosts, active, capacity, behaviours = {}, defects = {} }: WorldOptions) {
    this.hosts = hosts.map((name) => newHost(name, active));
    this.balancer = newBalancer(hosts);
    this.behaviours = new Map(Object.entries(behaviours));
    this.capacity = capacity;
    this.defects = defects;
    this.invariants = new Invariants(this);
  }

  get violations(): readonly string[] {
    return this.invariants.violations;
  }

  /** Makes the infrastructure what a release wants, as if it had been deployed before. */
  applyBefore(release: { readonly id: string; readonly version: string }): void {
    const files = this.infrastructure.files.get(release.id);
    if (files === undefined) return;
    this.infrastructure.real = contentOf(files);
    const digest = folderDigest(files) ?? "";
    this.infrastructure.applied = {
      digest,
      releaseId: release.id,
      version: release.version,
      at: "2026-01-01T00:00:00.000Z",
    };
  }

  /** Puts a certificate there, in its files and served. */
  certify(spec: CertificateSpec, papers: Papers, state: "due" | "fresh"): void {
    this.certificates.set(spec.name, newCertificate(spec, papers, state));
  }

  /** Starts an orchestrator, which goes away as planned; `within`: as part of a step of another one. */
  spawn(crash?: CrashPlan, within?: { readonly outer: SimulatedProcess; readonly name: string }): SimulatedProcess {
    const process = new SimulatedProcess(this, this.nextPid(), crash, within);
    this.processes.push(process);
    return process;
  }

  host(name: string): SimulatedHost {
    const host = this.hosts.find((one) => one.name === name);
    if (host === undefined) throw new TypeError(`there is no host ${name}`);
    return host;
  }

  behaviourOf(release: string | null): Behaviour {
    return (release === null ? undefined : this.behaviours.get(release)) ?? {};
  }

  /** Whether it gets requests and answers them. */
  isServing(host: SimulatedHost): boolean {
    const orders = this.balancer.servers.get(host.name);
    return host.running !== null && orders?.admin === "ready" && orders.weightPercent > 0;
  }

  /** Something changed: everything that must always hold is looked at. */
  changed(target: string, what: string, origin: Origin | null): void {
    const event = `${target}: ${what}`;
    this.events.push(event);
    this.invariants.check(target, event, origin);
    this.onEvent?.(event);
  }

  /** Something begins that has changed nothing yet. */
  noted(target: string, what: string): void {
    this.onEvent?.(`${target}: ${what}`);
  }

  /** A fault or a crash was met. */
  suffer(kind: string): void {
    this.suffered.set(kind, (this.suffered.get(kind) ?? 0) + 1);
  }

  /** A target has seen this fence. */
  contacted(target: string, origin: Origin): void {
    this.invariants.contacted(target, origin);
  }

  /** Something happened that must not happen twice. */
  effect(kind: string, key: string): void {
    const name = `${kind} ${key}`;
    this.effects.set(name, (this.effects.get(name) ?? 0) + 1);
    this.invariants.effect(name, this.effects.get(name)!);
  }

  /** What a machine knows of a process on it; of a paused one only that it is there. */
  liveness({ pid }: ProcessIdentity): "alive" | "dead" | "unknown" {
    if (this.#programs.has(pid)) return "alive";
    if (this.#endedPrograms.has(pid)) return "dead";
    return this.processes.find((one) => one.identity.pid === pid)?.state === "dead" ? "dead" : "alive";
  }

  wrapStorage(storage: JournalStorage, process: SimulatedProcess): JournalStorage {
    return this.defects.wrapStorage?.(storage, process, this) ?? storage;
  }

  /** A program of somebody else's has started; returns its process and what is to be called at its end. */
  startProgram(): { readonly identity: ProcessIdentity; readonly end: () => void } {
    const pid = this.nextPid();
    this.#programs.add(pid);
    const end = (): void => {
      this.#programs.delete(pid);
      this.#endedPrograms.add(pid);
    };
    return { identity: { pid, startTime: "1", boot: "boot" }, end };
  }

  nextPid(): number {
    this.#pids += 1;
    return this.#pids;
  }

  nextId(): string {
    this.#ids += 1;
    return `id-${this.#ids}`;
  }

  /** What is left in the end, for comparison with another end. */
  picture(): Readonly<Record<string, string>> {
    const hosts = this.hosts.map(({ name, current, running, pending }) => {
      const orders = this.balancer.servers.get(name);
      const parts = [current ?? "nothing", running === current ? "" : `running ${running ?? "nothing"}`];
      parts.push(orders?.admin ?? "", String(orders?.weightPercent), pending === null ? "" : "unconfirmed");
      return [name, parts.filter((part) => part !== "").join(" ")];
    });
    const { applied } = this.database;
    const { real } = this.infrastructure;
    return Object.fromEntries([
      ...hosts,
      ["database", applied.map(({ id }) => id).join(" ")],
      ["infrastructure", real?.slice(0, 8) ?? "nothing"],
      ...[...this.certificates].map(([name, one]) => [`certificate ${name}`, certificatePicture(one)]),
    ]) as Record<string, string>;
  }
}
