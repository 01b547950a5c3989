/** Real OpenSSH servers for tests: each with its own directory and host key, on addresses of the loopback network. */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { appendFileSync, chmodSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import path from "node:path";
import process from "node:process";
import { findProgram, needProgram } from "./programs.ts";

export interface SshdOptions {
  /** A directory of the server's own; made when missing. */
  readonly dir: string;
  readonly port: number;
  /** Up to 16, which is all that sshd takes; default 127.0.0.1. */
  readonly addresses?: readonly string[];
  /** Public keys that may log in. */
  readonly authorizedKeys: readonly string[];
  /** More lines of sshd_config. */
  readonly config?: readonly string[];
}

export interface Sshd {
  readonly port: number;
  readonly user: string;
  readonly pid: number;
  /** Of its host key, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  /** Lines for a known-hosts file, one an address. */
  knownHosts(): string;
  /** Everything that it logged. */
  log(): string;
  /** Ends the server and, with `connections`, every connection that it carries. */
  stop(how?: { readonly connections: boolean }): Promise<void>;
  /** Ends the connections and goes on listening. */
  cut(): void;
}

/** A key pair without passphrase. `path` is the private key; `public` the line for authorized_keys. */
export function makeKey(file: string): { readonly path: string; readonly public: string } {
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  execFileSync(needProgram("ssh-keygen"), ["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", file]);
  return { path: file, public: readFileSync(`${file}.pub`, "utf8").trim() };
}

/** Starts a server and waits until it listens. As root it lets root in, otherwise the user who runs the test. */
export async function startSshd(options: SshdOptions): Promise<Sshd> {
  const { dir, port, addresses = ["127.0.0.1"] } = options;
  mkdirSync(dir, { recursive: true });
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  const hostKey = path.join(dir, "host_ed25519");
  if (findFile(hostKey) === undefined) makeKey(hostKey);
  const keys = path.join(dir, "authorized_keys");
  writeFileSync(keys, `${options.authorizedKeys.join("\n")}\n`, { mode: 0o600 });
  const config = path.join(dir, "sshd_config");
  const log = path.join(dir, "log");
  appendFileSync(log, "");
  const before = statSync(log).size;
  writeFileSync(config, configOf(options, addresses, { hostKey, keys, pid: path.join(dir, "pid") }));
  chmodSync(hostKey, 0o600);
  const child = spawn(needProgram("sshd"), ["-D", "-f", config, "-E", log], { stdio: "ignore" });
  try {
    await listening(child, addresses, port, () => readFileSync(log).subarray(before).toString("utf8"));
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  const publicKey = readFileSync(`${hostKey}.pub`, "utf8").trim().split(" ").slice(0, 2).join(" ");
  const cut = (): void => {
    for (const pid of childrenOf(child.pid ?? 0)) kill(pid, "SIGKILL");
  };
  return {
    port,
    user: userInfo().username,
    pid: child.pid ?? 0,
    fingerprint: execFileSync("ssh-keygen", ["-lf", `${hostKey}.pub`], { encoding: "utf8" }).split(" ")[1] ?? "",
    knownHosts: () => addresses.map((address) => `[${address}]:${port} ${publicKey}\n`).join(""),
    log: () => readFileSync(log, "utf8"),
    cut,
    async stop(how = { connections: true }) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      if (how.connections) cut();
      child.kill("SIGTERM");
      await gone;
    },
  };
}

function configOf(
  options: SshdOptions,
  addresses: readonly string[],
  files: { readonly hostKey: string; readonly keys: string; readonly pid: string },
): string {
  return [
    // What a test sets wins: sshd takes the first value of a keyword.
    ...(options.config ?? []),
    `Port ${options.port}`,
    ...addresses.map((address) => `ListenAddress ${address}`),
    `HostKey ${files.hostKey}`,
    `PidFile ${files.pid}`,
    `AuthorizedKeysFile ${files.keys}`,
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin yes",
    "MaxStartups 100:30:200",
    "LogLevel VERBOSE",
    "",
  ].join("\n");
}

function findFile(file: string): string | undefined {
  try {
    readFileSync(file);
    return file;
  } catch {
    return undefined;
  }
}

/** Processes that a process started and that still run; on Linux, by /proc. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    const out = execFileSync(findProgram("pgrep") ?? "pgrep", ["-P", String(pid)], { encoding: "utf8" });
    return out.trim().split("\n").filter(Boolean).map(Number);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** Waits until it listens on every address; on one that somebody else has it never will. */
async function listening(
  child: ChildProcess,
  addresses: readonly string[],
  port: number,
  log: () => string,
): Promise<void> {
  const heard = (): number => log().match(/^Server listening on /gm)?.length ?? 0;
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null || /^Bind to port .* failed/m.test(log())) {
      throw new Error(`sshd did not start: ${log()}`);
    }
    if (heard() >= addresses.length && (await answers(addresses[0] ?? "", port))) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`sshd does not listen on ${addresses.join(", ")}, port ${port}: ${log()}`);
}

function answers(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const done = (ok: boolean): void => {
      socket.destroy();
      resolve(ok);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}
