import { hostCommands } from "../adapters/host/commands.ts";
import { localTransport } from "../adapters/local/local-transport.ts";
import type { SshTarget } from "../adapters/ssh/argv.ts";
import type { SshTransport } from "../adapters/ssh/ssh-transport.ts";
import type { Clock } from "../clock.ts";
import { SunnyError } from "../errors.ts";
import type { Transport } from "../operations/rollout/transport.ts";
import type { HostSpec, System } from "../system/schema.ts";

/** A place that scripts can be run on: a host of the service, or one that only carries a load balancer. */
export type Place = Pick<HostSpec, "name" | "connection" | "root">;

/** How the hosts of a system are reached. */
export interface Transports {
  of(place: Pick<Place, "connection">): Transport;
  /** The place of that name, load balancers included. @throws CONFIG_INVALID */
  place(name: string): Place;
  /** Scripts of other adapters on a host, under its lock and fence where they change something. */
  commands(name: string, authority: string): ReturnType<typeof hostCommands>;
  /** Loads what the places are reached with, without reaching any. */
  load(): Promise<void>;
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Makes nothing until a host is used: `sunny lint` and a system of local hosts need no OpenSSH. `takeOver`: use connections
 * that an earlier command kept, default true.
 */
export function transportsOf(system: System, clock: Clock, { takeOver = true } = {}): Transports {
  const places = placesOf(system);
  const local = localTransport(clock);
  const persistMs = system.ssh.controlPersistMs;
  let ssh: Promise<SshTransport> | undefined;
  const place = (name: string): Place => {
    const found = places.get(name);
    if (found !== undefined) return found;
    throw new SunnyError("CONFIG_INVALID", `There is no host ${name}`, {
      hint: "Hosts are listed under hosts, the inventory, and loadBalancer.hosts.",
    });
  };
  const loadSsh = (): Promise<SshTransport> =>
    (ssh ??= import("../adapters/ssh/ssh-transport.ts").then(({ sshTransport }) =>
      sshTransport({ clock, persistMs, takeOver: takeOver && persistMs > 0, target: (name) => targetOf(place(name)) }),
    ));
  const remote: Transport = { run: async (...script) => (await loadSsh()).run(...script) };
  const over = ({ connection }: Pick<Place, "connection">): Transport => (connection.kind === "local" ? local : remote);
  return {
    of: over,
    place,
    commands: (name, authority) =>
      hostCommands({ host: name, root: place(name).root, transport: over(place(name)), authority }),
    async load() {
      if ([...places.values()].some(({ connection }) => connection.kind === "ssh")) await loadSsh();
    },
    async close() {
      await (await ssh?.catch(() => undefined))?.close();
    },
  };
}

/** A host of the service wins over a load balancer's of the same name: it has the lock of both then. */
function placesOf({ hosts, loadBalancer }: System): ReadonlyMap<string, Place> {
  const carriers = loadBalancer.kind === "haproxy" ? loadBalancer.hosts : [];
  return new Map([...carriers, ...hosts].map((place) => [place.name, place]));
}

function targetOf({ name, connection }: Place): SshTarget {
  if (connection.kind === "local") throw new TypeError(`${name} is not reached over SSH`);
  const { kind: _, ...target } = connection;
  return target;
}
