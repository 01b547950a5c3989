import { randomBytes } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { target } from "./client.ts";
import type { LoadSettings } from "./protocol.ts";

/** What became of the websockets. */
export interface Sockets {
  state(): { open: number; echoes: number; closed: number };
  close(): void;
}

/** A text frame of two bytes with an empty mask: what is sent once a second (RFC 6455, section 5.2). */
const HELLO = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
const ECHO = Buffer.from([0x81, 2, 0x68, 0x69]);

/** Holds `count` websockets to `/events`, sends over each once a second, and connects again a second after one closed. */
export function openSockets(settings: LoadSettings, count: number): Sockets {
  const state = { open: 0, echoes: 0, closed: 0 };
  const sockets = new Set<net.Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let ended = false;

  function connect(): void {
    const { url, host, port, tls: secure } = target(settings);
    const socket = secure === undefined ? net.connect({ host, port }) : tls.connect({ host, port, ...secure });
    sockets.add(socket);
    let opened = false;
    let beat: NodeJS.Timeout | undefined;
    socket.on(secure === undefined ? "connect" : "secureConnect", () => {
      socket.write(
        `GET /events HTTP/1.1\r\nHost: ${url.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
      );
    });
    socket.on("data", (data: Buffer) => {
      if (!opened && data.toString("latin1").startsWith("HTTP/1.1 101 ")) {
        opened = true;
        state.open += 1;
        beat = setInterval(() => socket.write(HELLO), 1_000);
      } else if (data.includes(ECHO)) state.echoes += 1;
    });
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      clearInterval(beat);
      sockets.delete(socket);
      if (opened) {
        state.open -= 1;
        state.closed += 1;
      }
      if (!ended) timers.add(setTimeout(connect, 1_000));
    });
  }

  for (let index = 0; index < count; index += 1) connect();
  return {
    state: () => ({ ...state }),
    close() {
      ended = true;
      for (const timer of timers) clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}
