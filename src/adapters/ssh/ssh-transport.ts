import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { sleep } from "../../clock.ts";
import type { Clock } from "../../clock.ts";
import { RetryableError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { ScriptOptions, ScriptResult, Transport } from "../../operations/rollout/transport.ts";
import { connectArgv, exitArgv, keyArgv, processesOf, shareArgv } from "./argv.ts";
import type { SshTarget, SshTimes } from "./argv.ts";
import { connectionKey } from "./connection-key.ts";
import { Connections } from "./connections.ts";
import { failureError, failureOf, noShellError, shownKey } from "./failure.ts";
import { REMOTE_COMMAND } from "./framing.ts";
import { ConnectionPool } from "./pool.ts";
import type { Lane, PoolCounts } from "./pool.ts";
import type { Session } from "./session.ts";
import type { Payload } from "./payload.ts";
import { Starts } from "./starts.ts";

export interface SshTransportOptions {
  /** Where a host of that name is. @throws when there is none */
  readonly target: (host: string) => SshTarget;
  readonly clock: Clock;
  /** Default `ssh`. */
  readonly program?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Live processes of `ssh`, at most; default 64. */
  readonly maxProcesses?: number;
  /** Connections that are made at once through one bastion; default 8, below what sshd begins to drop (MaxStartups). */
  readonly startsPerBastion?: number;
  /** Connections that are made at once to hosts without a bastion; default 8 for each processor, at most 32. */
  readonly directStarts?: number;
  /** Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** Default 15 s. */
  readonly aliveIntervalMs?: number;
  /** How long connections stay open for the next command after `close`, rounded up to seconds; default 0, not at all. */
  readonly persistMs?: number;
  /** Use connections that an earlier command kept open; by default where `persistMs` is set. */
  readonly takeOver?: boolean;
  /** Where the directory of control sockets is made; by default the usual place for temporary files. Not a long path. */
  readonly place?: string;
}

export interface SshCounts extends PoolCounts {
  /** Connections that were made, and how many of them had to be tried again because the server dropped them. */
  readonly connections: number;
  /** Connections of an earlier command that were taken over. */
  readonly takenOver: number;
  readonly droppedStarts: number;
  /** Scripts and payloads, bytes, as handed to `ssh`. */
  readonly sentBytes: number;
}

/** Hosts that are reached with the OpenSSH client. */
export interface SshTransport extends Transport {
  counts(): SshCounts;
  /** Hosts whose connection is open; the scripts for them are the first that are run when more hosts wait than there is room for. */
  connected(): string[];
  /** Ends every connection, or leaves it to the next command. Nothing can be run afterwards. */
  close(): Promise<void>;
}

const STARTS = 5;
/** A handshake costs a processor 0.1 s: more at once only take longer, and may miss their deadlines. */
const DIRECT_STARTS = Math.min(32, 8 * availableParallelism());
const FIRST_PAUSE_MS = 200;
const MAX_SESSIONS = 8;
const EXIT_MS = 5_000;
/** What a connection gets to end by itself once its input has ended; below what the session gets before it is killed. */
const LEAVE_MS = 1_000;
/** How long a host may take to answer over a connection of an earlier command, before another one is made. */
const ANSWER_MS = 5_000;
const FRESH = { kind: "fresh" } as const;
const ABORTED: ScriptResult = { status: null, stdout: "", stderr: "", ended: "aborted" };

/**
 * Runs scripts over one connection a host (ControlMaster): one after the other over the session that opened it, and
 * over further sessions those that run at the same time. OpenSSH does the rest as the user configured it: agent,
 * certificates, hardware keys, bastions. Nothing of a script is in an argument.
 * A deadline counts from the start of the script's own process, not from when it began to wait for one; starts that a host
 * drops, or lets hang, are not repeated beyond it.
 */
export function sshTransport(options: SshTransportOptions): SshTransport {
  return new OpenSsh(options);
}

class OpenSsh implements SshTransport {
  readonly #options: SshTransportOptions;
  readonly #program: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #times: SshTimes;
  readonly #pool: ConnectionPool;
  readonly #starts = new Starts();
  readonly #open: Connections;
  #connections = 0;
  #takenOver = 0;
  #droppedStarts = 0;
  #sentBytes = 0;

  constructor(options: SshTransportOptions) {
    const { connectTimeoutMs = 10_000, aliveIntervalMs = 15_000 } = options;
    this.#options = options;
    this.#program = options.program ?? "ssh";
    this.#env = { ...(options.env ?? process.env), LC_ALL: "C" };
    this.#times = { connectTimeoutMs, aliveIntervalMs };
    this.#pool = new ConnectionPool({
      maxProcesses: options.maxProcesses ?? 64,
      maxSessions: MAX_SESSIONS,
      clock: options.clock,
      exit: (host) => this.#exit(host),
    });
    const { clock, persistMs = 0, takeOver = persistMs > 0, place } = options;
    this.#open = new Connections({ clock, persistMs, takeOver, place, keyOf: (host) => this.#keyOf(host) });
    for (const host of this.#open.hosts()) {
      if (this.#pool.adopt(host, processesOf(options.target(host)))) this.#takenOver++;
      else this.#open.delete(host)?.session.end();
    }
  }

  counts(): SshCounts {
    return {
      ...this.#pool.counts(),
      connections: this.#connections,
      takenOver: this.#takenOver,
      droppedStarts: this.#droppedStarts,
      sentBytes: this.#sentBytes,
    };
  }

  connected(): string[] {
    return this.#open.hosts();
  }

  async close(): Promise<void> {
    const hosts = await this.#pool.close((host) => this.#open.canKeep(host));
    if (await this.#open.keep(hosts)) return;
    await Promise.all(hosts.map((host) => this.#exit(host)));
    this.#open.remove();
  }

  /** What a connection to that host would be made with now; null when there is no such host. */
  #keyOf(host: string): string | null {
    try {
      return connectionKey(this.#options.target(host), this.#times, this.#program, this.#env);
    } catch {
      return null;
    }
  }

  async run(host: string, script: string, order: ScriptOptions): Promise<ScriptResult> {
    const target = this.#options.target(host);
    const payload = payloadOf(order);
    const spent = { ms: 0 };
    let { fresh = false } = order;
    for (let attempt = 1; ;) {
      const now = { ...order, fresh };
      const end = await this.#attempt(host, target, script, now, payload, spent).catch((error: unknown) => {
        if (order.signal?.aborted === true) return ABORTED;
        throw error;
      });
      if (!("words" in end)) return end;
      // The host takes no further session over its connection (MaxSessions), which goes on: one for this script alone.
      if (end.kind === "shared" && this.#isOpen(host)) fresh = true;
      // An open connection that turned out to be gone says nothing about the host: once more, cold.
      if (end.kind !== "cold") continue;
      const again = failureOf(end.words) === "dropped" && attempt < STARTS && spent.ms < order.deadlineMs;
      // What a bastion complains about may be shown nowhere else: ask it once.
      const known = !again || (attempt === 1 && target.jump !== undefined);
      if (!again && end.heard.trim() !== "" && failureOf(end.words) === "unreachable")
        throw noShellError(host, target, end.heard, "it ended");
      const error = known ? await this.#failed(host, target, end.words) : null;
      if (error !== null && !(again && error instanceof RetryableError)) throw error;
      this.#droppedStarts++;
      const pause = FIRST_PAUSE_MS * 2 ** (attempt++ - 1);
      await sleep(this.#options.clock, pause + randomInt(pause), order.signal).catch(() => {});
    }
  }

  /** One script over one session; or, when nothing was sent, what `ssh` and the host said. `spent` grows by what it took. */
  async #attempt(
    host: string,
    target: SshTarget,
    script: string,
    order: ScriptOptions,
    payload: Payload | null,
    spent: { ms: number },
  ): Promise<ScriptResult | { readonly words: string; readonly heard: string; readonly kind: Lane["kind"] }> {
    const { clock } = this.#options;
    const lane = order.fresh === true ? await this.#freshLane(target, order) : await this.#lane(host, target, order);
    let session: Session | undefined;
    let result: ScriptResult | undefined;
    let leave = (): void => {};
    let began: number | undefined;
    try {
      if (lane.kind === "cold") leave = await this.#enter(target, order);
      began = clock.monotonic();
      const end = began + order.deadlineMs;
      session = lane.kind === "first" ? await this.#opened(host) : await this.#start(lane, host, target, order);
      leave();
      if (session?.usable !== true) {
        return { words: session?.words() ?? "", heard: session?.heard() ?? "", kind: lane.kind };
      }
      const marker = `@sunny-end-${randomBytes(8).toString("hex")}`;
      const before = session.sentBytes;
      const deadlineMs = Math.max(0, end - clock.monotonic());
      const { signal, stays = false } = order;
      result = await session.run({ script, marker, payload, stays, deadlineMs, signal });
      this.#sentBytes += session.sentBytes - before;
      return result;
    } finally {
      leave();
      if (began !== undefined) spent.ms += clock.monotonic() - began;
      // What was opened for one script ends with it; the connection goes with the session that opened it.
      if (lane.kind === "shared" || order.fresh === true) await ended(session);
      lane.done(lane.kind === "shared" ? result === undefined && !this.#isOpen(host) : session?.usable !== true);
    }
  }

  /** A session that did not come up says nothing about the connection that it was to share: the one that opened it does. */
  #isOpen(host: string): boolean {
    return this.#open.get(host)?.session.usable === true;
  }

  /** The session that opened the connection, where it is still good. */
  async #opened(host: string): Promise<Session | undefined> {
    const session = this.#open.get(host)?.session;
    // Of a command before this one it is only known that it was good then.
    if (session !== undefined && !(await session.readyWithin(ANSWER_MS))) session.end();
    return session;
  }

  /** Starts a session and waits until the remote side is there. */
  async #start(lane: Lane, host: string, target: SshTarget, order: ScriptOptions): Promise<Session> {
    const { clock } = this.#options;
    const socket = lane.kind === "shared" ? (this.#open.get(host)?.socket ?? "") : this.#open.newSocket(host);
    const argv =
      lane.kind === "shared"
        ? shareArgv(socket, REMOTE_COMMAND)
        : connectArgv(target, order.fresh === true ? FRESH : { kind: "shared", socket }, this.#times, REMOTE_COMMAND);
    const how = { program: this.#program, argv, env: this.#env };
    const { session, key } = await this.#open.start(how, lane.kind === "cold" && order.fresh !== true ? host : null);
    if (lane.kind === "cold") this.#connections++;
    let late = false;
    let letIn = false;
    const onAbort = (): void => session.kill();
    const cancel = clock.timer(order.deadlineMs, () => {
      late = true;
      // It is there from the login to the end of the process.
      letIn = existsSync(socket);
      session.kill();
    });
    order.signal?.addEventListener("abort", onAbort, { once: true });
    if (order.signal?.aborted === true) onAbort();
    try {
      const ready = await session.ready;
      order.signal?.throwIfAborted();
      if (late) throw this.#late(host, target, order, { heard: session.heard(), letIn });
      if (ready && lane.kind === "cold" && order.fresh !== true) this.#open.set(host, { session, socket, key });
      if (ready) lane.opened();
      return session;
    } catch (error) {
      if (order.signal?.aborted === true || error instanceof RetryableError) throw error;
      const message = `${host}: cannot run ${this.#program}: ${messageOf(error)}`;
      throw new RetryableError("HOST_UNREACHABLE", message, { cause: error });
    } finally {
      cancel();
      order.signal?.removeEventListener("abort", onAbort);
    }
  }

  #lane(host: string, target: SshTarget, order: ScriptOptions): Promise<Lane> {
    return this.#pool.lane(host, processesOf(target), order.signal);
  }

  async #freshLane(target: SshTarget, order: ScriptOptions): Promise<Lane> {
    const give = await this.#pool.extra(processesOf(target), order.signal);
    return { kind: "cold", opened: () => {}, done: give };
  }

  /**
   * Ends the connection of a host: by the end of its input, which ends everything under it there, and by its socket where
   * that is not enough, because other sessions go on or the host does not hear it.
   */
  async #exit(host: string): Promise<void> {
    const first = this.#open.delete(host);
    if (first === undefined) return;
    first.session.end();
    if (await first.session.closedWithin(LEAVE_MS)) return;
    await this.#said(exitArgv(first.socket), EXIT_MS);
    await first.session.closed;
  }

  #enter(target: SshTarget, order: ScriptOptions): Promise<() => void> {
    const { startsPerBastion = 8, directStarts = DIRECT_STARTS } = this.#options;
    const bastion = target.jump?.split(",")[0];
    return bastion === undefined
      ? this.#starts.enter("", directStarts, order.signal)
      : this.#starts.enter(bastion, startsPerBastion, order.signal);
  }

  #late(
    host: string,
    target: SshTarget,
    order: ScriptOptions,
    { heard, letIn }: { readonly heard: string; readonly letIn: boolean },
  ): RetryableError {
    if (letIn || heard !== "") return noShellError(host, target, heard, `none began within ${order.deadlineMs} ms`);
    const message = `${host}: no connection to ${target.address} port ${target.port} within ${order.deadlineMs} ms`;
    return new RetryableError("HOST_UNREACHABLE", message);
  }

  /**
   * Why no connection came up. The connection is made once more, where its own words do not say: for the key that was
   * shown, for the complaints of a bastion, and where there are none.
   */
  async #failed(host: string, target: SshTarget, stderr: string): Promise<Error> {
    const failure = failureOf(stderr);
    const aboutKey = failure === "host-key-unknown" || failure === "host-key-changed";
    if (!aboutKey && target.jump === undefined && stderr.trim() !== "")
      return failureError(host, target, failure, stderr, null);
    const verbose = await this.#said(keyArgv(target, this.#times));
    const words = verbose.replaceAll(/^(?:debug\d:|OpenSSH_)[^\n]*\n/gm, "");
    const again = aboutKey ? failure : failureOf(words);
    const said = (aboutKey || again === "unreachable") && stderr.trim() !== "" ? stderr : words;
    return failureError(host, target, failureOf(said), said, shownKey(verbose));
  }

  /** Runs `ssh` for what it writes to stderr; never fails. */
  #said(argv: readonly string[], withinMs: number = this.#times.connectTimeoutMs + EXIT_MS): Promise<string> {
    return new Promise((resolve) => {
      const child = spawn(this.#program, argv, { env: this.#env, stdio: ["ignore", "ignore", "pipe"] });
      const chunks: Buffer[] = [];
      const cancel = this.#options.clock.timer(withinMs, () => child.kill("SIGKILL"));
      child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
      const done = (): void => {
        cancel();
        resolve(Buffer.concat(chunks).toString("utf8"));
      };
      child.once("close", done);
      child.once("error", done);
    });
  }
}

async function ended(session: Session | undefined): Promise<void> {
  session?.end();
  await session?.closed;
}

function payloadOf(order: ScriptOptions): Payload | null {
  if (order.payloadPath === undefined) return null;
  const start = order.payloadStart ?? 0;
  return { path: order.payloadPath, start, bytes: Math.max(0, statSync(order.payloadPath).size - start) };
}
