import path from "node:path";
import process from "node:process";
import { hostFleet } from "../adapters/host/fleet.ts";
import { localStarter } from "../adapters/local/starter.ts";
import { passedEnvironment } from "../adapters/process/environment.ts";
import type { Clock } from "../clock.ts";
import type { Operation } from "../operation.ts";
import type { Notifier } from "../notify/notice.ts";
import type { Fleet, LoadBalancer } from "../operations/rollout/ports.ts";
import type { ProcessRunner } from "../operations/subprocess/ports.ts";
import type { Deliveries } from "../release/delivery.ts";
import type { System } from "../system/schema.ts";
import { adaptersOf } from "./adapters.ts";
import { deferral } from "./deferred.ts";
import { loadBalancerOf } from "./load-balancer.ts";
import type { SourceNeeds } from "./metric-source.ts";
import { releasesOf, type Releases } from "./releases.ts";
import { transportsOf, type Transports } from "./transports.ts";
import type { WatchHost } from "./watch-host.ts";

export interface ConnectOptions {
  readonly clock: Clock;
  /** The journal's id, from which fencing tokens come. */
  readonly authority: string;
  readonly watch: () => Promise<WatchHost>;
  /** Where `system` was read from. */
  readonly configFile: string;
  readonly needs: SourceNeeds;
  /** Tells people that an incident is being handled. */
  readonly notifier: Notifier;
  /** The newest checkpoint of the audit log; see `HostFleetOptions`. */
  readonly checkpoint?: () => string | null;
  /** Connections are made anew, also where an earlier command kept some. */
  readonly connectsAnew?: boolean;
}

/** Everything that is connected to one system. */
export interface Connected {
  readonly fleet: Fleet;
  readonly loadBalancer: LoadBalancer;
  readonly releases: Releases;
  readonly processes: ProcessRunner;
  readonly transports: Transports;
  /** What programs of the user see of Sunny's own environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Every operation by its name; `fleet` instead of the own one, for who reads hosts in another way. */
  operations(fleet?: Fleet): Promise<ReadonlyMap<string, Operation>>;
  /** Loads every adapter of the system: what a run needs half-way is known to be there before it begins. */
  load(): Promise<void>;
  close(): Promise<void>;
}

/** Connects a system: adapters behind the ports. Opens nothing that could stay open, and loads little. */
export function connect(system: System, options: ConnectOptions): Connected {
  const { clock, authority } = options;
  const releases = releasesOf(system);
  const transports = transportsOf(system, clock, { takeOver: options.connectsAnew !== true });
  const deferred = deferral();
  let made: Deliveries | undefined;
  const deliveries = deferred.port<Deliveries>(
    async () => {
      const { releaseDeliveries } = await import("../release/delivery.ts");
      const directory = path.join(system.stateDir, "deliveries");
      return (made = releaseDeliveries({ store: releases.store, directory }));
    },
    { prepare: true, prepareWhole: true, close: true },
  );
  const fleet = hostFleet({
    system,
    transport: (host) => transports.of(host),
    authority,
    starter: localStarter(),
    releases,
    deliveries,
    ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }),
    clock,
  });
  const loadBalancer = loadBalancerOf(system, authority, clock, transports, deferred);
  const adapters = adaptersOf(deferred, { system, clock, authority, transports });
  // Whatever a foreign script calls of Sunny is about the same system.
  const environment = { ...passedEnvironment(process.env), SUNNY_CONFIG: options.configFile };
  return {
    fleet,
    loadBalancer,
    releases,
    processes: adapters.processes,
    transports,
    environment,
    async operations(other = fleet) {
      const { catalogueOf } = await import("./catalogue.ts");
      return catalogueOf({ ...options, system, fleet: other, loadBalancer, releases, adapters, environment });
    },
    async load() {
      const { loadWork } = await import("./catalogue.ts");
      await Promise.all([deferred.all(), transports.load(), loadWork()]);
    },
    async close() {
      await Promise.all([transports.close(), made?.close()]);
    },
  };
}
