import type { Clock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { Probe } from "../../operations/rollout/ports.ts";
import { nodeHttp } from "../../node-http.ts";

const MAX_BODY_BYTES = 64 * 1024;

export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  /** Member of the JSON answer with the version; `a.b` reaches into objects. */
  readonly versionField: string;
  readonly timeoutMs: number;
}

/** One GET of the health path on a connection of its own. Never throws: what goes wrong is in `reason`. */
export async function probeService(target: ProbeTarget, clock: Clock, signal?: AbortSignal): Promise<Probe> {
  const started = clock.monotonic();
  try {
    const answer = await get(target, clock, signal);
    const latencyMs = Math.round(clock.monotonic() - started);
    const ok = answer.status === 200;
    const reason = ok ? "" : reasonOf(answer);
    return { ok, status: answer.status, version: versionIn(answer.body, target.versionField), latencyMs, reason };
  } catch (error) {
    const latencyMs = Math.round(clock.monotonic() - started);
    return { ok: false, status: 0, version: null, latencyMs, reason: messageOf(error) };
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Where a redirection leads, which is never followed: another address would answer for this host. */
  readonly location: string | undefined;
}

function reasonOf({ status, body, location }: Answer): string {
  if (location !== undefined) return `status ${status}, which leads to ${location.slice(0, 200)}`;
  const said = body.slice(0, 200).replaceAll(/\s+/g, " ").trim();
  return said === "" ? `status ${status}` : `status ${status}: ${said}`;
}

function get(target: ProbeTarget, clock: Clock, signal?: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = nodeHttp().request({
      host: target.address,
      port: target.port,
      path: target.path,
      agent: false,
      headers: { connection: "close", accept: "application/json", "user-agent": "sunny-probe" },
      ...(signal === undefined ? {} : { signal }),
    });
    let begun = false;
    const cancel = clock.timer(target.timeoutMs, () => {
      const what = begun ? "the answer did not end" : "no answer";
      call.destroy(new Error(`${what} within ${target.timeoutMs} ms`));
    });
    call.once("close", cancel);
    call.once("error", reject);
    call.once("response", (response) => {
      begun = true;
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > MAX_BODY_BYTES) call.destroy(new Error("the health answer is larger than 64 KiB"));
      });
      response.once("error", reject);
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, body, location: response.headers.location }),
      );
    });
    call.end();
  });
}

/** The version in a JSON body, null when there is none. */
export function versionIn(body: string, field: string): string | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  for (const part of field.split(".")) {
    if (typeof value !== "object" || value === null) return null;
    value = (value as Record<string, unknown>)[part];
  }
  return typeof value === "string" ? value : null;
}
