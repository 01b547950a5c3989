import { FencedTarget } from "./fenced-target.ts";
import type { SimulatedHost } from "./hosts.ts";
import type { Origin } from "./script.ts";
import type { SimulatedWorld } from "./world.ts";

/** How many hosts may be out of traffic by order at once. */
export interface CapacityRules {
  /** While a release is rolled out. */
  readonly outInRollout: number;
  /** While all go back. */
  readonly outInRollback: number;
}

/** What must hold after every single change of the world, whatever went wrong before. */
export class Invariants {
  readonly violations: string[] = [];
  readonly #world: SimulatedWorld;
  /** What each target has seen, kept apart from the target's own memory, which may be broken. */
  readonly #seen = new Map<string, FencedTarget>();
  /** Effects that a person ordered again. */
  readonly #ordered = new Set<string>();

  constructor(world: SimulatedWorld) {
    this.#world = world;
  }

  contacted(target: string, origin: Origin): void {
    this.#seenBy(target).admit(origin);
  }

  check(target: string, event: string, origin: Origin | null): void {
    if (origin !== null) {
      const stale = this.#seenBy(target).refusal(origin);
      if (stale !== undefined) this.#broken(`${event}: by an older holder: ${stale}`);
      const run = this.#world.disk.runs.get(origin.run);
      if (run !== undefined && run.endedAt !== null) this.#broken(`${event}: after the end of its run`);
    }
    this.#checkHosts(event, origin);
    this.#checkCapacity(event, origin);
  }

  effect(name: string, count: number): void {
    if (count > 1 && !this.#ordered.has(name)) this.#broken(`${name}: happened ${count} times`);
  }

  /** A person said that it is to be done again. */
  orderAgain(key: string): void {
    for (const kind of ["program", "terraform", "remote"]) this.#ordered.add(`${kind} ${key}`);
  }

  /** Nothing may change once a run has ended, not even by a host itself. */
  afterTheEnd(event: string): void {
    this.#broken(`after the end: ${event}`);
  }

  /** What must hold once nothing goes on any more. */
  checkAtRest(): void {
    const { hosts, scripts, balancer } = this.#world;
    for (const host of hosts) {
      if (host.pending !== null) this.#broken(`at rest: the dead-man of ${host.name} is still armed`);
      const isOut = balancer.servers.get(host.name)?.admin !== "ready";
      if (host.up && host.running !== host.current && !isOut && !this.#crashes(host.current)) {
        this.#broken(`at rest: ${host.name} is in traffic between two states`);
      }
    }
    if (scripts.size > 0) this.#broken(`at rest: ${scripts.size} scripts still run`);
  }

  #crashes(release: string | null): boolean {
    return this.#world.behaviourOf(release).crashes === true;
  }

  #seenBy(target: string): FencedTarget {
    let seen = this.#seen.get(target);
    if (seen === undefined) {
      seen = new FencedTarget();
      this.#seen.set(target, seen);
    }
    return seen;
  }

  #checkHosts(event: string, origin: Origin | null): void {
    for (const host of this.#world.hosts) {
      const { name, current, running, releases } = host;
      if (current === "missing") this.#broken(`${event}: ${name} has no current release between two`);
      else if (current !== null && !releases.includes(current)) {
        this.#broken(`${event}: current of ${name} points to ${current}, which is not completely installed`);
      }
      if (this.#world.isServing(host) && running !== current) {
        this.#broken(`${event}: ${name} serves ${running} while current is ${current}`);
      }
    }
    if (origin === null || !event.endsWith(": stop service")) return;
    const name = event.slice(0, event.indexOf(":"));
    const orders = this.#world.balancer.servers.get(name);
    if (orders?.admin === "ready" && orders.weightPercent > 0) this.#broken(`${event}: it took requests`);
  }

  #checkCapacity(event: string, origin: Origin | null): void {
    if (origin === null || !/ drain \d+$/.test(event)) return;
    const { hosts, balancer, capacity, unread } = this.#world;
    const isRollback = /\/back\/|rollback|take-back/.test(origin.key);
    const most = isRollback ? capacity.outInRollback : capacity.outInRollout;
    // Whoever gave no answer when it was looked at last is down for all that the orchestrator can know.
    const hasAnswered = ({ name }: SimulatedHost): boolean =>
      ![...unread].some((asked) => asked.startsWith(`${name} `));
    const isUsable = (host: SimulatedHost): boolean => host.up && host.reachable && hasAnswered(host);
    const out = hosts.filter((host) => isUsable(host) && balancer.servers.get(host.name)?.admin === "drain");
    if (out.length > most) this.#broken(`${event}: ${out.length} hosts are out of traffic, at most ${most} may be`);
  }

  #broken(what: string): void {
    this.violations.push(what);
  }
}
