import type { Clock } from "../../clock.ts";
import type { Json } from "../../json.ts";
import type { StepScope } from "../../engine/context.ts";
import type { ReleaseRef } from "../../operation.ts";

/*
 * What a rollout needs from the world. Everything that changes something takes the scope of the step it runs in: the
 * fence goes to the target, which refuses an older one, and the signal ends the work. Errors: `RetryableError` when it is
 * known that nothing happened (the host did not answer), `TerminalError` when it failed for good and the state is
 * known, anything else means that the outcome is unknown and the step's disposition decides.
 */

/** Where an activation stands on the host, by the host's own record. */
export type ActivationState =
  /** The script began and did not report its end: the link may or may not be switched, the service restarted or not. */
  | "begun"
  /** Switched and restarted; the dead-man is armed. */
  | "pending"
  /** Final, or kept as an exposure that must be renewed (see `PendingActivation.exposure`). */
  | "confirmed"
  /** Taken back, by the dead-man, at boot, or on demand. */
  | "reverted";

export interface Activation {
  /** Names the attempt at switching: unique within all runs, the key of idempotence on the host. */
  readonly turn: string;
  /** null: the activation of "nothing", which stops the service and removes `current`. */
  readonly releaseId: string | null;
  readonly state: ActivationState;
  /** Why, for `reverted`: "not confirmed in time", "rebooted before it was confirmed", "on demand". */
  readonly reason: string;
}

/** An activation that takes itself back unless it is confirmed or renewed in time. */
export interface PendingActivation {
  readonly turn: string;
  readonly releaseId: string | null;
  /** What it goes back to; null is "nothing runs". */
  readonly previousId: string | null;
  /** True once it was confirmed as an exposure: it serves, and goes back when nobody renews it. */
  readonly exposure: boolean;
  /** Left on the host's own monotonic clock when it was read. */
  readonly remainingMs: number;
}

export interface InstalledRelease {
  /** `<version>-<first 12 hex digits of the archive's digest>`, the directory's name. */
  readonly id: string;
  readonly version: string;
}

/** A host as it was read; JSON, so that it can be a step's result. */
export interface HostState {
  readonly host: string;
  /** What `current` points to; null before the first deployment. */
  readonly active: InstalledRelease | null;
  /** The release that was last confirmed before the active one, by the activation log; null when there is none. */
  readonly previous: InstalledRelease | null;
  /** Complete releases, the one installed first first. */
  readonly releases: readonly InstalledRelease[];
  /** Directories under `releases/` without a complete marker. */
  readonly incomplete: readonly string[];
  /** The highest fencing token the host has seen, and whose it is; null when Sunny never changed it. */
  readonly fence: { readonly token: number; readonly authority: string } | null;
  readonly service: "running" | "stopped";
  readonly pid: number | null;
  readonly pending: PendingActivation | null;
  /** The newest activation of the log, whatever became of it. */
  readonly last: Activation | null;
  /** Of the file system of `root`. */
  readonly freeBytes: number;
  /** The host's wall clock, milliseconds since the epoch, for the record of offsets; nothing is decided by it. */
  readonly clockMs: number;
}

/** One direct HTTP request to the service of a host, past the load balancer. */
export interface Probe {
  /** Status 200 from the health path. */
  readonly ok: boolean;
  /** 0 when there was no answer. */
  readonly status: number;
  /** The member `health.versionField` of the answer; null when there is none. */
  readonly version: string | null;
  readonly latencyMs: number;
  /** What went wrong, or the answer's first 200 characters when it is not ok. */
  readonly reason: string;
}

/** Use of the machine by the service's own processes. */
export interface Usage {
  readonly pid: number;
  /** Processor time since the service started; two readings give the share. */
  readonly cpuMs: number;
  /** The host's monotonic clock at the reading, for the interval between two readings. */
  readonly atMs: number;
  /** Processors the service may use: the cgroup's quota where there is one, otherwise the machine's. */
  readonly cpus: number;
  readonly rssBytes: number;
  /** Memory the service may use: the cgroup's limit where there is one, otherwise the machine's. */
  readonly limitBytes: number;
}

export interface ActivateOptions {
  readonly turn: string;
  /**
   * The dead-man's deadline; exceeds restart, health check and the resolution of a crash. null: final at once, for a way
   * back, since a dead-man would lead to the release that is being left.
   */
  readonly confirmWithinMs: number | null;
}

/** What became of an activation that was to be confirmed or renewed. */
export type Confirmation = { readonly state: "confirmed" } | { readonly state: "reverted"; readonly reason: string };

