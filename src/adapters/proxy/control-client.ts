import { RetryableError, TerminalError } from "../../engine/context.ts";
import { messageOf } from "../../errors.ts";
import { nodeHttp } from "../../node-http.ts";

/** A proxy that lives answers a question at once; what it is ordered may take as long as the order says. */
const ANSWER_MS = 10_000;

/**
 * Sends one order to a proxy's control socket.
 *
 * @throws RetryableError LOAD_BALANCER_UNREACHABLE when nobody listens or a question gets no answer, TerminalError with the proxy's code when it
 *   refused, the signal's reason when it was aborted.
 */
export async function control(
  socket: string,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  answerMs = ANSWER_MS,
): Promise<unknown> {
  const { status, text } = await call(socket, method, path, body, signal, answerMs);
  const answer = JSON.parse(text) as { code?: string; message?: string };
  if (status === 200) return answer;
  throw new TerminalError(answer.code ?? "INTERNAL", answer.message ?? text);
}

function call(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
  signal: AbortSignal | undefined,
  answerMs: number,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const asks = method === "GET";
    const headers = { "content-type": "application/json" };
    // An empty name keeps Node from asking whether the host that it makes up for a socket is an address.
    const own = { socketPath, method, path, agent: false, servername: "", headers };
    const options = { ...own, ...(asks ? { timeout: answerMs } : {}) };
    const order = nodeHttp().request(signal === undefined ? options : { ...options, signal });
    order.once("socket", (socket) => socket.once("connect", () => (connected = true)));
    order.once("timeout", () => order.destroy(new Error(`no answer within ${answerMs} ms`)));
    order.once("error", (error) => {
      // An order may have been carried out although its answer was lost; a question changes nothing.
      if ((connected && !asks) || signal?.aborted === true) return reject(error);
      const message = `the load balancer's control socket ${socketPath} does not answer: ${messageOf(error)}`;
      reject(new RetryableError("LOAD_BALANCER_UNREACHABLE", message, { cause: error }));
    });
    order.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    order.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
