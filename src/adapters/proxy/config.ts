import { z } from "zod";

const ms = z.int().min(1);
const serverName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/i);

/** What the embedded proxy is started with. Durations are milliseconds, paths absolute. */
export const proxyConfigSchema = z.strictObject({
  listen: z.strictObject({
    address: z.string().default("127.0.0.1"),
    /** 0 takes a free one; `stats` tells which. */
    port: z.int().min(0).max(65535),
  }),
  certFile: z.string(),
  keyFile: z.string(),
  /** Control socket, 0600. Its path is at most 103 bytes long, which every system accepts. */
  socket: z.string().refine((path) => Buffer.byteLength(path) <= 103, "the path of a socket is at most 103 bytes long"),
  /** Keeps what was ordered (states, weights, fence) over a restart of the proxy. */
  stateFile: z.string(),
  logFile: z.string(),
  servers: z
    .array(
      z.strictObject({
        name: serverName,
        address: z.string().default("127.0.0.1"),
        port: z.int().min(1).max(65535),
        /** Share of the traffic in proportion to the others', before the percentage that a rollout sets. */
        weight: z.int().min(0).max(256).default(100),
      }),
    )
    .min(1),
  health: z
    .strictObject({
      path: z.string().default("/health"),
      intervalMs: ms.default(500),
      timeoutMs: ms.default(2_000),
      /** Successes in a row after which a server is up. */
      rise: z.int().min(1).default(2),
      /** Failures in a row after which it is down. */
      fall: z.int().min(1).default(2),
    })
    .prefault({}),
  /** Answered with 404 here, with everything below them, and never passed on: what only operators may read. */
  denyPaths: z.array(z.string().startsWith("/")).default([]),
  /** Adds `strict-transport-security` and `x-content-type-options: nosniff` to answers that have none. */
  securityHeaders: z.boolean().default(true),
  connectTimeoutMs: ms.default(2_000),
  /** From the end of a request to the beginning of its answer. */
  answerTimeoutMs: ms.default(60_000),
});

export type ProxyConfig = z.output<typeof proxyConfigSchema>;
export type ProxyConfigInput = z.input<typeof proxyConfigSchema>;
