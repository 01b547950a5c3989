/**
 * An HTTP/1.1 client that costs little: kept connections, one request on each at a time, and nothing sent twice. On two
 * cores the generator must not be what is measured; Node's own client takes several times the processor time.
 */
import { connect, type Socket } from "node:net";
import type { Answer } from "../../../examples/payments/load/client.ts";

export interface LeanRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly key?: string;
  readonly body?: object;
  readonly timeoutMs: number;
}

export interface LeanClient {
  /** Resolves with the answer, or with the error that came instead of a complete one. Waits for a free connection. */
  send(request: LeanRequest): Promise<Answer | Error>;
  close(): void;
}

interface Job {
  readonly text: string;
  readonly timeoutMs: number;
  readonly done: (answer: Answer | Error) => void;
}

/** How often requests that are overdue are looked for. */
const SWEEP_MS = 250;

export function leanClient(port: number, connections: number): LeanClient {
  const idle: Line[] = [];
  const lines = new Set<Line>();
  const waiting: Job[] = [];
  let open = 0;
  const next = (line: Line): void => {
    const job = waiting.shift();
    if (job === undefined) idle.push(line);
    else line.begin(job);
  };
  const fresh = (): Line => {
    open++;
    const line = new Line(port, next, () => {
      open--;
      lines.delete(line);
      const at = idle.indexOf(line);
      if (at >= 0) idle.splice(at, 1);
      const job = waiting.shift();
      if (job !== undefined) fresh().begin(job);
    });
    lines.add(line);
    return line;
  };
  const sweep = setInterval(() => {
    const now = performance.now();
    for (const line of lines) line.giveUp(now);
  }, SWEEP_MS);
  return {
    send: (request) =>
      new Promise((done) => {
        const job = { text: wire(request), timeoutMs: request.timeoutMs, done };
        const line = idle.pop() ?? (open < connections ? fresh() : undefined);
        if (line === undefined) waiting.push(job);
        else line.begin(job);
      }),
    close() {
      clearInterval(sweep);
      for (const line of lines) line.end();
    },
  };
}

/** One connection. */
class Line {
  readonly #socket: Socket;
  readonly #free: (line: Line) => void;
  #job: Job | undefined;
  #since = 0;
  #rest = "";

  constructor(port: number, free: (line: Line) => void, gone: () => void) {
    this.#free = free;
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text: string) => this.#read(text));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => {
      gone();
      this.#fail(Object.assign(new Error("the connection was closed without an answer"), { code: "ECONNRESET" }));
    });
  }

  begin(job: Job): void {
    this.#job = job;
    this.#since = performance.now();
    this.#socket.write(job.text);
  }

  giveUp(now: number): void {
    if (this.#job === undefined || now - this.#since < this.#job.timeoutMs) return;
    this.#fail(Object.assign(new Error("no answer in time"), { code: "TIMEOUT" }));
    this.#socket.destroy();
  }

  end(): void {
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    const job = this.#job;
    this.#job = undefined;
    job?.done(error);
  }

  #read(text: string): void {
    this.#rest = this.#rest === "" ? text : this.#rest + text;
    const head = this.#rest.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/\ncontent-length: (\d+)/i.exec(this.#rest.slice(0, head))?.[1] ?? 0);
    const end = head + 4 + length;
    if (this.#rest.length < end) return;
    const answer = answerOf(this.#rest.slice(0, head), this.#rest.slice(head + 4, end));
    const closes = /\nconnection: close/i.test(this.#rest.slice(0, head));
    this.#rest = "";
    const job = this.#job;
    this.#job = undefined;
    if (closes) this.#socket.destroy();
    else this.#free(this);
    job?.done(answer);
  }
}

function wire({ method, path, key, body }: LeanRequest): string {
  const head = `${method} ${path} HTTP/1.1\r\nhost: payments\r\n`;
  if (body === undefined) return `${head}\r\n`;
  const text = JSON.stringify(body);
  return `${head}idempotency-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
}

function answerOf(head: string, text: string): Answer {
  const version = /\nx-app-version: (\S+)/i.exec(head)?.[1] ?? "none";
  const host = /\nx-app-host: (\S+)/i.exec(head)?.[1] ?? "none";
  let body: Answer["body"] = null;
  try {
    body = JSON.parse(text) as Answer["body"];
  } catch {
    // Not an answer of the service.
  }
  return { status: Number(head.slice(9, 12)), version, host, body };
}
