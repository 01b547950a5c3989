import type { Clock } from "../../clock.ts";

/** What is known of the connection to one host. */
interface Connection {
  readonly host: string;
  readonly processes: number;
  state: "closed" | "opening" | "open" | "closing";
  /** Grows with every opening, so that who used an earlier one cannot close a later one. */
  epoch: number;
  /** Scripts that go over it now. */
  busy: number;
  /** The session that opened it carries a script. */
  firstBusy: boolean;
  usedAt: number;
}

interface Waiter {
  /** null: for a connection beside the shared ones. */
  readonly connection: Connection | null;
  readonly processes: number;
  grant(kind: Lane["kind"]): void;
}

export interface PoolOptions {
  /** Live processes of `ssh`, at most. */
  readonly maxProcesses: number;
  /** Scripts over one connection at once; sshd's own limit, MaxSessions, is 10. */
  readonly maxSessions: number;
  readonly clock: Clock;
  /** Ends the open connection of a host, for good or in vain. */
  readonly exit: (host: string) => Promise<void>;
}

/** The right to start one process of `ssh`. */
export interface Lane {
  /** "cold": open the connection. "first": use the session that opened it. "shared": add a session to it. */
  readonly kind: "cold" | "first" | "shared";
  /** The connection is open now; others may use it. */
  opened(): void;
  /** The process is gone. `lost`: so is the connection. */
  done(lost: boolean): void;
}

/** For people and for the benchmark. */
export interface PoolCounts {
  /** Processes of `ssh` that live now, connections that wait for their next script included. */
  readonly live: number;
  readonly peak: number;
  /** Scripts that wait for a process. */
  readonly waiting: number;
}

/** Processes that are kept for ending connections. */
const EXIT_RESERVE = 2;

