import { shellOf } from "../adapters/process/environment.ts";
import type { StepScope } from "../engine/context.ts";
import type { Operation } from "../operation.ts";
import { checkOperations } from "../operations/checks/operations.ts";
import { missingMigrations } from "../operations/database/missing.ts";
import { databaseOperations } from "../operations/database/operations.ts";
import { servingHosts } from "../operations/database/serving.ts";
import { followInstruction } from "../operations/incident/follow-instruction.ts";
import { httpOperations } from "../operations/http/operations.ts";
import { infrastructureOperations } from "../operations/infrastructure/operations.ts";
import { rolloutOperations } from "../operations/rollout/operations.ts";
import type { Fleet, LoadBalancer, Watch } from "../operations/rollout/ports.ts";
import { subprocessOperations } from "../operations/subprocess/operations.ts";
import { securityOperations } from "../operations/security/operations.ts";
import { tlsOperations } from "../operations/tls/operations.ts";
import type { System } from "../system/schema.ts";
import type { Adapters } from "./adapters.ts";
import type { ConnectOptions } from "./connect.ts";
import { monitoringOf } from "./monitoring.ts";
import { incidentNotice } from "./notices.ts";
import { publicEndpointOf } from "./public-endpoint.ts";
import type { Releases } from "./releases.ts";

/** What operations are made over. */
export interface CatalogueNeeds extends ConnectOptions {
  readonly system: System;
  readonly fleet: Fleet;
  readonly loadBalancer: LoadBalancer;
  readonly releases: Releases;
  readonly adapters: Adapters;
  readonly environment: Readonly<Record<string, string>>;
}

/** Every operation by its name, over the ports of one system. */
export function catalogueOf(connected: CatalogueNeeds): ReadonlyMap<string, Operation> {
  const { system, clock, authority, fleet, loadBalancer, releases, adapters, environment } = connected;
  const { http, processes, schema, database, backups, admin, certificates, tls, probes, terraform } = adapters;
  const publicEndpoint = publicEndpointOf(system, http);
  const operations: Operation[] = [
    ...rolloutOperations({
      authority,
      fleet,
      loadBalancer,
      releases,
      watch: watchOf(connected),
      publicEndpoint,
      schema: {
        missing: (version, previous) =>
          missingMigrations({ schema, migrations: releases.migrations, releases }, version, previous),
      },
      clock,
    }),
    ...databaseOperations({
      clock,
      schema,
      probe: database,
      pools: admin,
      backups,
      migrations: releases.migrations,
      releases,
      serving: (signal) => servingHosts(system.hosts, fleet, signal),
    }),
    ...httpOperations({ http }),
    ...checkOperations({
      clock,
      fleet,
      loadBalancer,
      backups,
      database,
      certificates,
      tls,
      releases,
      memory: admin,
      http,
      monitoring: monitoringOf(system, connected.watch, connected.needs),
    }),
    followInstruction({ operations: () => catalogue, tell: incidentNotice(connected.notifier, clock) }),
    ...infrastructureOperations({ configuration: releases, terraform, fleet, loadBalancer, publicEndpoint }),
    ...subprocessOperations({ processes, environment, shell: shellOf(environment) }),
    ...securityOperations({ clock, probes, hosts: adapters.inspector, localFiles: adapters.localFiles, fleet }),
    ...tlsOperations({
      clock,
      files: certificates,
      probe: tls,
      issuerOf: (spec) => adapters.issuerOf(spec),
      reloader: { reload: (_spec, scope) => reload(system, authority, scope) },
    }),
  ];
  const catalogue: ReadonlyMap<string, Operation> = new Map(operations.map((operation) => [operation.name, operation]));
  return catalogue;
}

function watchOf({ watch }: ConnectOptions): Watch {
  return {
    setArms: async (arms) => (await watch()).setArms(arms),
    verdict: async () => (await watch()).verdict(),
  };
}

async function reload(system: System, authority: string, scope: StepScope): Promise<void> {
  if (system.loadBalancer.kind !== "embedded") return;
  const { reloadProxyCertificate } = await import("../adapters/proxy/proxy-balancer.ts");
  await reloadProxyCertificate(system.loadBalancer.socket, { authority, scope });
}

/** Loads what operations load themselves when they run. */
export async function loadWork(): Promise<void> {
  await Promise.all([import("../operations/checks/watch-hosts.ts"), import("../operations/security/attack.ts")]);
}
