import type { HaproxyBalancer } from "../adapters/haproxy/balancer.ts";
import { parseSocket, type HaproxyEndpoint, type SocketAddress } from "../adapters/haproxy/endpoint.ts";
import { proxyBalancer } from "../adapters/proxy/proxy-balancer.ts";
import type { Clock } from "../clock.ts";
import type { StepScope } from "../engine/context.ts";
import { SunnyError } from "../errors.ts";
import type { LoadBalancer } from "../operations/rollout/ports.ts";
import type { System } from "../system/schema.ts";
import type { Deferral } from "./deferred.ts";
import type { Transports } from "./transports.ts";

/** An admin socket of HAProxy, as configured and read. */
interface Socket {
  readonly text: string;
  readonly address: SocketAddress;
}

/** The load balancer of the system. @throws CONFIG_INVALID for a socket that is none, or on a host that is not listed */
export function loadBalancerOf(
  { loadBalancer, hosts }: System,
  authority: string,
  clock: Clock,
  transports: Transports,
  { port }: Deferral,
): LoadBalancer {
  if (loadBalancer.kind === "embedded") return proxyBalancer(loadBalancer.socket, authority);
  const { backend } = loadBalancer;
  const sockets = loadBalancer.sockets.map(socketOf);
  const reached = [...new Set(sockets.flatMap(({ address }) => (address.kind === "ssh" ? [address.host] : [])))];
  for (const host of reached) transports.place(host);
  // Hosts of the service are taken over as such.
  const carriers = reached.filter((name) => !hosts.some((host) => host.name === name));
  const target = sockets.every(({ address }) => address.kind === "ssh") ? "fenced" : "bounded";
  let made: Promise<HaproxyBalancer> | undefined;
  const make = async (): Promise<HaproxyBalancer> => {
    const { haproxyBalancer } = await import("../adapters/haproxy/balancer.ts");
    const endpoints = sockets.map((socket) => endpointOf(socket, authority, clock, transports));
    return haproxyBalancer({ backend, endpoints: await Promise.all(endpoints), clock });
  };
  const load = (): Promise<HaproxyBalancer> => (made ??= make());
  return port<LoadBalancer>(
    load,
    { read: true, set: true, waitIdle: true, waitUp: true, closeSessions: true },
    {
      target,
      check: async (...call) => (await load()).check(...call),
      look: async (...call) => (await load()).look(...call),
      ...(carriers.length === 0 ? {} : { adopt: adoptionOf(carriers, authority, transports) }),
    },
  );
}

/** Takes over the hosts that only carry load balancers: their locks know the authority. */
function adoptionOf(
  carriers: readonly string[],
  authority: string,
  transports: Transports,
): NonNullable<LoadBalancer["adopt"]> {
  return async (scope: StepScope) => {
    const adopted = await Promise.all(carriers.map((name) => transports.commands(name, authority).adopt(scope)));
    return { from: adopted.find((one) => one.from !== null)?.from ?? null };
  };
}

function socketOf(text: string): Socket {
  const address = parseSocket(text);
  if (address !== null) return { text, address };
  throw new SunnyError("CONFIG_INVALID", `loadBalancer.sockets has "${text}", which is no admin socket`, {
    hint: "Write /path, tcp:host:port, or ssh:host:/path with a host of hosts or loadBalancer.hosts.",
  });
}

async function endpointOf(
  { text, address }: Socket,
  authority: string,
  clock: Clock,
  transports: Transports,
): Promise<HaproxyEndpoint> {
  if (address.kind !== "ssh") {
    const { socketEndpoint } = await import("../adapters/haproxy/socket-endpoint.ts");
    return socketEndpoint(text, address, clock);
  }
  const { hostEndpoint } = await import("../adapters/haproxy/host-endpoint.ts");
  return hostEndpoint(text, address.path, transports.commands(address.host, authority));
}
