import { connect } from "node:net";
import type { Clock } from "../../clock.ts";
import { RetryableError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import type { HaproxyEndpoint, SocketAddress } from "./endpoint.ts";

const ANSWER_MS = 10_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const POLL_MS = 100;

/**
 * A socket of this machine, or one that listens on TCP. Neither knows who may order, so the lease has to cover what is
 * ordered.
 */
export function socketEndpoint(
  name: string,
  address: Exclude<SocketAddress, { kind: "ssh" }>,
  clock: Clock,
): HaproxyEndpoint {
  const ask = (command: string, signal?: AbortSignal): Promise<string> =>
    answer(address, command, clock, signal).catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      const message = `HAProxy does not answer on ${name}: ${messageOf(error)}`;
      throw new RetryableError("LOAD_BALANCER_UNREACHABLE", message, { cause: error });
    });
  return {
    name,
    target: "bounded",
    pollMs: POLL_MS,
    ask,
    async order(commands, scope) {
      const answers: string[] = [];
      for (const command of commands) {
        scope.requireLease?.();
        answers.push(await ask(command, scope.signal));
        if (answers.at(-1)?.trim() !== "") break;
      }
      return answers;
    },
  };
}

/** One line on a connection of its own: HAProxy answers and closes it (management.txt 9.3, non-interactive mode). */
function answer(
  address: Exclude<SocketAddress, { kind: "ssh" }>,
  command: string,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error);
    const socket = address.kind === "unix" ? connect(address.path) : connect(address.port, address.host);
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (error: Error): void => {
      done();
      reject(error);
    };
    const onAbort = (): void => fail(signal?.reason as Error);
    const cancel = clock.timer(ANSWER_MS, () => fail(new Error(`no answer within ${ANSWER_MS} ms`)));
    const done = (): void => {
      cancel();
      signal?.removeEventListener("abort", onAbort);
      socket.destroy();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", fail);
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) fail(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`));
    });
    socket.once("end", () => {
      done();
      // HAProxy always answers, if only with an empty line; without one it closed before it read the command.
      if (size === 0) reject(new Error("it closed the connection without an answer"));
      else resolve(Buffer.concat(chunks).toString("utf8"));
    });
    socket.write(`${command}\n`);
  });
}
