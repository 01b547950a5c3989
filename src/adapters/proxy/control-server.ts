import { chmodSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { z } from "zod";
import type { Clock } from "../../clock.ts";
import { SunnyError, isSunnyError, messageOf } from "../../errors.ts";
import type { Backend } from "./backend.ts";
import type { ProxyConfig } from "./config.ts";
import type { HealthChecks } from "./health.ts";
import { proxyFenceSchema } from "./orders.ts";
import type { Orders, ProxyFence } from "./orders.ts";
import type { CertificateSummary } from "./tls-material.ts";

export interface Controlled {
  readonly config: ProxyConfig;
  readonly port: number;
  readonly backends: readonly Backend[];
  readonly orders: Orders;
  readonly checks: HealthChecks;
  readonly clock: Clock;
  certificate(): CertificateSummary;
  /** @throws SunnyError PROXY_CERTIFICATE_INVALID, after which the one before is still served */
  reloadCertificate(): CertificateSummary;
  shutdown(): void;
}

const MAX_BODY_BYTES = 64 * 1024;
/** Between two looks at a server that is to come up. */
const LOOK_AGAIN_MS = 50;

const setBody = z.strictObject({
  fence: proxyFenceSchema,
  admin: z.enum(["ready", "drain", "maint"]).optional(),
  weightPercent: z.number().min(0).max(100).optional(),
});
const waitBody = z.strictObject({ withinMs: z.number().min(0) });
const fencedBody = z.strictObject({ fence: proxyFenceSchema });
const anyBody = z.strictObject({ fence: proxyFenceSchema.optional() });

class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * JSON over HTTP on a socket that only its owner may open. Every order that changes traffic carries a fence; an older one
 * is refused with 409. Replaces a socket that nobody listens on any more.
 *
 * @throws SunnyError PROXY_START_FAILED when another proxy listens on the socket.
 */
export async function startControlServer(target: Controlled): Promise<{ close(): Promise<void> }> {
  const { socket } = target.config;
  if (await answers(socket)) {
    throw new SunnyError("PROXY_START_FAILED", `another proxy is controlled through ${socket}`, {
      hint: "Stop it first, or give this one a socket of its own.",
    });
  }
  rmSync(socket, { force: true });
  const server = createServer((request, response) => {
    void answer(target, request).then(({ status, body }) => {
      response.writeHead(status, { "content-type": "application/json", connection: "close" });
      response.end(`${JSON.stringify(body)}\n`);
    });
  });
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socket, resolve);
    });
  } finally {
    process.umask(before);
  }
  chmodSync(socket, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

async function answer(target: Controlled, request: IncomingMessage): Promise<{ status: number; body: unknown }> {
  try {
    const body = request.method === "GET" ? {} : JSON.parse(await read(request));
    return { status: 200, body: await carryOut(target, request.method ?? "", request.url ?? "", body) };
  } catch (error) {
    if (error instanceof Refused) return { status: error.status, body: { code: error.code, message: error.message } };
    if (isSunnyError(error)) return { status: 422, body: { code: error.code, message: error.message } };
    return { status: 400, body: { code: "PROXY_CONFIG_INVALID", message: messageOf(error) } };
  }
}

async function carryOut(target: Controlled, method: string, url: string, body: unknown): Promise<unknown> {
  const [, kind, name, action] = url.split("/");
  if (method === "GET" && url === "/stats") return stats(target);
  if (method !== "POST") throw new Refused(404, "USAGE", `there is no ${method} ${url}`);
  if (kind === "servers") return serverOrder(target, backendOf(target, name ?? ""), action ?? "set", body);
  switch (kind) {
    case "certificate": {
      const { fence } = anyBody.parse(body);
      if (fence !== undefined) admit(target, fence);
      return target.reloadCertificate();
    }
    case "adopt":
      return { from: target.orders.adopt(fencedBody.parse(body).fence) };
    case "shutdown":
      target.clock.timer(0, () => target.shutdown());
      return {};
    default:
      throw new Refused(404, "USAGE", `there is no ${method} ${url}`);
  }
}

async function serverOrder(target: Controlled, backend: Backend, action: string, body: unknown): Promise<unknown> {
  switch (action) {
    case "set": {
      const { fence, ...change } = setBody.parse(body);
      admit(target, fence);
      backend.order(change);
      target.orders.save();
      return serverStats(backend);
    }
    case "wait-idle":
      await idle(backend, waitBody.parse(body).withinMs, target.clock);
      return { sessions: backend.sessions, upgraded: backend.upgraded };
    case "wait-up":
      return { up: await comesUp(target, backend, waitBody.parse(body).withinMs) };
    case "close-sessions":
      admit(target, fencedBody.parse(body).fence);
      backend.endSessions();
      return {};
    default:
      throw new Refused(404, "USAGE", `there is no order ${action}`);
  }
}

function admit(target: Controlled, fence: ProxyFence): void {
  const refusal = target.orders.admit(fence);
  if (refusal !== undefined) throw new Refused(409, "LOAD_BALANCER_FENCED", `the proxy refused: ${refusal}`);
}

function backendOf(target: Controlled, name: string): Backend {
  const found = target.backends.find((backend) => backend.name === decodeURIComponent(name));
  if (found === undefined)
    throw new Refused(404, "SERVER_UNKNOWN", `the proxy has no server ${decodeURIComponent(name)}`);
  return found;
}

function stats(target: Controlled): unknown {
  return {
    pid: process.pid,
    port: target.port,
    certificate: target.certificate(),
    fence: target.orders.fence(),
    servers: target.backends.map(serverStats),
  };
}

function serverStats(backend: Backend): unknown {
  const { name, admin, weightPercent, up, check, sessions, upgraded, requests, failures } = backend;
  return { name, admin, weightPercent, up, check, sessions, upgraded, requests, failures, answers: backend.answers };
}

function idle(backend: Backend, withinMs: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const waiting: { giveUp?: () => void } = {};
    const cancel = clock.timer(withinMs, () => {
      waiting.giveUp?.();
      resolve();
    });
    waiting.giveUp = backend.whenIdle(() => {
      cancel();
      resolve();
    });
  });
}

/** What was seen before the question does not count: a service that was just restarted must answer again. */
async function comesUp(target: Controlled, backend: Backend, withinMs: number): Promise<boolean> {
  const end = target.clock.monotonic() + withinMs;
  for (;;) {
    if ((await target.checks.look(backend)) && backend.check.startsWith("L7OK")) return true;
    if (target.clock.monotonic() >= end) return false;
    await new Promise<void>((resolve) => target.clock.timer(LOOK_AGAIN_MS, resolve));
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let text = "";
  request.setEncoding("utf8");
  for await (const chunk of request) {
    text += chunk as string;
    if (text.length > MAX_BODY_BYTES) throw new Refused(413, "USAGE", "the order is larger than 64 KiB");
  }
  return text;
}
