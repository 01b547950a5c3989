import { RetryableError, TerminalError } from "../engine/context.ts";
import type { StepScope } from "../engine/context.ts";
import type { LoadBalancer, ServerState } from "../operations/rollout/ports.ts";
import { FencedTarget } from "./fenced-target.ts";
import type { SimulatedProcess } from "./process.ts";
import { originIn } from "./script.ts";
import type { Origin, Parts } from "./script.ts";
import type { SimulatedWorld } from "./world.ts";

/** What was ordered for one server. */
export interface ServerOrders {
  admin: "ready" | "drain" | "maint";
  weightPercent: number;
  /** Requests in flight end by then, on the monotonic clock. */
  busyUntil: number;
}

/** The load balancer of the simulated world. */
export interface SimulatedBalancer {
  readonly servers: Map<string, ServerOrders>;
  readonly fence: FencedTarget;
  reachable: boolean;
}

/** How long requests in flight take that a drained server still has. */
const IN_FLIGHT_MS = 300;
const LOOK_AGAIN_MS = 500;

/** A balancer whose servers all take their full share. */
export function newBalancer(names: readonly string[]): SimulatedBalancer {
  const servers = names.map((name): [string, ServerOrders] => [
    name,
    { admin: "ready", weightPercent: 100, busyUntil: 0 },
  ]);
  return { servers: new Map(servers), fence: new FencedTarget(), reachable: true };
}

/** The load balancer as a process reaches it. */
export function simulatedBalancer(world: SimulatedWorld, process: SimulatedProcess): LoadBalancer {
  const { balancer } = world;
  const assertReachable = (): void => {
    if (balancer.reachable) return;
    world.suffer("the proxy is cut off");
    throw new RetryableError("LOAD_BALANCER_UNREACHABLE", "the proxy does not answer");
  };
  const orders = (name: string): ServerOrders => {
    const server = balancer.servers.get(name);
    if (server === undefined) throw new TerminalError("SERVER_UNKNOWN", `there is no server ${name}`);
    return server;
  };
  const order = <T>(label: string, scope: StepScope, parts: (origin: Origin) => Parts<T>): Promise<T> => {
    const origin = originIn(scope);
    const admit = (): undefined => {
      assertReachable();
      const refusal = world.defects.fencing === false ? undefined : balancer.fence.refusal(origin);
      if (refusal !== undefined) throw new TerminalError("LOAD_BALANCER_FENCED", `the proxy refuses: ${refusal}`);
      balancer.fence.admit(origin);
      world.contacted("proxy", origin);
      return undefined;
    };
    return process.call({ label, scope, enter: admit, parts: () => parts(origin) });
  };
  return {
    target: "fenced",
    read: (signal) =>
      process.read(
        "proxy read",
        () => {
          assertReachable();
          return [...balancer.servers].map(([name, server]) => serverState(world, name, server));
        },
        signal,
      ),
    set: (name, { admin, weightPercent }, scope) =>
      order(`proxy set ${name} ${admin ?? ""} ${weightPercent ?? ""}`.trimEnd(), scope, function* (origin) {
        const server = orders(name);
        if (admin === "drain" && server.admin === "ready") server.busyUntil = world.clock.monotonic() + IN_FLIGHT_MS;
        server.admin = admin ?? server.admin;
        server.weightPercent = weightPercent ?? server.weightPercent;
        world.changed("proxy", `${name} ${server.admin} ${server.weightPercent}`, origin);
        yield 2;
      }),
    waitIdle: (name, withinMs, scope) =>
      order(`proxy wait ${name} idle`, scope, function* () {
        const left = Math.max(0, orders(name).busyUntil - world.clock.monotonic());
        yield Math.min(left, withinMs);
        return { sessions: left > withinMs ? 1 : 0, upgraded: 0 };
      }),
    waitUp: (name, withinMs, scope) =>
      order(`proxy wait ${name} up`, scope, function* () {
        const end = world.clock.monotonic() + withinMs;
        while (world.host(name).running === null && world.clock.monotonic() < end) yield LOOK_AGAIN_MS;
        return world.host(name).running !== null;
      }),
    closeSessions: (name, scope) =>
      order(`proxy close ${name}`, scope, function* () {
        orders(name).busyUntil = 0;
        yield 1;
      }),
  };
}

function serverState(world: SimulatedWorld, name: string, server: ServerOrders): ServerState {
  const up = world.host(name).running !== null;
  const sessions = server.busyUntil > world.clock.monotonic() ? 1 : 0;
  return {
    name,
    admin: server.admin,
    up,
    check: up ? "L7OK/200" : "L4CON",
    weightPercent: server.weightPercent,
    sessions,
    upgraded: 0,
    requests: 0,
    failures: 0,
  };
}
