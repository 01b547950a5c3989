import type { Readable } from "node:stream";
import type { Clock } from "../../clock.ts";
import { readSentinel } from "../../operations/rollout/transport.ts";
import type { ScriptResult } from "../../operations/rollout/transport.ts";
import { GONE, READY, SEND, frame } from "./framing.ts";
import type { Link, LinkHandle } from "./link.ts";
import { sendPayload } from "./payload.ts";
import type { Payload } from "./payload.ts";

/** One session of the OpenSSH client. */
export interface SessionOptions {
  readonly link: Link;
  /** What is sent first, and the line that answers it. */
  readonly greeting: string | Buffer;
  readonly answer: string;
  readonly clock: Clock;
}

export interface SessionOrder {
  readonly script: string;
  /** New for every script: what its end is known by. */
  readonly marker: string;
  readonly payload: Payload | null;
  /** It starts nothing that outlives it. */
  readonly stays: boolean;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

/** At most this much of an output is kept, its end. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** What `ssh` gets to pass on that the input ended, before it is ended itself. */
const CUT_MS = 2_000;
/** After `ssh` is gone, something it started may hold its output open for this long. */
const LINGER_MS = 1_000;

/**
 * One process of `ssh` with the remote loop of `framing.ts`, over which scripts go one after the other. A script is
 * sent when the remote side said that it waits for one, so a connection that did not come up is told for certain from a
 * script that did not report its end. When time is over the input ends, and with it the script's process group on the
 * host, and this session.
 */
export class Session {
  /** The remote side waits for its first script; false when the process ended before. Rejects when it never ran. */
  readonly ready: Promise<boolean>;
  /** The process is gone and its output was read. */
  readonly closed: Promise<void>;
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #stdout: Output;
  readonly #stderr: Output;
  #over = false;
  #ending = false;
  #looked: (() => void) | null = null;
  #sentBytes = 0;

  constructor(options: SessionOptions) {
    const { link, greeting, answer, clock } = options;
    this.#clock = clock;
    this.#link = link;
    // The process may be gone before it has read everything; the missing sentinel says so.
    for (const stream of [link.stdin, link.stdout, link.stderr]) stream.on("error", () => {});
    const look = (): void => this.#looked?.();
    this.#stdout = collect(link.stdout, look);
    this.#stderr = collect(link.stderr, look);
    this.closed = closed(link, clock).then(() => {
      this.#over = true;
      look();
    });
    this.ready = Promise.race([
      link.exited.then(() => this.closed.then(() => false)),
      this.#seen(() => this.#stdout.text().includes(`${answer}\n`)),
    ]);
    this.ready.catch(() => {});
    link.stdin.write(greeting);
  }

  /** Whether another script can go over it. */
  get usable(): boolean {
    return !this.#over && !this.#ending;
  }

  /** What another process needs to hold it; null for one that ends with this process. */
  get handle(): LinkHandle | null {
    return this.usable ? this.#link.handle : null;
  }

  /** Leaves it to whoever holds it. */
  release(): void {
    this.#ending = true;
    this.#link.release();
  }

  /** What was handed to `ssh`, scripts and payloads. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** What `ssh` said. */
  words(): string {
    return this.#stderr.text();
  }

  /** What the host said instead of being ready; a login shell may say something before it is, too. */
  heard(): string {
    return this.#stdout.text();
  }