/** The hosts. Host names are those of the configuration; an unknown one is a defect of the caller. */
export interface Fleet {
  /** Reads without a lock and without changing anything. @throws RetryableError HOST_UNREACHABLE */
  read(host: string, signal?: AbortSignal): Promise<HostState>;
  /**
   * Brings a release to `releases/<id>`: digest checked on the host, then unpacked beside, then renamed. Idempotent.
   * @throws TerminalError RELEASE_DIGEST_MISMATCH, HOST_DISK_FULL, HOST_FENCED
   */
  install(host: string, release: ReleaseRef, scope: StepScope): Promise<{ readonly installed: boolean }>;
  /**
   * Arms the dead-man, switches `current` atomically and restarts the service (null: stops it and removes `current`).
   * Idempotent by turn; a turn that was begun and not finished is carried out again.
   * @throws TerminalError RELEASE_NOT_INSTALLED, CURRENT_NOT_A_LINK, SERVICE_START_FAILED, HOST_FENCED
   */
  activate(host: string, releaseId: string | null, options: ActivateOptions, scope: StepScope): Promise<Activation>;
  /**
   * Makes an activation final, or, with `exposureMs`, keeps it only as long as it is renewed by another call within that
   * time. Idempotent. Answers "reverted" when the dead-man was faster.
   */
  confirm(
    host: string,
    options: { readonly turn: string; readonly exposureMs?: number },
    scope: StepScope,
  ): Promise<Confirmation>;
  /** Takes a pending activation back now, as the dead-man would; "not needed" when nothing is pending. */
  revert(host: string, scope: StepScope): Promise<{ readonly reverted: boolean }>;
  restart(host: string, scope: StepScope): Promise<void>;
  stop(host: string, scope: StepScope): Promise<void>;
  start(host: string, scope: StepScope): Promise<void>;
  /** Removes old releases and incomplete directories; never the active, the previous, a pending one's, or `protectedIds`. */
  prune(
    host: string,
    options: { readonly keep: number; readonly protectedIds: readonly string[] },
    scope: StepScope,
  ): Promise<{ readonly removed: readonly string[] }>;
  /**
   * Makes the host refuse every older token from now on, and ends what still runs there under one (or under an earlier
   * attempt of the same step). `withinMs`: what the host gets to answer, from when it is asked; default 60 s.
   * @throws TerminalError HOST_FENCED when the host has seen a newer one, or another authority.
   */
  raiseFence(host: string, scope: StepScope, withinMs?: number): Promise<void>;
  /** Takes the host over for this authority: for `sunny adopt`, by a person's decision only. */
  adopt(host: string, scope: StepScope): Promise<{ readonly from: string | null }>;
  probe(host: string, signal?: AbortSignal): Promise<Probe>;
  /** null when the service does not run. */
  usage(host: string, signal?: AbortSignal): Promise<Usage | null>;
  /** The last lines of the service's log, oldest first; empty when the host keeps none that Sunny knows. */
  serviceLog(host: string, lines: number, signal?: AbortSignal): Promise<readonly string[]>;
}

/** One server behind the load balancer; its name is the host's. */
export interface ServerState {
  readonly name: string;
  /** What was ordered. "mixed": several load balancers disagree. Drain: no new requests, those in flight finish. */
  readonly admin: "ready" | "drain" | "maint" | "mixed";
  /** What the health check of the load balancer sees. */
  readonly up: boolean;
  /** Why it is down, or what the check saw last: "L7OK/200", "connect ECONNREFUSED". */
  readonly check: string;
  /** Of the server's configured weight, 0 to 100. */
  readonly weightPercent: number;
  /** Requests and connections in flight, queued ones included; WebSockets as well. */
  readonly sessions: number;
  /** Of `sessions`, upgraded connections, which end when a peer wants to; 0 where the balancer cannot tell. */
  readonly upgraded: number;
  /** Since the load balancer started. */
  readonly requests: number;
  readonly failures: number;
  /** Of several load balancers kept in step, those that have no server of that name; not there when all have it. */
  readonly missingAt?: readonly string[];
  /** Of several load balancers that disagree, what each has; not there when they agree, or when there is one. */
  readonly admins?: readonly { readonly at: string; readonly admin: "ready" | "drain" | "maint" | "missing" }[];
}

/** What is known of the servers when not every load balancer can be asked; for people, never for a decision. */
export interface BalancerLook {
  /** As those that answered say; empty when none did. */
  readonly servers: readonly ServerState[];
  /** Names of those that answered, as they are configured. */
  readonly read: readonly string[];
  /** Why each of the others could not be read; the reason names it. */
  readonly unread: readonly string[];
}

/** What is ordered of a server; what is not named stays as it is. */
export interface ServerChange {
  readonly admin?: "ready" | "drain" | "maint";
  readonly weightPercent?: number;
}

