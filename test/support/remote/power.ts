/** Hosts that lose their power, and get it back, as far as one machine can show it: everything on them ends at once. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type { RemoteHost } from "./remote-system.ts";
import { endServices } from "./services.ts";

/** Ends the host's SSH server and every connection to it, the script that ran there, its services and its dead-man. */
export async function powerOff(host: RemoteHost): Promise<void> {
  await host.sshd.stop();
  // It is ended with its connection, a moment later: in that moment it would start a service on a host that is off.
  await scriptEnded(host);
  endServices({ hosts: [host] });
}

/** Waits until whoever has the host's lock, or waits for it, is gone, or only not yet collected by whoever inherited it. */
async function scriptEnded({ root }: RemoteHost): Promise<void> {
  for (const pid of queuedIn(path.join(root, ".sunny", "queue"))) {
    for (;;) {
      const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" });
      if (/^(Z.*)?\s*$/.test(stdout)) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Processes whose ticket was not given back. */
function queuedIn(queue: string): string[] {
  if (!existsSync(queue)) return [];
  const lines = readFileSync(queue, "utf8")
    .split("\n")
    .map((line) => line.split(" "));
  const back = new Set(lines.filter(([sign]) => sign === "-").map(([, ticket]) => ticket));
  const open = lines.filter(([sign, ticket]) => sign === "+" && !back.has(ticket));
  return open.map(([, ticket = ""]) => ticket.split(":")[0] ?? "");
}

/** Starts the host again, as a unit with the dead-man's line before its service does, and lets it be reached. */
export async function powerOn(host: RemoteHost): Promise<void> {
  forgetBoot(host);
  boot(host);
  await host.restartSshd();
}

/** Power off and on in a moment; the SSH server keeps listening, its connections are cut. */
export function reboot(host: RemoteHost): void {
  host.sshd.cut();
  endServices({ hosts: [host] });
  forgetBoot(host);
  boot(host);
}

/** What was recorded under this boot's id was recorded in another boot now. */
function forgetBoot({ root }: RemoteHost): void {
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const pending = path.join(root, ".sunny", "pending");
  if (existsSync(pending)) writeFileSync(pending, readFileSync(pending, "utf8").replaceAll(bootId, "an-earlier-boot"));
}

function boot({ root }: RemoteHost): void {
  const deadman = path.join(root, ".sunny", "deadman");
  if (existsSync(deadman)) spawnSync("sh", [deadman, "boot"], { stdio: "ignore" });
  spawnSync(path.join(root, "service"), ["start"], { stdio: "ignore", env: process.env });
}
