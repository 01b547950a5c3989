import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { SystemConfig } from "../../../src/system/schema.ts";
import { API_HOST, type DemoEnvironment } from "./environment.ts";

/** The repository's root, where `scripts/` is. */
const ROOT = path.resolve(import.meta.dirname, "../../..");

/** The configuration of the demo's system. Times are those of a demo: a bake of seconds, where production takes minutes. */
export function demoConfig(environment: DemoEnvironment, options: { readonly runbook: string }): SystemConfig {
  const { directory, certificates, database, people, proxy, releaseKey } = environment;
  return {
    service: "payments",
    environment: "production",
    runbook: options.runbook,
    stateDir: path.join(directory, "state"),
    checkpointCopyDir: path.join(directory, "checkpoints"),
    scripts: path.join(ROOT, "scripts"),
    releases: { dir: environment.releasesDir, trustedKeys: [releaseKey.verifier] },
    hosts: environment.hosts.map(({ name, root, port }) => ({ name, root, port })),
    serviceControl: { kind: "supervised" },
    loadBalancer: { kind: "embedded", socket: proxy.socket },
    rollout: {
      canaryHosts: 1,
      canaryPercent: 20,
      canaryBakeMs: 12_000,
      maxUnavailable: 1,
      finalBakeMs: 6_000,
      minRequests: 100,
      drainTimeoutMs: 15_000,
      healthTimeoutMs: 15_000,
      confirmWithinMs: 60_000,
      unwatchedMs: 120_000,
      decisionMs: 5_000,
      shiftPauseMs: 2_000,
    },
    monitoring: { source: { kind: "scrape", path: "/metrics" }, intervalMs: 1_000 },
    database: {
      kind: "sqlite",
      file: database.file,
      backupDir: database.backupDir,
      backupRecipients: [database.keys.publicKeyFile],
      backupKeyFile: database.keys.privateKeyFile,
    },
    infrastructure: { workDir: path.join(directory, "infrastructure") },
    endpoints: {
      [`https://${API_HOST}`]: { connect: `127.0.0.1:${proxy.port}`, caFile: certificates.caCertFile },
    },
    certificates: [
      {
        name: "api",
        hosts: [API_HOST],
        certFile: certificates.certFile,
        keyFile: certificates.keyFile,
        caFile: certificates.caCertFile,
        issuer: { kind: "local-ca", caCertFile: certificates.caCertFile, caKeyFile: certificates.caKeyFile },
      },
    ],
    people: [
      { name: "operator", roles: ["operator", "On-Call Engineer"], publicKeyFile: people.operator.publicKeyFile },
      { name: "cto", roles: ["CTO"], publicKeyFile: people.cto.publicKeyFile },
      { name: "dba", roles: ["DBA", "Database Admin"], publicKeyFile: database.keys.publicKeyFile },
    ],
    notify: { channels: [{ kind: "file", path: path.join(directory, "notices.jsonl") }] },
    security: { privateFiles: ["shared/service.env"] },
  };
}

/** Writes the configuration to `sunny.config.json` in the environment's directory and gives the file's path. */
export async function writeConfig(
  environment: DemoEnvironment,
  options: { readonly runbook: string },
): Promise<string> {
  const file = path.join(environment.directory, "sunny.config.json");
  await writeFile(file, `${JSON.stringify(demoConfig(environment, options), null, 2)}\n`, { mode: 0o600 });
  return file;
}
