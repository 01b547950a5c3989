import { request } from "node:http";
import type { Clock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import type { Backend } from "./backend.ts";
import type { ProxyConfig } from "./config.ts";

/** Watches servers by asking each for its health; one question at a time a server, on a connection of its own. */
export interface HealthChecks {
  /** Asks now, and answers whether the server is up after that. Questions at the same time are one. */
  look(backend: Backend): Promise<boolean>;
  stop(): void;
}

/** Asks every server at once, and then each `intervalMs` after its last answer. */
export function startHealthChecks(
  backends: readonly Backend[],
  config: ProxyConfig["health"],
  clock: Clock,
): HealthChecks {
  const running = new Map<Backend, Promise<boolean>>();
  const streak = new Map<Backend, number>();
  const timers = new Map<Backend, () => void>();
  let stopped = false;

  const look = (backend: Backend): Promise<boolean> => {
    const pending = running.get(backend);
    if (pending !== undefined) return pending;
    timers.get(backend)?.();
    const asked = ask(backend, config, clock).then((result) => {
      running.delete(backend);
      record(backend, result);
      if (!stopped)
        timers.set(
          backend,
          clock.timer(config.intervalMs, () => void look(backend)),
        );
      return backend.up;
    });
    running.set(backend, asked);
    return asked;
  };

  /** Counts successes up and failures down; a server that was never asked is believed at its first answer. */
  const record = (backend: Backend, result: { ok: boolean; check: string }): void => {
    const first = !streak.has(backend);
    const before = streak.get(backend) ?? 0;
    const now = result.ok ? Math.max(0, before) + 1 : Math.min(0, before) - 1;
    streak.set(backend, now);
    backend.check = result.check;
    if (now >= config.rise || (first && result.ok)) backend.up = true;
    if (-now >= config.fall) {
      backend.up = false;
      backend.closeIdleConnections();
    }
  };

  for (const backend of backends) void look(backend);
  return {
    look,
    stop() {
      stopped = true;
      for (const cancel of timers.values()) cancel();
    },
  };
}

/** One GET; only 200 counts, as in HAProxy's `http-check expect status 200`. Its names for results are used, too. */
function ask(backend: Backend, config: ProxyConfig["health"], clock: Clock): Promise<{ ok: boolean; check: string }> {
  return new Promise((resolve) => {
    const call = request({
      host: backend.address,
      port: backend.port,
      path: config.path,
      agent: false,
      headers: { connection: "close", "user-agent": "sunny-proxy-health" },
    });
    const cancel = clock.timer(config.timeoutMs, () =>
      call.destroy(new Error(`no answer within ${config.timeoutMs} ms`)),
    );
    const done = (ok: boolean, check: string): void => {
      cancel();
      resolve({ ok, check });
    };
    call.once("error", (error) => done(false, `L4CON ${messageOf(error)}`));
    call.once("response", (answer) => {
      const ok = answer.statusCode === 200;
      answer.resume();
      answer.once("close", () => done(ok, ok ? "L7OK/200" : `L7STS/${answer.statusCode}`));
      answer.on("error", () => {});
    });
    call.end();
  });
}
