import { createHash } from "node:crypto";

/** Appended to the client's key before hashing (RFC 6455, section 1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Frames above this are refused with 1009. */
const FRAME_LIMIT = 65_535;
const TEXT = 0x1;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

/**
 * The websocket at `/events`: greets with the version and sends every message back. `closeAll` says goodbye (1001) when
 * the process stops; clients are expected to connect again, to another host.
 */
export function createEvents(identity) {
  const sockets = new Set();

  function upgrade(request, socket) {
    const key = request.headers["sec-websocket-key"];
    if (request.url !== "/events" || typeof key !== "string") {
      socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const accept = createHash("sha1")
      .update(key + GUID)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.write(frame(TEXT, Buffer.from(JSON.stringify({ event: "hello", ...identity }))));
    sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on("data", (data) => {
      rest = echo(socket, Buffer.concat([rest, data]));
    });
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.on("close", () => sockets.delete(socket));
  }

  function closeAll() {
    for (const socket of sockets) {
      socket.end(frame(CLOSE, Buffer.from([0x03, 0xe9])));
      setTimeout(() => socket.destroy(), 200).unref();
    }
  }

  return { upgrade, closeAll, count: () => sockets.size };
}

/** Answers every complete frame in `data` and returns what is left of an incomplete one. */
function echo(socket, data) {
  let rest = data;
  for (;;) {
    const message = readFrame(rest);
    if (message === undefined) return rest;
    if (message.tooLarge || !message.masked) {
      socket.end(frame(CLOSE, Buffer.from(message.tooLarge ? [0x03, 0xf1] : [0x03, 0xea])));
      return Buffer.alloc(0);
    }
    if (message.opcode === CLOSE) {
      socket.end(frame(CLOSE, message.payload.subarray(0, 2)));
      return Buffer.alloc(0);
    }
    if (message.opcode === PING) socket.write(frame(PONG, message.payload));
    else if (message.opcode !== PONG) socket.write(frame(message.opcode, message.payload));
    rest = rest.subarray(message.bytes);
  }
}

function readFrame(data) {
  if (data.length < 2) return undefined;
  const masked = (data[1] & 0x80) !== 0;
  const short = data[1] & 0x7f;
  if (short === 127) return { tooLarge: true, masked };
  const start = short === 126 ? 4 : 2;
  if (data.length < start) return undefined;
  const length = short === 126 ? data.readUInt16BE(2) : short;
  if (length > FRAME_LIMIT) return { tooLarge: true, masked };
  const bytes = start + (masked ? 4 : 0) + length;
  if (data.length < bytes) return undefined;
  const payload = Buffer.from(data.subarray(bytes - length, bytes));
  if (masked) {
    const mask = data.subarray(start, start + 4);
    for (let index = 0; index < length; index += 1) payload[index] ^= mask[index % 4];
  }
  return { opcode: data[0] & 0x0f, masked, payload, bytes };
}

function frame(opcode, payload) {
  const head =
    payload.length < 126
      ? Buffer.from([0x80 | opcode, payload.length])
      : Buffer.from([0x80 | opcode, 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([head, payload]);
}