export interface LoadBalancer {
  /** "fenced": refuses an older token itself. "bounded": the caller must hold the lease for the whole effect. */
  readonly target: "fenced" | "bounded";
  /** @throws RetryableError LOAD_BALANCER_UNREACHABLE */
  read(signal?: AbortSignal): Promise<readonly ServerState[]>;
  /** What `read` answers of those of several load balancers that can be read; absent where there is only one. */
  look?(signal?: AbortSignal): Promise<BalancerLook>;
  /**
   * Fails as `set` would for any of these servers, as far as that can be told without giving the order, and where something
   * else would undo it; absent where it cannot. @throws TerminalError SERVER_UNKNOWN, HAPROXY_COMMAND_FAILED,
   * HAPROXY_AGENT_CHECK
   */
  check?(servers: readonly string[], change: ServerChange, signal?: AbortSignal): Promise<void>;
  /** Idempotent. @throws TerminalError SERVER_UNKNOWN, LOAD_BALANCER_FENCED */
  set(server: string, change: ServerChange, scope: StepScope): Promise<void>;
  /** Waits until nothing is in flight; at the latest after `withinMs` it answers what is left. */
  waitIdle(
    server: string,
    withinMs: number,
    scope: StepScope,
  ): Promise<{ readonly sessions: number; readonly upgraded: number }>;
  /** Waits until the health check sees the server up (not whether it is ready); false after `withinMs`. */
  waitUp(server: string, withinMs: number, scope: StepScope): Promise<boolean>;
  /** Ends what is left on a drained server: for WebSockets after their deadline. */
  closeSessions(server: string, scope: StepScope): Promise<void>;
  /** Takes it over for this authority, by a person's decision only; absent where it keeps no authority of its own. */
  adopt?(scope: StepScope): Promise<{ readonly from: string | null }>;
}

/** A release whose archive is at hand. */
export interface StoredRelease extends ReleaseRef {
  /** `.tar.gz` with the release's files at its top, `release.json` among them. */
  readonly archivePath: string;
  readonly bytes: number;
}

/** The store of verified releases: signature and digest were checked before a release is handed out. */
export interface ReleaseSource {
  /**
   * By id or by version; several when a version was packed more than once, newest first.
   * @throws TerminalError with the reason when something lies there that cannot be used
   */
  find(idOrVersion: string): Promise<readonly StoredRelease[]>;
}

/** The hosts of each arm of the comparison; a host in the middle of its turn is in neither. */
export interface Arms {
  readonly canary: readonly string[];
  readonly baseline: readonly string[];
  /** Part of the traffic that the canary should get, 0 to 1; compared with what it does get. */
  readonly weight?: number;
}

export type Stage = "canary" | "final" | "shift";

export interface BakeVerdict {
  readonly state: "healthy" | "degraded" | "undecided" | "blind";
  /** For people, with figures and limits: "error rate of the canary 4.8 % to 5.3 %, limit 1 %". */
  readonly reasons: readonly string[];
}

/**
 * The watcher, which runs outside the workflow: a breach that it finds during a durable sleep arrives there as
 * `Interrupted`. What it has seen since the arms were set last decides the verdict.
 */
export interface Watch {
  setArms(arms: Arms, scope: StepScope): Promise<void>;
  verdict(question: { readonly stage: Stage; readonly minRequests: number }, scope: StepScope): Promise<BakeVerdict>;
}

/** The service as customers reach it, certificate verified. */
export interface PublicEndpoint {
  /** One request to the health path of every configured endpoint; empty when none is configured. */
  probe(signal?: AbortSignal): Promise<readonly (Probe & { readonly url: string })[]>;
}

/** What is known of the database that the releases work with. */
export interface SchemaKnowledge {
  /** Migrations that a version needs and that are not in force; none where that is not known. */
  missing(version: string, previous: ReleaseRef | null): Promise<readonly string[]>;
}

export interface RolloutPorts {
  /** Whom the hosts have to belong to, where they belong to anybody: the journal's. */
  readonly authority: string;
  readonly fleet: Fleet;
  readonly loadBalancer: LoadBalancer;
  readonly releases: ReleaseSource;
  readonly watch: Watch;
  readonly publicEndpoint: PublicEndpoint;
  readonly schema: SchemaKnowledge;
  /** Paces what is asked again within a step; between steps it is the durable context that waits. */
  readonly clock: Clock;
}

/** What a person may answer when a bake is undecided or blind, as the payload of the signal. */
export interface BakeDecision {
  readonly decision: "promote" | "rollback";
  readonly by: string;
  readonly note?: Json;
}