/**
 * Shares a fixed number of processes among any number of hosts, first come, first served. A connection that is open
 * and idle counts as well; it is closed when another host needs its place, the one unused for the longest time first.
 */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #capacity: number;
  readonly #connections = new Map<string, Connection>();
  #waiters: Waiter[] = [];
  #live = 0;
  #peak = 0;
  #closing = new Set<Promise<void>>();

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#capacity = Math.max(1, options.maxProcesses - EXIT_RESERVE);
  }

  counts(): PoolCounts {
    return { live: this.#live, peak: this.#peak, waiting: this.#waiters.length };
  }

  /** Waits for the right to run a script on a host. @throws the signal's reason */
  async lane(host: string, processes: number, signal?: AbortSignal): Promise<Lane> {
    const connection = this.#connection(host, processes);
    const kind = await this.#wait({ connection, processes: connection.processes }, signal);
    return this.#laneOf(connection, kind);
  }

  /** Waits for the right to make a connection beside the shared ones; gives back how it is returned. */
  async extra(processes: number, signal?: AbortSignal): Promise<() => void> {
    const wanted = Math.min(processes, this.#capacity);
    await this.#wait({ connection: null, processes: wanted }, signal);
    return () => this.#give(wanted);
  }

  /** Counts a connection that is open already; false when there is no room for it. */
  adopt(host: string, processes: number): boolean {
    const connection = this.#connection(host, processes);
    if (connection.state !== "closed" || !this.#take(connection.processes)) return false;
    connection.state = "open";
    connection.epoch++;
    return true;
  }

  /** Ends every open connection, except those that are idle and that `keep` holds for: their hosts, least recently used first. */
  async close(keep: (host: string) => boolean = () => false): Promise<string[]> {
    const open = [...this.#connections.values()].filter((one) => one.state === "open");
    const kept = open.filter((one) => one.busy === 0 && keep(one.host));
    for (const one of open) if (!kept.includes(one)) this.#end(one);
    await Promise.all(this.#closing);
    return kept.toSorted((a, b) => a.usedAt - b.usedAt).map((one) => one.host);
  }

  #connection(host: string, wanted: number): Connection {
    const known = this.#connections.get(host);
    if (known !== undefined) return known;
    const processes = Math.min(wanted, this.#capacity);
    const state = { state: "closed", epoch: 0, busy: 0, firstBusy: false, usedAt: 0 } as const;
    const made: Connection = { host, processes, ...state };
    this.#connections.set(host, made);
    return made;
  }

  #wait(wanted: Omit<Waiter, "grant">, signal?: AbortSignal): Promise<Lane["kind"]> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason as Error);
      const waiter: Waiter = {
        ...wanted,
        grant: (kind) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(kind);
        },
      };
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        reject(signal?.reason as Error);
        this.#pump();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#pump();
    });
  }

  /**
   * Serves who waits, in order: first whose connection is open, since that is used now or closed for somebody else. One
   * whose own connection is not to be had now is passed over.
   */
  #pump(): void {
    const open = this.#waiters.filter((one) => one.connection?.state === "open");
    const closed = this.#waiters.filter((one) => one.connection?.state !== "open");
    const served = new Map<Waiter, Lane["kind"]>();
    let full = false;
    for (const waiter of [...open, ...closed]) {
      const { connection } = waiter;
      if (connection !== null && !this.#usable(connection)) continue;
      const kind = connection === null ? "cold" : kindOf(connection);
      full = !this.#take(kind === "cold" ? waiter.processes : kind === "shared" ? 1 : 0);
      if (full) break;
      served.set(waiter, kind);
      if (connection !== null) occupy(connection, kind);
    }
    this.#waiters = this.#waiters.filter((waiter) => !served.has(waiter));
    for (const [waiter, kind] of served) waiter.grant(kind);
    if (full) this.#makeRoom();
  }

  #usable(connection: Connection): boolean {
    if (connection.state === "closed") return true;
    return connection.state === "open" && connection.busy < this.#options.maxSessions;
  }

  #laneOf(connection: Connection, kind: Lane["kind"]): Lane {
    const { epoch } = connection;
    const current = (): boolean => connection.epoch === epoch;
    return {
      kind,
      opened: () => {
        if (current() && connection.state === "opening") connection.state = "open";
        this.#pump();
      },
      done: (lost) => {
        connection.busy--;
        if (kind !== "shared" && current()) connection.firstBusy = false;
        connection.usedAt = this.#options.clock.monotonic();
        // A connection that is open keeps its place; one that never opened, or that is gone, gives it back.
        const never = kind === "cold" && connection.state === "opening";
        if (current() && (never || (lost && connection.state === "open"))) {
          connection.state = "closed";
          this.#live -= connection.processes;
        }
        if (kind === "shared") this.#live--;
        this.#pump();
      },
    };
  }

  #take(processes: number): boolean {
    if (this.#live + processes > this.#capacity) return false;
    this.#live += processes;
    this.#peak = Math.max(this.#peak, this.#live);
    return true;
  }

  #give(processes: number): void {
    this.#live -= processes;
    this.#pump();
  }

  /** Closes idle connections, at most as many at once as there are processes for it; first those nobody waits for. */
  #makeRoom(): void {
    if (this.#closing.size >= EXIT_RESERVE) return;
    const wanted = new Set(this.#waiters.map((one) => one.connection));
    const idle = [...this.#connections.values()].filter((one) => one.state === "open" && one.busy === 0);
    const rank = (one: Connection): number => (wanted.has(one) ? 1 : 0);
    const next = idle.toSorted((a, b) => rank(a) - rank(b) || a.usedAt - b.usedAt)[0];
    if (next !== undefined) this.#end(next);
  }

  /** Nobody may use a connection, nor open it anew, before it is gone. */
  #end(connection: Connection): void {
    connection.state = "closing";
    const ending = this.#options.exit(connection.host).then(() => {
      this.#closing.delete(ending);
      connection.state = "closed";
      this.#give(connection.processes);
    });
    this.#closing.add(ending);
  }
}

function kindOf(connection: Connection): Lane["kind"] {
  if (connection.state === "closed") return "cold";
  return connection.firstBusy ? "shared" : "first";
}

function occupy(connection: Connection, kind: Lane["kind"]): void {
  connection.busy++;
  if (kind === "shared") return;
  connection.firstBusy = true;
  if (kind === "first") return;
  connection.state = "opening";
  connection.epoch++;
}
