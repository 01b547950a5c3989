import type { Clock } from "../../../clock.ts";
import { RetryableError, TerminalError } from "../../../engine/context.ts";
import type { StepScope } from "../../../engine/context.ts";
import type {
  Activation,
  Fleet,
  HostState,
  InstalledRelease,
  LoadBalancer,
  PendingActivation,
  ServerState,
} from "../ports.ts";

/** How a release behaves on a host. */
export interface Behaviour {
  /** Ends at once after its start. */
  readonly crashes?: boolean;
  /** Ends this long after its start. */
  readonly crashesAfterMs?: number;
  /** What it says it is; default its own version. */
  readonly answersAs?: string;
}

interface SimulatedHost {
  active: string | null;
  before: string | null;
  running: boolean;
  starts: number;
  reachable: boolean;
  /** Takes connections, and answers nothing that comes over them. */
  hangs: boolean;
  /** A script that an earlier holder started, and that cannot be ended, has the lock. */
  locked: boolean;
  releases: string[];
  token: number;
  authority: string;
  pending: {
    turn: string;
    releaseId: string | null;
    previousId: string | null;
    exposure: boolean;
    until: number;
  } | null;
  last: Activation | null;
  admin: ServerState["admin"];
  weightPercent: number;
  /** How long requests that are in flight when it is drained still take. */
  busyMs: number;
  busyUntil: number;
  /** Open WebSockets. */
  webSockets: number;
  /** How long its drain had lasted when its sessions were closed. */
  closedAfterMs: number | null;
}

const release = (id: string): InstalledRelease => ({ id, version: id.slice(0, id.lastIndexOf("-")) });

/** Hosts, their load balancer and their dead-men, on a virtual clock. Every change is checked against the promises. */
export class SimulatedHosts {
  readonly hosts = new Map<string, SimulatedHost>();
  readonly behaviour = new Map<string, Behaviour>();
  /** What was done, in order: "web-1 drain", "web-1 activate 2.1.0". */
  readonly events: string[] = [];
  /** Promises that were broken: must stay empty. */
  readonly violations: string[] = [];
  minServing = 0;
  /** How often an activation takes itself back before its confirmation arrives, by host. */
  readonly impatient = new Map<string, number>();
  /** Hosts that the load balancer does not take back. */
  readonly keptOut = new Set<string>();
  /** Thrown when a host is taken over. */
  refusing: Error | null = null;
  readonly #clock: Clock;

  constructor(clock: Clock, names: readonly string[], active: string | null) {
    this.#clock = clock;
    for (const name of names) {
      this.hosts.set(name, {
        active,
        before: null,
        running: active !== null,
        starts: 0,
        reachable: true,
        hangs: false,
        locked: false,
        releases: active === null ? [] : [active],
        token: 0,
        authority: "a",
        pending: null,
        last: null,
        admin: "ready",
        weightPercent: 100,
        busyMs: 0,
        busyUntil: 0,
        webSockets: 0,
        closedAfterMs: null,
      });
    }
  }

  host(name: string): SimulatedHost {
    const host = this.hosts.get(name);
    if (host === undefined) throw new TypeError(`no host ${name}`);
    return host;
  }

  /** What each host serves, and with which share: "2.1.0 ready 100". */
  picture(): Record<string, string> {
    const entries = [...this.hosts].map(([name, host]) => {
      const what = host.active === null ? "nothing" : release(host.active).version;
      const state = `${what}${host.running || host.active === null ? "" : " stopped"} ${host.admin} ${host.weightPercent}`;
      return [name, host.pending === null ? state : `${state} unconfirmed`] as const;
    });
    return Object.fromEntries(entries);
  }

  isServing(host: SimulatedHost): boolean {
    return host.admin === "ready" && host.running && host.weightPercent > 0;
  }

