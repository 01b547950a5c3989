/** Ports for servers that listen on many addresses of the loopback network. */
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { messageOf } from "../../src/errors.ts";

/** Below what systems give to outgoing connections, and to whoever asks for any port. */
const [LOWEST, HIGHEST] = [10_000, 32_000];
const TRIES = 20;

/** Does something with a port that is free on all of the addresses; with another one where it was taken meanwhile. */
export async function withFreePort<T>(addresses: readonly string[], use: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const port = randomInt(LOWEST, HIGHEST);
    try {
      await listenOn(addresses, port).then(closeAll);
      return await use(port);
    } catch (error) {
      if (tries >= TRIES || !/EADDRINUSE|Address already in use/.test(messageOf(error))) throw error;
    }
  }
}

/** Listens with `make` on every address, or on none. @throws Error EADDRINUSE */
export async function listenOn(
  addresses: readonly string[],
  port: number,
  make: (address: string) => Server = () => createServer(),
): Promise<Server[]> {
  const servers = addresses.map((address) => {
    const server = make(address);
    return { server, listens: listening(server, address, port) };
  });
  const ends = await Promise.allSettled(servers.map((one) => one.listens));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed === undefined) return servers.map((one) => one.server);
  await closeAll(servers.filter((_, at) => ends[at]?.status === "fulfilled").map((one) => one.server));
  throw failed.reason;
}

/** Stops listening. */
export async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
}

function listening(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, () => resolve());
  });
}
