import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/** Tells one process from any other, also from a later one that was given the same pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When the process started, in whatever unit the system counts; only compared for equality. */
  readonly startTime: string;
  /** Identity of the boot and, on Linux, of the pid namespace: the same pid means another process in another container. */
  readonly boot: string;
}

let own: ProcessIdentity | undefined;

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  own ??= { pid: process.pid, startTime: startTimeOf(process.pid) ?? "unknown", boot: bootIdentity() };
  return own;
}

/** The identity of a running process, or undefined when there is none with this pid. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, boot: bootIdentity() };
}

/**
 * Whether that very process runs: `dead` only when this is certain (same boot, and the pid is gone, is a zombie or
 * belongs to a process that started at another time); `unknown` for one of another boot or machine.
 */
export function liveness(process: ProcessIdentity): "alive" | "dead" | "unknown" {
  if (process.boot !== bootIdentity()) return "unknown";
  const startTime = startTimeOf(process.pid);
  return startTime !== undefined && startTime === process.startTime ? "alive" : "dead";
}

/** Whether that very process is known to run on this machine. */
export function isAlive(process: ProcessIdentity): boolean {
  return liveness(process) === "alive";
}

let boot: string | undefined;

function bootIdentity(): string {
  boot ??= linuxBoot() ?? command("sysctl", ["-n", "kern.boottime"]) ?? "unknown";
  return boot;
}

function linuxBoot(): string | undefined {
  const id = readText("/proc/sys/kernel/random/boot_id");
  try {
    return id === undefined ? undefined : `${id} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return id;
  }
}

/** Field 22 of /proc/PID/stat on Linux (proc(5)); the start time that ps knows elsewhere. */
function startTimeOf(pid: number): string | undefined {
  if (process.platform !== "linux") {
    const [state, ...started] = (command("ps", ["-o", "stat=,lstart=", "-p", String(pid)]) ?? "").split(/\s+/);
    return state === undefined || state === "" || state.startsWith("Z") ? undefined : started.join(" ");
  }
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold anything, also parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

function command(program: string, args: string[]): string | undefined {
  try {
    return execFileSync(program, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 5_000,
    }).trim();
  } catch {
    return undefined;
  }
}
