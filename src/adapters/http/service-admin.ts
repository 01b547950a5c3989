import path from "node:path";
import { z } from "zod";
import { withDeadline, type Clock } from "../../clock.ts";
import { RetryableError, TerminalError, type StepScope } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { MemoryAdmin, MemoryReading } from "../../operations/checks/ports.ts";
import type { PoolAdmin } from "../../operations/database/ports.ts";
import type { System } from "../../system/schema.ts";
import { nodeHttp } from "../../node-http.ts";

const TIMEOUT_MS = 10_000;
const BODY_LIMIT = 4 * 1024 * 1024;

const pool = z.object({
  open: z.int().min(0),
  inUse: z.int().min(0),
  idle: z.int().min(0),
  waiting: z.int().min(0),
  max: z.int().min(1),
});
const closed = pool.extend({ closed: z.int().min(0) });
const bytes = z.number().min(0);
const reading = { residentBytes: bytes, heapUsedBytes: bytes, externalBytes: bytes };
const memory = z.object({
  limitBytes: z.number().min(1),
  heapLimitBytes: z.number().min(1),
  ...reading,
  samples: z.array(z.object({ at: z.number(), ...reading, requests: z.number().min(0) })),
});

/** One request to the administrative interface of a host's service; gives back the body of a 200 answer. */
export type AdminCall = (
  request: { readonly host: string; readonly socket: string; readonly method: "GET" | "POST"; readonly route: string },
  by: { readonly signal?: AbortSignal | undefined; readonly scope?: StepScope },
) => Promise<string>;

/** For services on this machine. */
export function localAdminCall(clock: Clock): AdminCall {
  return ({ socket, method, route }, { signal, scope }) =>
    withDeadline(clock, TIMEOUT_MS, scope?.signal ?? signal, (own) => call(socket, method, route, own), late);
}

/**
 * The administrative interface of services: HTTP over `<root>/shared/run/admin.sock` of their hosts, which only the
 * service's own user can open. `GET /connections`, `POST /db/reset`, `GET /memory`, all JSON.
 */
export function serviceAdmin(hosts: System["hosts"], callOn: AdminCall): PoolAdmin & MemoryAdmin {
  const ask = async <T>(
    host: string,
    method: "GET" | "POST",
    route: string,
    shape: z.ZodType<T>,
    by: Parameters<AdminCall>[1],
  ): Promise<T> => {
    const found = hosts.find(({ name }) => name === host);
    if (found === undefined) throw new Error(`there is no host ${host}`);
    const join = found.connection.kind === "local" ? path.join : path.posix.join;
    const socket = join(found.root, "shared", "run", "admin.sock");
    try {
      return shape.parse(JSON.parse(await callOn({ host, socket, method, route }, by)));
    } catch (error) {
      if ((by.scope?.signal ?? by.signal)?.aborted === true) throw error;
      // A host that refuses an older fence has said so for good.
      if (error instanceof TerminalError) throw error;
      const why =
        error instanceof z.ZodError ? `it answers in another form: ${z.prettifyError(error)}` : messageOf(error);
      const message = `The service on ${host} does not answer ${method} ${route} at ${socket}: ${why.replaceAll(/\s*\n\s*/g, " ")}`;
      throw new RetryableError("SERVICE_ADMIN_UNREACHABLE", message, { cause: error });
    }
  };
  return {
    connections: (host, signal) => ask(host, "GET", "/connections", pool, { signal }),
    resetConnections: (host, scope) => ask(host, "POST", "/db/reset", closed, { scope }),
    memory: (host, signal): Promise<MemoryReading> => ask(host, "GET", "/memory", memory, { signal }),
  };
}

const late = (): Error => new Error(`no answer within ${TIMEOUT_MS} ms`);

function call(socketPath: string, method: string, route: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = nodeHttp().request({ socketPath, method, path: route, agent: false, signal }, (message) => {
      const chunks: Buffer[] = [];
      let length = 0;
      message.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > BODY_LIMIT) message.destroy(new Error(`the answer has more than ${BODY_LIMIT} bytes`));
        else chunks.push(chunk);
      });
      message.on("error", reject);
      message.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        if (message.statusCode === 200) resolve(text);
        else reject(new Error(`status ${message.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    request.on("error", reject);
    request.end();
  });
}
