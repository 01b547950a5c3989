import path from "node:path";
import process from "node:process";
import { databaseName, backupsName } from "../adapters/sqlite/names.ts";
import type { Clock } from "../clock.ts";
import type { MemoryAdmin } from "../operations/checks/ports.ts";
import type { Backups, DatabaseProbe, PoolAdmin, SchemaStore } from "../operations/database/ports.ts";
import type { HttpClient } from "../operations/http/ports.ts";
import type { Terraform } from "../operations/infrastructure/ports.ts";
import type { EndpointProbes, HostInspector, SecurityPorts } from "../operations/security/ports.ts";
import type { ProcessRunner } from "../operations/subprocess/ports.ts";
import type { CertificateFiles, CertificateIssuer, CertificateSpec, TlsProbe } from "../operations/tls/ports.ts";
import type { System } from "../system/schema.ts";
import type { Deferral } from "./deferred.ts";
import type { Transports } from "./transports.ts";

/** The adapters that a plan rarely calls; each is loaded when it is. */
export interface Adapters {
  readonly http: HttpClient;
  readonly processes: ProcessRunner;
  readonly schema: SchemaStore;
  readonly database: DatabaseProbe;
  readonly backups: Backups;
  readonly admin: PoolAdmin & MemoryAdmin;
  readonly certificates: CertificateFiles;
  readonly tls: TlsProbe;
  readonly probes: EndpointProbes;
  readonly inspector: HostInspector;
  readonly localFiles: SecurityPorts["localFiles"];
  readonly terraform: Terraform;
  /** null when the configuration names no issuer for the certificate. */
  issuerOf(spec: CertificateSpec): CertificateIssuer | null;
}

/** What adapters are made of. */
export interface AdapterNeeds {
  readonly system: System;
  readonly clock: Clock;
  readonly authority: string;
  readonly transports: Transports;
}

/** Nothing is loaded by it. */
export function adaptersOf({ port }: Deferral, needs: AdapterNeeds): Adapters {
  const { system, clock } = needs;
  const { binaries, workDir } = system.infrastructure;
  const runner = port<ProcessRunner>(async () => (await import("../adapters/process/runner.ts")).processRunner(clock), {
    run: true,
  });
  const processes = port<ProcessRunner>(
    async () => {
      const { withCurlHome } = await import("../adapters/process/curl-home.ts");
      return withCurlHome(runner, { directory: path.join(system.stateDir, "curl"), endpoints: system.endpoints });
    },
    { run: true },
  );
  const files = port<{ localFiles: SecurityPorts["localFiles"] }>(
    () => import("../adapters/process/host-inspector.ts"),
    { localFiles: true },
  );
  return {
    processes,
    localFiles: (paths) => files.localFiles(paths),
    ...databaseAdapters(port, needs),
    ...hostAdapters(port, needs),
    ...endpointAdapters(port, needs),
    terraform: port<Terraform>(
      async () => {
        const { terraformCli } = await import("../adapters/terraform/terraform.ts");
        return terraformCli({ clock, processes: runner, binaries, workDir, environment: process.env });
      },
      {
        program: true,
        hasState: true,
        applied: true,
        remember: true,
        plan: true,
        saved: true,
        apply: true,
        interrupted: true,
        drift: true,
      },
    ),
  };
}

function databaseAdapters(
  port: Deferral["port"],
  { system, clock }: AdapterNeeds,
): Pick<Adapters, "schema" | "database" | "backups"> {
  const { file, backupDir: directory, backupRecipients: recipientFiles, backupKeyFile: keyFile } = system.database;
  const name = databaseName(file);
  const schema = port<SchemaStore>(
    async () => (await import("../adapters/sqlite/schema-store.ts")).sqliteSchema(file, { clock }),
    {
      state: true,
      apply: true,
      revert: true,
      adopt: true,
      record: true,
      raiseFence: true,
      objects: true,
      expected: true,
      problems: true,
    },
    { name },
  );
  const database = port<DatabaseProbe>(
    async () => (await import("../adapters/sqlite/probe.ts")).sqliteProbe(file, clock),
    { check: true },
    { name },
  );
  const backups = port<Backups>(
    async () => {
      const { sqliteBackups } = await import("../adapters/sqlite/backups.ts");
      const { pgpCipher } = await import("../adapters/pgp/cipher.ts");
      return sqliteBackups({ clock, file, directory, cipher: pgpCipher({ recipientFiles, keyFile }) });
    },
    { create: true, list: true, prove: true, damage: true, markProved: true, prune: true, lostWrites: true },
    { name: backupsName(file, directory) },
  );
  return { schema, database, backups };
}

function hostAdapters(
  port: Deferral["port"],
  { system, clock, authority, transports }: AdapterNeeds,
): Pick<Adapters, "admin" | "inspector"> {
  const look = () => import("./remote-look.ts");
  const admin = port<PoolAdmin & MemoryAdmin>(
    async () => {
      const { serviceAdmin } = await import("../adapters/http/service-admin.ts");
      return serviceAdmin(system.hosts, (await look()).adminCallOf(transports, authority, clock));
    },
    { connections: true, resetConnections: true, memory: true },
  );
  const inspector = port<HostInspector>(async () => (await look()).inspectorOf(transports, authority), {
    files: true,
    sockets: true,
    listeners: true,
    logTails: true,
  });
  return { admin, inspector };
}

function endpointAdapters(
  port: Deferral["port"],
  { clock }: AdapterNeeds,
): Pick<Adapters, "http" | "certificates" | "tls" | "probes" | "issuerOf"> {
  return {
    http: port<HttpClient>(async () => (await import("../adapters/http/client.ts")).httpClient(clock), {
      request: true,
    }),
    certificates: port<CertificateFiles>(
      async () => (await import("../adapters/local-ca/certificate-files.ts")).certificateFiles(),
      { read: true, replace: true, replacedBy: true, restore: true },
    ),
    tls: port<TlsProbe>(async () => (await import("../adapters/http/tls-probe.ts")).tlsProbe(clock), { served: true }),
    probes: port<EndpointProbes>(
      async () => (await import("../adapters/http/endpoint-probes.ts")).endpointProbes(clock),
      { handshake: true, raw: true },
    ),
    issuerOf: ({ issuer }) =>
      issuer === undefined
        ? null
        : port<CertificateIssuer>(
            async () => (await import("../adapters/local-ca/issuer.ts")).localCaIssuer({ ...issuer, clock }),
            { issue: true },
            { name: `local authority ${issuer.caCertFile}` },
          ),
  };
}
