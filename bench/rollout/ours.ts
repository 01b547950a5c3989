/** Sunny's part of the benchmark, as a tool like the others. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { makeBundle } from "../../tools/bundle/make.ts";
import type { BenchFleet } from "./fleet.ts";
import type { OursOrder } from "./ours-main.ts";
import type { BenchRelease } from "./releases.ts";
import { workDir } from "./tool.ts";
import type { Tool } from "./tool.ts";

/** Sunny's own part as a tool: `width` hosts in work at once; with `phases` all of them get the release first. */
export function ours(how: Pick<OursOrder, "width" | "phases">): Tool {
  return { name: "sunny", command: (fleet, release) => command(fleet, release, how) };
}

const ROOT = path.join(import.meta.dirname, "..", "..");
const MAIN = "bench/rollout/ours-main.ts";

function command(
  fleet: BenchFleet,
  release: BenchRelease,
  how: Pick<OursOrder, "width" | "phases">,
): { argv: string[] } {
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
  // As `bin/sunny` starts a deployment.
  const script = path.join(fleet.dir, "script");
  mkdirSync(script, { recursive: true });
  makeBundle(ROOT, MAIN, script);
  const flags = ["--disable-warning=ExperimentalWarning", "--max-semi-space-size=1"];
  return { argv: [process.execPath, ...flags, path.join(import.meta.dirname, "ours-start.js"), script, file] };
}
