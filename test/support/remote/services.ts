/** What runs on the hosts before anybody deploys, and how it is ended. */
import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { initialScope } from "../../../examples/payments/demo/database.ts";
import type { DemoEnvironment } from "../../../examples/payments/demo/environment.ts";
import { fleetOf } from "../../../examples/payments/demo/system.ts";
import { systemClock } from "../../../src/clock.ts";
import type { System } from "../../../src/system/schema.ts";

/** Brings the first release to every host; not over SSH, which leaves the same on a host and takes longer. */
export async function startServices(environment: DemoEnvironment, system: System, authority: string): Promise<void> {
  const local = { kind: "local" as const };
  const hosts = system.hosts.map((host) => ({ ...host, connection: local }));
  const fleet = fleetOf(environment, { clock: systemClock, system: { ...system, hosts }, authority });
  const first = async (host: string): Promise<void> => {
    const scope = initialScope(`start-${host}`);
    await fleet.install(host, environment.running, scope);
    await fleet.activate(host, environment.running.id, { turn: "initial", confirmWithinMs: null }, scope);
  };
  await Promise.all(hosts.map(({ name }) => first(name)));
}

/** Ends dead-men and services of all hosts, each with its group. */
export function endServices({ hosts }: { readonly hosts: readonly { readonly root: string }[] }): void {
  for (const { root } of hosts) {
    killByFile(path.join(root, ".sunny", "deadman.pid"));
    killByFile(path.join(root, "shared", "service.pid"));
  }
}

function killByFile(file: string): void {
  try {
    // Without a number there is none: 0 would be this process's own group.
    process.kill(-(Number(readFileSync(file, "utf8").split(" ")[0]) || Number.NaN), "SIGKILL");
  } catch {
    // Nothing runs there.
  }
}
