import { randomInt } from "node:crypto";
import { once } from "node:events";
import { type Server, createServer } from "node:net";
import type { AddressInfo } from "node:net";

/**
 * Below what systems give to outgoing connections (Linux from 32,768, others from 49,152): a service that restarts
 * would otherwise find its port taken by somebody's connection now and then.
 */
const FIRST = 20_000;
const LAST = 32_000;
const TRIES = 100;

/** Ports on 127.0.0.1 that were free a moment ago, all different. All are held until the last one is found. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    while (servers.length < count) servers.push(await listenSomewhere());
    return servers.map((server) => (server.address() as AddressInfo).port);
  } finally {
    for (const server of servers) {
      server.close();
      await once(server, "close");
    }
  }
}

async function listenSomewhere(): Promise<Server> {
  for (let tried = 0; ; tried += 1) {
    const server = createServer();
    try {
      // Where nothing is free in the range, the system may choose.
      server.listen(tried < TRIES ? randomInt(FIRST, LAST) : 0, "127.0.0.1");
      await once(server, "listening");
      return server;
    } catch (error) {
      if (tried >= TRIES || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
}
