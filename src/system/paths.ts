import path from "node:path";
import type { System } from "./schema.ts";

/** Every key that holds a path on the machine where Sunny runs; `*` stands for any member or element. */
const PATHS = [
  "runbook",
  "stateDir",
  "checkpointCopyDir",
  "scripts",
  "releases.dir",
  "loadBalancer.socket",
  "database.file",
  "database.backupDir",
  "database.backupRecipients.*",
  "database.backupKeyFile",
  "infrastructure.workDir",
  "endpoints.*.caFile",
  "monitoring.source.caFile",
  "certificates.*.certFile",
  "certificates.*.keyFile",
  "certificates.*.caFile",
  "certificates.*.issuer.caCertFile",
  "certificates.*.issuer.caKeyFile",
  "people.*.publicKeyFile",
  "notify.channels.*.path",
  "hosts.*.connection.knownHostsFile",
  "hosts.*.connection.identityFile",
  "inventory.path",
  "loadBalancer.hosts.*.connection.knownHostsFile",
  "loadBalancer.hosts.*.connection.identityFile",
].map((key) => key.split("."));

type Tree = Record<string, unknown>;

/** Resolves every relative path of the configuration against the folder of its file. Roots of remote hosts stay as they are. */
export function absolutePaths(system: System, base: string): System {
  const copy = structuredClone(system) as unknown as Tree;
  for (const keys of PATHS) resolveAt(copy, keys, base);
  const resolved = copy as unknown as System;
  for (const host of resolved.hosts) {
    if (host.connection.kind === "local") host.root = path.resolve(base, host.root);
  }
  return resolved;
}

function resolveAt(node: unknown, keys: readonly string[], base: string): void {
  const [key, ...rest] = keys;
  if (key === undefined || typeof node !== "object" || node === null) return;
  const tree = node as Tree;
  for (const member of key === "*" ? Object.keys(tree) : [key]) {
    const value = tree[member];
    if (rest.length > 0) resolveAt(value, rest, base);
    else if (typeof value === "string") tree[member] = path.resolve(base, value);
  }
}
