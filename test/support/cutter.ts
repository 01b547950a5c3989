/** A wire that can be cut: forwards TCP connections, and stalls or breaks them off. */
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

export interface Cutter {
  readonly port: number;
  /** Bytes towards the server that have passed so far. */
  passed(): number;
  /** Lets nothing more through once so many more bytes went towards the server; `cut` ends that as well. */
  stallAfter(bytes: number): void;
  /** Breaks every connection off now. */
  cut(): void;
  close(): Promise<void>;
}

export async function startCutter(to: { readonly host: string; readonly port: number }): Promise<Cutter> {
  const sockets = new Set<Socket>();
  let passed = 0;
  let limit: number | null = null;
  const cut = (): void => {
    limit = null;
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    const upstream = connect(to);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    upstream.pipe(client);
    client.on("data", (chunk: Buffer) => {
      if (limit !== null && passed + chunk.length > limit) {
        client.pause();
        return;
      }
      passed += chunk.length;
      if (!upstream.write(chunk)) {
        client.pause();
        upstream.once("drain", () => client.resume());
      }
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    passed: () => passed,
    stallAfter: (bytes) => void (limit = passed + bytes),
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
