import type { Clock } from "../../clock.ts";
import { withDeadline } from "../../clock.ts";
import { messageOf, SunnyError } from "../../errors.ts";
import { nodeHttp, nodeHttps } from "../../node-http.ts";

export interface FetchOptions {
  readonly clock: Clock;
  /** Until the whole answer is there. */
  readonly deadlineMs: number;
  /** PEM certificates to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** Name to verify the certificate against and to send as Host, where the URL leads to an address. */
  readonly serverName?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes; a page of metrics beyond it is refused. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

/**
 * Gets a text over HTTP or HTTPS with a deadline over the whole answer; redirects are not followed.
 * @throws METRIC_SOURCE_DOWN when there is no answer in time, its status is not 200, or it is larger than 16 MiB.
 */
export async function fetchText(url: string, options: FetchOptions): Promise<string> {
  const late = (): Error => down(url, `no answer within ${options.deadlineMs} ms`);
  try {
    return await withDeadline(
      options.clock,
      options.deadlineMs,
      options.signal,
      (signal) => get(url, options, signal),
      late,
    );
  } catch (error) {
    throw error instanceof SunnyError ? error : down(url, messageOf(error), error);
  }
}

function get(url: string, options: FetchOptions, signal: AbortSignal): Promise<string> {
  const { ca, serverName, headers } = options;
  const target = new URL(url);
  const { request: send } = target.protocol === "https:" ? nodeHttps() : nodeHttp();
  const tls = { ...(ca === undefined ? {} : { ca }), ...(serverName === undefined ? {} : { servername: serverName }) };
  const host = serverName === undefined ? {} : { host: serverName };
  return new Promise((resolve, reject) => {
    // A connection of its own each time: a pooled one would show the old process after a restart.
    const request = send(target, { ...tls, headers: { ...host, ...headers }, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > LARGEST_ANSWER) response.destroy(down(url, "its answer is larger than 16 MiB"));
        else chunks.push(chunk);
      });
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        if (response.statusCode === 200) resolve(text);
        else reject(down(url, `it answers with status ${response.statusCode}${reasonIn(text)}`));
      });
      response.on("error", reject);
      response.on("close", () => reject(down(url, "its answer broke off")));
    });
    request.on("error", reject);
    request.end();
  });
}

/** Prometheus says in its answer what was wrong with a query. */
function reasonIn(text: string): string {
  const reason = /"error":("(?:[^"\\]|\\.){1,500}")/.exec(text)?.[1];
  return reason === undefined ? "" : ` (${JSON.parse(reason) as string})`;
}

function down(url: string, why: string, cause?: unknown): SunnyError {
  return new SunnyError("METRIC_SOURCE_DOWN", `Cannot read metrics from ${url.replace(/\?.*/, "")}: ${why}`, { cause });
}
