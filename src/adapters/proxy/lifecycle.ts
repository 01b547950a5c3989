import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import type { Clock } from "../../clock.ts";
import { sleep } from "../../clock.ts";
import type { ErrorCode } from "../../error-codes.ts";
import { SunnyError, messageOf } from "../../errors.ts";
import { canonicalJson } from "../../json.ts";
import { control } from "./control-client.ts";
import { proxyConfigSchema } from "./config.ts";
import type { ProxyConfig, ProxyConfigInput } from "./config.ts";
import { proxyStats } from "./proxy-balancer.ts";

/** A proxy that serves: its process, and the port that it listens on. */
export interface StartedProxy {
  readonly pid: number;
  readonly port: number;
}

const START_MS = 15_000;
const configFileOf = (config: ProxyConfig): string => `${config.socket}.json`;

/**
 * Starts the embedded proxy as a detached process and waits until it serves. Its configuration is kept beside the
 * socket, so that it can be started again as it was.
 *
 * @throws SunnyError PROXY_CONFIG_INVALID, PROXY_PORT_TAKEN, PROXY_CERTIFICATE_INVALID, PROXY_START_FAILED
 */
export async function startProxy(input: ProxyConfigInput, clock: Clock): Promise<StartedProxy> {
  const config = parseConfig(input);
  mkdirSync(dirname(config.socket), { recursive: true, mode: 0o700 });
  mkdirSync(dirname(config.logFile), { recursive: true });
  const candidate = `${configFileOf(config)}.${randomUUID()}`;
  writeFileSync(candidate, `${canonicalJson(config)}\n`, { mode: 0o600 });
  const extension = import.meta.filename.endsWith(".ts") ? ".ts" : ".js";
  const log = openSync(config.logFile, "a", 0o600);
  const child = spawn(process.execPath, [`${import.meta.dirname}/proxy-main${extension}`, candidate], {
    detached: true,
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/" },
    stdio: ["ignore", log, log, "pipe"],
  });
  closeSync(log);
  const outcome = await firstLine(child.stdio[3] as Readable, clock);
  child.unref();
  const { ok, pid, port, code, message } = JSON.parse(outcome === "" ? "{}" : outcome) as {
    ok?: boolean;
    pid?: number;
    port?: number;
    code?: ErrorCode;
    message?: string;
  };
  if (ok === true && pid !== undefined && port !== undefined) {
    renameSync(candidate, configFileOf(config));
    return { pid, port };
  }
  child.kill("SIGKILL");
  rmSync(candidate, { force: true });
  throw new SunnyError(
    code ?? "PROXY_START_FAILED",
    message ?? `the proxy did not come up: ${logEnd(config.logFile)}`,
    {
      hint: `Its log is ${config.logFile}.`,
      details: { listen: config.listen, socket: config.socket },
    },
  );
}

/**
 * The proxy that runs under this configuration, or a new one. One that runs under another is left alone.
 *
 * @throws SunnyError those of `startProxy`, and PROXY_CONFIG_INVALID when another configuration runs on the socket.
 */
export async function ensureProxy(input: ProxyConfigInput, clock: Clock): Promise<StartedProxy> {
  const config = parseConfig(input);
  const running = await proxyStats(config.socket).catch(() => undefined);
  if (running === undefined) return startProxy(input, clock);
  if (readFileSync(configFileOf(config), "utf8").trim() === canonicalJson(config))
    return { pid: running.pid, port: running.port };
  throw new SunnyError("PROXY_CONFIG_INVALID", `the proxy on ${config.socket} runs under another configuration`, {
    hint: "Stop it first if it is to be started with the new one.",
  });
}

/** Ends the proxy on a socket: requests in flight finish, for at most 10 s. false when none runs. */
export async function stopProxy(socket: string, clock: Clock): Promise<boolean> {
  const stats = await proxyStats(socket).catch(() => undefined);
  if (stats === undefined) return false;
  await control(socket, "POST", "/shutdown", {});
  const end = clock.monotonic() + START_MS;
  while (isRunning(stats.pid)) {
    if (clock.monotonic() > end)
      throw new SunnyError("PROXY_START_FAILED", `the proxy (process ${stats.pid}) does not end`);
    await sleep(clock, 20);
  }
  return true;
}

function parseConfig(input: ProxyConfigInput): ProxyConfig {
  const parsed = proxyConfigSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new SunnyError("PROXY_CONFIG_INVALID", `the proxy's configuration does not fit: ${issues.join("; ")}`);
}

/** What the proxy says once it is up; empty when it ended, or said nothing in time. */
function firstLine(stream: Readable, clock: Clock): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const done = (): void => {
      cancel();
      stream.destroy();
      resolve(text.split("\n")[0] ?? "");
    };
    const cancel = clock.timer(START_MS, done);
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n")) done();
    });
    stream.once("end", done);
    stream.once("error", done);
  });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function logEnd(path: string): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-3).join(" | ");
  } catch (error) {
    return messageOf(error);
  }
}
