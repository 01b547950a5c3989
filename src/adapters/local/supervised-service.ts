import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * The service's own environment: `KEY=VALUE` lines, taken literally (no quotes, no expansion), so that no shell ever
 * reads a secret; blank lines and lines that start with `#` are skipped. The last one of a name counts.
 *
 * @throws Error on a line that is neither, with its number and without its content.
 */
export function parseServiceEnv(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line.replace(/\r$/, ""));
    if (match === null) throw new Error(`line ${index + 1} of service.env is not KEY=VALUE`);
    env[match[1] ?? ""] = match[2] ?? "";
  }
  return env;
}

/** The member `start` of a `release.json`: a command as a list of words, `node` first for the Node that runs Sunny. */
export function parseStartCommand(text: string): readonly string[] {
  const start = (JSON.parse(text) as { start?: unknown }).start;
  if (!Array.isArray(start) || start.length === 0 || !start.every((word) => typeof word === "string")) {
    throw new Error('release.json has no "start" command (a list of words)');
  }
  return start;
}

/** `PID START BOOT` of a running process, in the form that the host scripts compare (see `script-prelude.ts`). */
export function hostBornOf(pid: number): string {
  if (process.platform === "linux") {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${pid} ${fields[19]} ${boot}`;
  }
  const started = output("ps", ["-o", "lstart=", "-p", String(pid)])
    .replaceAll(":", ".")
    .trim()
    .split(/\s+/);
  const boot = output("sysctl", ["-n", "kern.boottime"]).replaceAll(/\D/g, "");
  return `${pid} ${started.map((part) => `${part}_`).join("")} ${boot}`;
}

function output(program: string, args: string[]): string {
  return execFileSync(program, args, { encoding: "utf8" });
}
