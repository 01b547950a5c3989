import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import type { ProxyConfig } from "./config.ts";

export type Admin = "ready" | "drain" | "maint";

/**
 * Idle connections to a service are closed by us, before the service does: 5 s is the keep-alive time-out of Node's own
 * server, and a request that meets the closing of its connection could not be repeated safely.
 */
const IDLE_CONNECTION_MS = 4_000;

/** One server behind the proxy: what was ordered, what is seen, what is in flight. */
export class Backend {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly agent: Agent;
  admin: Admin = "ready";
  weightPercent = 100;
  up = false;
  check = "not checked yet";
  requests = 0;
  failures = 0;
  /** Answers by class: index 2 for 2xx. */
  readonly answers: number[] = [0, 0, 0, 0, 0, 0];
  /** Of smooth weighted round robin. */
  current = 0;
  #requestsInFlight = 0;
  readonly #ends = new Set<() => void>();
  readonly #upgraded = new Set<Duplex>();
  readonly #idleWaiters = new Set<() => void>();

  constructor(spec: ProxyConfig["servers"][number]) {
    this.name = spec.name;
    this.address = spec.address;
    this.port = spec.port;
    this.weight = spec.weight;
    this.agent = new Agent({ keepAlive: true, maxFreeSockets: 64, scheduling: "lifo", timeout: IDLE_CONNECTION_MS });
  }

  get sessions(): number {
    return this.#requestsInFlight + this.#upgraded.size;
  }

  get upgraded(): number {
    return this.#upgraded.size;
  }

  /** What it counts for when a server is chosen; 0 takes no new request. */
  get effectiveWeight(): number {
    return this.admin === "ready" && this.up ? (this.weight * this.weightPercent) / 100 : 0;
  }

  /** Counts a request in; the returned function counts it out, once. `end` breaks it off. */
  enter(end: () => void): () => void {
    this.requests++;
    this.#requestsInFlight++;
    this.#ends.add(end);
    return () => {
      if (!this.#ends.delete(end)) return;
      this.#requestsInFlight--;
      this.#settle();
    };
  }

  /** Counts an upgraded connection until it closes. */
  hold(socket: Duplex): void {
    this.#upgraded.add(socket);
    socket.once("close", () => {
      this.#upgraded.delete(socket);
      this.#settle();
    });
  }

  order(change: { admin?: Admin | undefined; weightPercent?: number | undefined }): void {
    if (change.admin !== undefined) this.admin = change.admin;
    if (change.weightPercent !== undefined) this.weightPercent = change.weightPercent;
    this.#settle();
  }

  /** Calls back as soon as nothing is in flight; the returned function gives up waiting. */
  whenIdle(done: () => void): () => void {
    if (this.sessions === 0) {
      done();
      return () => {};
    }
    this.#idleWaiters.add(done);
    return () => this.#idleWaiters.delete(done);
  }

  endSessions(): void {
    for (const end of this.#ends) end();
    for (const socket of this.#upgraded) socket.destroy();
  }

  /** Connections that nobody uses lead to a process that is about to be replaced. */
  closeIdleConnections(): void {
    for (const sockets of Object.values(this.agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  #settle(): void {
    if (this.sessions > 0) return;
    if (this.admin !== "ready") this.closeIdleConnections();
    for (const done of this.#idleWaiters) done();
    this.#idleWaiters.clear();
  }
}

/**
 * Smooth weighted round robin, as nginx describes it: each server gains its weight, the richest is chosen and pays the
 * sum. So a server with a small weight gets its requests spread out, not in a row. undefined when none can be chosen.
 */
export function choose(backends: readonly Backend[], tried: ReadonlySet<Backend>): Backend | undefined {
  let total = 0;
  let best: Backend | undefined;
  for (const backend of backends) {
    const weight = tried.has(backend) ? 0 : backend.effectiveWeight;
    if (weight <= 0) continue;
    total += weight;
    backend.current += weight;
    if (best === undefined || backend.current > best.current) best = backend;
  }
  if (best !== undefined) best.current -= total;
  return best;
}
