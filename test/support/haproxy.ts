/** A real HAProxy for tests: one frontend, one backend, admin sockets, and a master that can be told to reload. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import process from "node:process";
import { needProgram } from "./programs.ts";

export interface HaproxyTestOptions {
  /** A directory of its own; made when missing. Short: sockets lie in it. */
  readonly dir: string;
  /** Where customers connect. */
  readonly port: number;
  readonly servers: readonly { readonly name: string; readonly port: number; readonly weight?: number }[];
  /** Where an agent is asked about every server. */
  readonly agentPort?: number;
  /** An admin socket on TCP besides the one in `dir`. */
  readonly adminPort?: number;
  /** Milliseconds between two health checks; default 100. */
  readonly checkMs?: number;
}

export interface HaproxyTest {
  readonly socket: string;
  /** A socket that may look and not order. */
  readonly lookSocket: string;
  readonly pid: number;
  log(): string;
  /** What an administrator does after editing the configuration; resolves when the new worker answers. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export async function startHaproxy(options: HaproxyTestOptions): Promise<HaproxyTest> {
  const { dir } = options;
  mkdirSync(dir, { recursive: true });
  const socket = path.join(dir, "admin.sock");
  const lookSocket = path.join(dir, "look.sock");
  const config = path.join(dir, "haproxy.cfg");
  writeFileSync(config, configOf(options, socket, lookSocket));
  const log = path.join(dir, "log");
  const child = spawn(
    needProgram("sh"),
    ["-c", 'exec "$0" -W -db -f "$1" >"$2" 2>&1', needProgram("haproxy"), config, log],
    {
      stdio: "ignore",
    },
  );
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const workerPid = async (): Promise<string> => /^Pid: (\d+)$/m.exec(await askHaproxy(socket, "show info"))?.[1] ?? "";
  const answers = async (good: (pid: string) => boolean): Promise<void> => {
    for (let tries = 0; tries < 400; tries++) {
      if (child.exitCode !== null) break;
      if (good(await workerPid().catch(() => ""))) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`HAProxy does not answer: ${readFileSync(log, "utf8")}`);
  };
  await answers((pid) => pid !== "");
  return {
    socket,
    lookSocket,
    pid: child.pid ?? 0,
    log: () => readFileSync(log, "utf8"),
    async reload() {
      const before = await workerPid();
      const another = (pid: string): boolean => pid !== "" && pid !== before;
      process.kill(child.pid ?? 0, "SIGUSR2");
      // A signal that arrives while the master still ends an earlier reload is lost: then it is told once more.
      await answers(another).catch(() => {
        process.kill(child.pid ?? 0, "SIGUSR2");
        return answers(another);
      });
    },
    async stop() {
      child.kill("SIGTERM");
      await gone;
    },
  };
}

/** The first request for sessions to be stable: retries are for connections that failed, never for requests. */
function configOf(options: HaproxyTestOptions, socket: string, lookSocket: string): string {
  const { port, servers, adminPort, agentPort, checkMs = 100 } = options;
  const agent = agentPort === undefined ? "" : ` agent-check agent-port ${agentPort} agent-inter ${checkMs}`;
  return [
    "global",
    `  stats socket ${socket} level admin mode 600`,
    `  stats socket ${lookSocket} level operator mode 600`,
    ...(adminPort === undefined ? [] : [`  stats socket ipv4@127.0.0.1:${adminPort} level admin`]),
    "  hard-stop-after 30s",
    "defaults",
    "  mode http",
    "  timeout connect 2s",
    "  timeout client 60s",
    "  timeout server 60s",
    "  timeout tunnel 1h",
    "  option redispatch",
    "  retries 3",
    "  retry-on conn-failure",
    "frontend public",
    `  bind 127.0.0.1:${port}`,
    "  default_backend be",
    "backend be",
    // A process that is busy with its tests may be late to answer, which is no failure of a server.
    "  timeout check 3s",
    "  option httpchk GET /health",
    "  http-check expect status 200",
    ...servers.map(
      ({ name, port: to, weight = 100 }) =>
        `  server ${name} 127.0.0.1:${to} check inter ${checkMs} fall 2 rise 2 weight ${weight}${agent}`,
    ),
    "",
  ].join("\n");
}

/** Says one line on an admin socket. */
export function askHaproxy(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const connection = connect(socket);
    connection.on("error", reject);
    connection.on("data", (chunk: Buffer) => (text += chunk.toString()));
    connection.once("end", () => resolve(text));
    connection.write(`${command}\n`);
  });
}
