import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { type Variant, stageRelease } from "../releases/stage.ts";

/** A directory of its own for one test; gone when the test is. */
export async function testDirectory(t: TestContext): Promise<string> {
  // Short, since the admin socket's path has to fit into 103 bytes.
  const directory = await mkdtemp(path.join(tmpdir(), "pay-"));
  t.after(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** A database with the migrations of `releaseDir` up to `last` (default all) applied, without any tool. */
export async function migratedDatabase(file: string, releaseDir: string, last = "9999"): Promise<string> {
  const folder = path.join(releaseDir, "migrations");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".up.sql") && name.slice(0, 4) <= last);
  const db = new DatabaseSync(file);
  db.exec("PRAGMA journal_mode = WAL");
  for (const name of names.toSorted()) db.exec(await readFile(path.join(folder, name), "utf8"));
  db.close();
  return file;
}

/** One line of the service's log. */
export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly [key: string]: unknown;
}

/** A service that runs as a process of its own. */
export interface Service {
  readonly child: ChildProcess;
  readonly url: string;
  readonly port: number;
  readonly log: LogLine[];
  readonly adminSocket: string;
  /** Resolves with the first line of the log that has this event, now or later. */
  logged(event: string): Promise<LogLine>;
  /** Sends SIGTERM and gives the exit status. */
  stop(): Promise<number | null>;
}

/** Starts the release in `releaseDir` on a free port and waits until it listens; it is killed when the test ends. */
export async function startService(
  t: TestContext,
  options: { releaseDir: string; data: string; runDir: string; host?: string; env?: Record<string, string> },
): Promise<Service> {
  const { child, log, logged } = spawnService(t, options);
  const exited = once(child, "exit").then(([code]) => {
    throw new Error(`the service ended with ${code} before it listened: ${JSON.stringify(log.at(-1))}`);
  });
  const { port } = (await Promise.race([logged("started"), exited])) as LogLine & { port: number };
  exited.catch(() => {});
  const stop = async (): Promise<number | null> => {
    child.kill("SIGTERM");
    return exitOf(child);
  };
  const adminSocket = path.join(options.runDir, "admin.sock");
  return { child, log, logged, port, url: `http://127.0.0.1:${port}`, stop, adminSocket };
}

/** Starts a release without waiting for it: for those that do not come up. */
export function spawnService(
  t: TestContext,
  { releaseDir, data, runDir, host = "web-1", env = {} }: Parameters<typeof startService>[1],
): Pick<Service, "child" | "log" | "logged"> {
  const child = spawn(process.execPath, ["--max-old-space-size=1024", path.join(releaseDir, "main.js")], {
    env: { PORT: "0", HOST_NAME: host, DATA: data, RUN_DIR: runDir, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const log: LogLine[] = [];
  const waiting: { event: string; resolve: (line: LogLine) => void }[] = [];
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as LogLine;
    log.push(line);
    for (const waiter of waiting) if (waiter.event === line.event) waiter.resolve(line);
  });
  const logged = (event: string): Promise<LogLine> =>
    new Promise((resolve) => {
      const seen = log.find((line) => line.event === event);
      if (seen === undefined) waiting.push({ event, resolve });
      else resolve(seen);
    });
  return { child, log, logged };
}

/** The exit status of a process, also when it has ended already; null when a signal ended it. */
export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode;
}

/** One running service of a variant with a database of its own. */
export async function startVariant(
  t: TestContext,
  variant: Variant,
  options: { env?: Record<string, string> } = {},
): Promise<Service & { data: string; directory: string; releaseDir: string }> {
  const directory = await testDirectory(t);
  const releaseDir = path.join(directory, "release");
  await stageRelease(variant, releaseDir);
  const data = await migratedDatabase(path.join(directory, "payments.db"), releaseDir);
  const service = await startService(t, { releaseDir, data, runDir: directory, ...options });
  return { ...service, data, directory, releaseDir };
}

/** `POST /payments` with a key; `body` defaults to a valid payment. */
export function postPayment(url: string, key: string, body: object = payment()): Promise<Response> {
  const headers = { "content-type": "application/json", "idempotency-key": key };
  return fetch(`${url}/payments`, { method: "POST", headers, body: JSON.stringify(body) });
}

/** The body of a valid payment. */
export function payment(over: object = {}): object {
  return { amount: 1250, currency: "EUR", card_token: "tok_visa", ...over };
}

/** How many payments are stored that were not declined. */
export function countPayments(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  const row = db.prepare("SELECT count(*) AS count FROM payments WHERE status != 'declined'").get();
  db.close();
  return Number(row?.["count"]);
}

/** Asks the admin socket of a service. */
export function admin(
  socketPath: string,
  method: string,
  path: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ socketPath, method, path, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> }),
      );
    });
    request.on("error", reject).end();
  });
}
