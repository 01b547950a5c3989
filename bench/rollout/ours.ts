/** Sunny's part of the benchmark, as a tool like the others. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type { BenchFleet } from "./fleet.ts";
import type { OursOrder } from "./ours-main.ts";
import type { BenchRelease } from "./releases.ts";
import { workDir } from "./tool.ts";
import type { Tool } from "./tool.ts";

/** Sunny's own part as a tool: `width` hosts in work at once; with `phases` all of them get the release first. */
export function ours(how: Pick<OursOrder, "width" | "phases">): Tool {
  return { name: "sunny", command: (fleet, release) => command(fleet, release, how) };
}

/** The same as that of the command line (`bin/start.js`). */
const COMPILED = path.join(import.meta.dirname, "..", "..", "node_modules", ".cache", "compile");

function command(
  fleet: BenchFleet,
  release: BenchRelease,
  how: Pick<OursOrder, "width" | "phases">,
): { argv: string[]; env: NodeJS.ProcessEnv } {
  const dir = workDir(fleet, "sunny");
  const order: OursOrder = {
    config: {
      service: "api",
      environment: "bench",
      releases: { dir: "store", trustedKeys: ["none"] },
      hosts: fleet.hosts.map((host) => ({
        name: host.name,
        root: fleet.rootOf("sunny", host),
        address: host.address,
        port: fleet.servicePort,
        connection: {
          kind: "ssh",
          address: host.address,
          port: host.port,
          user: fleet.user,
          knownHostsFile: fleet.knownHosts,
          identityFile: fleet.keyFile,
        },
      })),
      serviceControl: {
        kind: "command",
        start: ["./service", "start"],
        stop: ["./service", "stop"],
        status: ["./service", "status"],
      },
      loadBalancer: { kind: "embedded", socket: "none" },
      database: { kind: "sqlite", file: "none", backupDir: "none" },
    },
    storeDir: path.join(fleet.dir, "store"),
    verifierKey: fleet.verifierKey,
    deliveriesDir: path.join(fleet.dir, "deliveries"),
    token: fleet.releases.indexOf(release) + 1,
    release: { name: "api", id: release.id, version: release.version, digest: release.digest },
    ...how,
  };
  const file = path.join(dir, "order.json");
  writeFileSync(file, JSON.stringify(order));
  return {
    env: { NODE_COMPILE_CACHE: COMPILED },
    argv: [
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      path.join(import.meta.dirname, "ours-main.ts"),
      file,
    ],
  };
}
