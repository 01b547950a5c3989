/** What stands behind HAProxy in its tests, and before it. */
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** An application that can be slow, upgraded and restarted. */
export class App {
  readonly port: number;
  #server: Server | undefined;
  #sockets = new Set<Socket>();
  #held: (() => void)[] = [];
  constructor(port: number) {
    this.port = port;
  }
  async start(): Promise<void> {
    const server = createServer((asked, answer) => {
      const wait = Number(/^\/slow\/(\d+)/.exec(asked.url ?? "")?.[1] ?? 0);
      asked.resume().on("end", () => {
        if (asked.url === "/held") this.#held.push(() => answer.end("ok"));
        else setTimeout(() => answer.end("ok"), wait);
      });
    });
    server.on("upgrade", (_asked, socket: Socket) => {
      socket.on("error", () => {});
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
      socket.on("data", (data) => socket.write(data));
    });
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.keepAliveTimeout = 60_000;
    this.#server = server.listen(this.port, "127.0.0.1");
    await once(server, "listening");
  }
  /** Answers whoever asked for `/held`. */
  release(): void {
    for (const answer of this.#held.splice(0)) answer();
  }
  /** As a crash would end it. */
  async stop(): Promise<void> {
    const closed = once(this.#server!, "close");
    this.#server!.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

/** One request on a connection of its own; its status. */
export function get(port: number, url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ port, host: "127.0.0.1", path: url, agent: false }, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode ?? 0));
    });
    asked.on("error", reject).end();
  });
}

/** Clients that keep their connections, half of whose requests are POSTs. */
export function startLoad(port: number, clients: number): { stop(): Promise<{ done: number; failed: string[] }> } {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const failed: string[] = [];
  let done = 0;
  const stop = new AbortController();
  const one = (method: string): Promise<void> =>
    new Promise((resolve) => {
      const asked = request({ port, host: "127.0.0.1", path: "/slow/5", method, agent }, (answer) => {
        answer.resume().on("end", () => {
          done++;
          if (answer.statusCode !== 200) failed.push(`${method} ${answer.statusCode}`);
          resolve();
        });
      });
      asked.on("error", (error) => {
        failed.push(`${method} ${error.message}`);
        resolve();
      });
      asked.end(method === "POST" ? "amount=1" : undefined);
    });
  const running = Array.from({ length: clients }, async (_, at) => {
    for (let turn = at; !stop.signal.aborted; turn++) await one(turn % 2 === 0 ? "GET" : "POST");
  });
  return {
    async stop() {
      stop.abort();
      await Promise.all(running);
      agent.destroy();
      return { done, failed };
    },
  };
}