  #start(host: SimulatedHost): void {
    const { crashes = false, crashesAfterMs } = this.behaviour.get(host.active ?? "") ?? {};
    host.starts += 1;
    host.running = host.active !== null && !crashes;
    const run = host.starts;
    if (crashesAfterMs === undefined) return;
    this.#clock.timer(crashesAfterMs, () => {
      if (host.starts === run) host.running = false;
    });
  }

  #touch(name: string, scope: StepScope, what: string): SimulatedHost {
    const host = this.host(name);
    if (!host.reachable) throw new RetryableError("HOST_UNREACHABLE", `${name}: no route to host`);
    if (scope.fence.token < host.token) throw new TerminalError("HOST_FENCED", `${name}: older token`);
    host.token = scope.fence.token;
    if (what !== "") this.events.push(`${name} ${what}`);
    return host;
  }

  /** Passes the time that is waited for a host that hangs, and fails when it still does. */
  async #hang(name: string, withinMs: number): Promise<void> {
    const host = this.host(name);
    if (!host.hangs) return;
    await new Promise<void>((resolve) => this.#clock.timer(withinMs, resolve));
    if (host.hangs) throw new RetryableError("HOST_UNREACHABLE", `${name}: no answer within ${withinMs} ms`);
  }

  async #lock(name: string, withinMs: number): Promise<void> {
    for (let waitedMs = 0; this.host(name).locked; waitedMs += 1_000) {
      if (waitedMs >= withinMs) throw new RetryableError("HOST_BUSY", `${name}: the lock is held by another script`);
      await new Promise<void>((resolve) => this.#clock.timer(1_000, resolve));
    }
  }

  #switch(name: string, host: SimulatedHost, id: string | null): void {
    if (host.admin === "ready" && host.running) this.violations.push(`${name} was restarted while it took requests`);
    host.active = id;
    host.running = false;
    this.#start(host);
  }

  #takeBack(name: string, reason: string): void {
    const host = this.host(name);
    const { pending } = host;
    if (pending === null) return;
    host.pending = null;
    host.active = pending.previousId;
    host.last = { turn: pending.turn, releaseId: pending.releaseId, state: "reverted", reason };
    this.events.push(`${name} took back`);
    host.running = false;
    this.#start(host);
  }

  #arm(name: string, ms: number): void {
    const host = this.host(name);
    const { pending } = host;
    if (pending === null) return;
    pending.until = this.#clock.monotonic() + ms;
    const check = (): void => {
      if (host.pending !== pending) return;
      const left = pending.until - this.#clock.monotonic();
      if (left > 0) this.#clock.timer(left, check);
      else this.#takeBack(name, pending.exposure ? "nobody watched it in time" : "not confirmed in time");
    };
    this.#clock.timer(ms, check);
  }

  #state(name: string, host: SimulatedHost): HostState {
    const pending: PendingActivation | null =
      host.pending === null
        ? null
        : { ...host.pending, remainingMs: Math.max(0, host.pending.until - this.#clock.monotonic()) };
    return {
      host: name,
      active: host.active === null ? null : release(host.active),
      previous: host.before === null ? null : release(host.before),
      releases: host.releases.map(release),
      incomplete: [],
      fence: { token: host.token, authority: host.authority },
      service: host.running ? "running" : "stopped",
      pid: host.running ? 1 : null,
      pending,
      last: host.last,
      freeBytes: 1e9,
      clockMs: this.#clock.now(),
    };
  }

  fleet(): Fleet {
    const read: Fleet["read"] = async (name) => {
      const host = this.host(name);
      await this.#hang(name, 15_000);
      if (!host.reachable) throw new RetryableError("HOST_UNREACHABLE", `${name}: no route to host`);
      return this.#state(name, host);
    };
    return {
      read,
      install: async (name, { id }, scope) => {
        const host = this.#touch(name, scope, "");
        if (host.releases.includes(id)) return { installed: false };
        host.releases.push(id);
        return { installed: true };
      },
      activate: async (name, releaseId, { turn, confirmWithinMs }, scope) => {
        const host = this.#touch(name, scope, "");
        if (host.last?.turn === turn && host.last.state !== "begun") return host.last;
        this.events.push(`${name} activate ${releaseId === null ? "nothing" : release(releaseId).version}`);
        const previousId = host.pending?.previousId ?? host.active;
        host.pending = null;
        if (confirmWithinMs !== null) {
          host.pending = { turn, releaseId, previousId, exposure: false, until: 0 };
          this.#arm(name, confirmWithinMs);
        }
        this.#switch(name, host, releaseId);
        host.last = { turn, releaseId, state: confirmWithinMs === null ? "confirmed" : "pending", reason: "" };
        const impatience = this.impatient.get(name) ?? 0;
        if (impatience > 0) {
          this.impatient.set(name, impatience - 1);
          this.#clock.timer(1, () => this.#takeBack(name, "not confirmed in time"));
          await new Promise<void>((resolve) => this.#clock.timer(2, resolve));
        }
        return host.last;
      },
      confirm: async (name, { turn, exposureMs }, scope) => {
        const host = this.#touch(name, scope, "");
        const { pending } = host;
        if (pending?.turn === turn) {
          host.last = { turn, releaseId: pending.releaseId, state: "confirmed", reason: "" };
          if (exposureMs === undefined) {
            host.before = pending.previousId;
            host.pending = null;
          } else {
            pending.exposure = true;
            this.#arm(name, exposureMs);
          }
        }
        const { last } = host;
        if (last?.turn === turn && last.state === "confirmed") return { state: "confirmed" };
        return { state: "reverted", reason: last?.turn === turn ? last.reason : "superseded" };
      },
      revert: async (name, scope) => {
        const reverted = this.#touch(name, scope, "revert").pending !== null;
        this.#takeBack(name, "on demand");
        return { reverted };
      },
      restart: async (name, scope) => {
        const host = this.#touch(name, scope, "restart");
        this.#switch(name, host, host.active);
      },
      stop: async (name, scope) => void (this.#touch(name, scope, "stop").running = false),
      start: async (name, scope) => this.#start(this.#touch(name, scope, "start")),
      prune: async (name, _order, scope) => {
        this.#touch(name, scope, "");
        return { removed: [] };
      },
      raiseFence: async (name, scope, withinMs = 60_000) => {
        await this.#hang(name, withinMs);
        await this.#lock(name, Math.min(withinMs, 20_000));
        this.#touch(name, scope, "");
      },
      adopt: async (name, scope) => {
        const host = this.#touch(name, scope, "");
        if (this.refusing !== null) throw this.refusing;
        const from = host.authority;
        host.authority = "authority-1";
        return { from };
      },
      probe: async (name) => {
        const host = this.host(name);
        const ok = host.running && host.active !== null && host.reachable;
        const { answersAs = ok ? release(host.active ?? "").version : null } =
          this.behaviour.get(host.active ?? "") ?? {};
        const reason = ok ? "" : "connect ECONNREFUSED";
        return { ok, status: ok ? 200 : 0, version: ok ? answersAs : null, latencyMs: 1, reason };
      },
      usage: async () => null,
      serviceLog: async () => ["cannot open the ledger"],
    };
  }

  balancer(): LoadBalancer {
    const state = (name: string, host: SimulatedHost): ServerState => ({
      name,
      admin: host.admin,
      up: host.running,
      check: host.running ? "L7OK/200" : "L4CON",
      weightPercent: host.weightPercent,
      sessions: host.busyUntil > this.#clock.monotonic() ? 1 : 0,
      upgraded: 0,
      requests: 0,
      failures: 0,
    });
    return {
      target: "fenced",
      read: async () => [...this.hosts].map(([name, host]) => state(name, host)),
      set: async (name, { admin, weightPercent }, scope) => {
        const host = this.host(name);
        if (scope.fence.token < host.token) throw new TerminalError("LOAD_BALANCER_FENCED", "older token");
        if (admin === "ready" && this.keptOut.has(name))
          throw new TerminalError("LOAD_BALANCER_UNREACHABLE", `${name}: no answer`);
        const before = this.isServing(host);
        if (admin === "drain" && host.admin === "ready") host.busyUntil = this.#clock.monotonic() + host.busyMs;
        host.admin = admin ?? host.admin;
        host.weightPercent = weightPercent ?? host.weightPercent;
        this.events.push(`${name} ${host.admin}${host.admin === "ready" ? ` ${host.weightPercent}` : ""}`);
        const serving = [...this.hosts.values()].filter((one) => this.isServing(one)).length;
        if (before && !this.isServing(host) && serving < this.minServing) {
          this.violations.push(`only ${serving} hosts serve after ${name} was taken out`);
        }
        if (host.admin === "ready" && !host.running && host.active !== null)
          this.violations.push(`${name} is ready and down`);
      },
      waitIdle: async (name, withinMs) => {
        const host = this.host(name);
        const left = Math.max(0, host.busyUntil - this.#clock.monotonic());
        // A WebSocket does not end by itself: nothing is idle before it is closed.
        const waitMs = host.webSockets > 0 ? withinMs : Math.min(left, withinMs);
        await new Promise<void>((resolve) => this.#clock.timer(waitMs, resolve));
        return { sessions: host.webSockets + (left > withinMs ? 1 : 0), upgraded: host.webSockets };
      },
      waitUp: async (name) => this.host(name).running,
      closeSessions: async (name) => {
        this.events.push(`${name} close-sessions`);
        const host = this.host(name);
        const closedAfterMs = this.#clock.monotonic() - (host.busyUntil - host.busyMs);
        Object.assign(host, { busyUntil: 0, webSockets: 0, closedAfterMs });
      },
    };
  }
}