  /** Runs a script; only when the session is ready and no other one runs. */
  async run(order: SessionOrder): Promise<ScriptResult> {
    const { marker, signal } = order;
    this.#stdout.clear();
    this.#stderr.clear();
    let ended: ScriptResult["ended"] = null;
    const sending = new AbortController();
    const end = (why: "deadline" | "aborted"): void => {
      ended ??= why;
      sending.abort();
      this.end();
    };
    const onAbort = (): void => end("aborted");
    const cancel = this.#clock.timer(order.deadlineMs, () => end("deadline"));
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    const [out, err, send] = [`${READY} ${marker}\n`, `${GONE} ${marker}\n`, `${SEND} ${marker}\n`];
    const isOver = (): boolean => this.#stdout.text().includes(out) && this.#stderr.text().includes(err);
    try {
      const { script, payload, stays } = order;
      this.#write(frame({ script, marker, payloadBytes: payload?.bytes ?? null, stays }));
      if (order.payload !== null) {
        await this.#seen(() => this.#stdout.text().includes(send) || isOver());
        if (this.usable && !isOver()) this.#send(order.payload, sending.signal);
      }
      await this.#seen(isOver);
    } finally {
      cancel();
      sending.abort();
      signal?.removeEventListener("abort", onAbort);
    }
    const answer = readSentinel(between(send, this.#stdout.text(), out), marker);
    const stderr = between("", this.#stderr.text(), err);
    return { ...answer, stderr, ended: answer.status === null ? (ended ?? "cut") : null };
  }

  /** Ends the session; what runs on the host under it ends as well. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#link.stdin.destroy();
    const cancel = this.#clock.timer(CUT_MS, () => this.#link.kill());
    void this.closed.then(cancel);
  }

  /** Whether the remote side waits for a script within that time. */
  async readyWithin(ms: number): Promise<boolean> {
    let cancel = (): void => {};
    const late = new Promise<boolean>((resolve) => (cancel = this.#clock.timer(ms, () => resolve(false))));
    try {
      return await Promise.race([this.ready, late]);
    } catch {
      return false;
    } finally {
      cancel();
    }
  }

  /** Waits for the process's end; false when it still runs after that time. */
  closedWithin(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#clock.timer(ms, () => resolve(false));
      void this.closed.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** Ends a connection that did not come up. */
  kill(): void {
    this.#ending = true;
    this.#link.kill();
  }

  #write(bytes: Buffer): void {
    this.#link.stdin.write(bytes);
    this.#sentBytes += bytes.length;
  }

  /** The input is left open: its end would say that nobody waits any more. */
  #send(payload: Payload, signal: AbortSignal): void {
    this.#sentBytes += payload.bytes;
    // What arrives short because its file cannot be read any more, the host's digest check refuses.
    sendPayload(payload, this.#link.stdin, signal).catch(() => this.end());
  }

  /** Resolves when `so` holds, true, or the process is gone, false. One at a time. */
  #seen(so: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      this.#looked = () => {
        const found = so();
        if (!found && !this.#over) return;
        this.#looked = null;
        resolve(found);
      };
      this.#looked();
    });
  }
}

/** Resolves when the process is gone and its output was read, or when it never ran. */
async function closed({ exited, stdin, stdout, stderr }: Link, clock: Clock): Promise<void> {
  const read = Promise.all([stdout, stderr].map((stream) => new Promise((resolve) => stream.once("close", resolve))));
  const close = (): void => [stdin, stdout, stderr].forEach((stream) => stream.destroy());
  let cancel = (): void => {};
  try {
    await exited;
    cancel = clock.timer(LINGER_MS, close);
  } catch {
    close();
  }
  await read;
  cancel();
  stdin.destroy();
}

/**
 * What comes after `start`, where that is there, and before `end`: what something that a script left behind says after it
 * is nobody's answer.
 */
function between(start: string, text: string, end: string): string {
  const first = text.indexOf(start);
  const last = text.indexOf(end);
  return text.slice(first < 0 ? 0 : first + start.length, last < 0 ? undefined : last);
}

interface Output {
  text(): string;
  clear(): void;
}

/** Collects a stream's end: when it is longer than allowed, its first part is dropped, since the result comes last. */
function collect(stream: Readable, seen: () => void): Output {
  let chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > 2 * MAX_OUTPUT_BYTES) {
      const kept = Buffer.concat(chunks).subarray(-MAX_OUTPUT_BYTES);
      chunks = [kept];
      size = kept.length;
    }
    seen();
  });
  return {
    text: () => Buffer.concat(chunks).subarray(-MAX_OUTPUT_BYTES).toString("utf8"),
    clear() {
      chunks = [];
      size = 0;
    },
  };
}
