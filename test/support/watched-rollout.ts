/**
 * A deployment that is watched through what hosts really answer: the rollout on simulated hosts and a virtual clock, run
 * by the real engine; pages of metrics over real sockets; the adapters, intervals, verdicts and interrupts as they are.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import type { TestContext } from "node:test";
import { parseMetrics } from "../../src/adapters/scrape/parse.ts";
import { NEW, RolloutWorld, type RolloutEnd } from "../../src/operations/rollout/testing/rollout-world.ts";
import type { Plan } from "../../src/plan/model.ts";
import { parseRunbook } from "../../src/runbook/parse.ts";
import type { SystemConfig } from "../../src/system/schema.ts";
import { watchedNow } from "../../src/wiring/metric-source.ts";
import { WatchHost } from "../../src/wiring/watch-host.ts";

const RUNBOOK = "# S\n\n## Alert Thresholds\n\n- p95 response time > 500 ms\n- Error rate > 1%\n- Memory usage > 85%\n";

/** What a host serves per second, and how. */
export interface Service {
  requests: number;
  errors: number;
  /** Of the requests, those above 500 ms. */
  slow: number;
  memory: number;
}

export interface HostView {
  readonly name: string;
  /** True when the new release runs there. */
  readonly isNew: boolean;
  /** Seconds since the deployment began; null while it is planned. */
  readonly second: number | null;
}

/** An answer that never comes. */
export const HANGS = Symbol("hangs");

/** What becomes of a page: another text, no answer (null), or none that ends. */
export type Alter = (page: string, host: HostView) => string | null | typeof HANGS;

export interface WatchedRollout {
  readonly world: RolloutWorld;
  readonly old: Service;
  readonly fresh: Service;
  /** Set to break what hosts answer. */
  alter: Alter;
  /** Time of a sample, milliseconds, when they are asked through Prometheus; null: no sample. */
  stamp: (host: HostView, now: number) => number | null;
  /** What the plan says about the rules: messages of its diagnostics. */
  plan(): Promise<readonly string[]>;
  deploy(): Promise<RolloutEnd>;
  /** What a person would have been asked, and all that was noted. */
  readonly watch: WatchHost;
}

export interface Options {
  readonly through?: "scrape" | "prometheus";
  readonly runbook?: string;
  readonly rollout?: SystemConfig["rollout"];
}

export async function watchedRollout(t: TestContext, options: Options = {}): Promise<WatchedRollout> {
  const names = ["web-1", "web-2", "web-3"];
  const dir = mkdtempSync(path.join(tmpdir(), "sunny-watched-"));
  const { runbook } = parseRunbook(options.runbook ?? RUNBOOK, "RUNBOOK.md");
  const pages = new Pages(names);
  const ports = await Promise.all(names.map((name) => pages.serve(name)));
  const prometheus = await pages.servePrometheus(names.map((name, i) => [`127.0.0.1:${ports[i]}`, name]));
  const source: NonNullable<SystemConfig["monitoring"]>["source"] =
    options.through === "prometheus"
      ? { kind: "prometheus", url: `http://127.0.0.1:${prometheus}`, scrapeIntervalMs: 1_000 }
      : { kind: "scrape" };
  let watch!: WatchHost;
  const world = new RolloutWorld({
    names,
    ports,
    rollout: { canaryBakeMs: 40_000, finalBakeMs: 20_000, decisionMs: 5_000, ...options.rollout },
    monitoring: { source, intervalMs: 1_000 },
    watch: ({ world: { clock } }) => (watch = new WatchHost(path.join(dir, "watch.db"), { clock })),
  });
  const { clock } = world.world;
  clock.settled = () => pages.quiet();
  pages.world = world;
  t.after(async () => {
    await clock.until(watch.end());
    watch.close();
    pages.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const planned = () => clock.until(watchedNow(world.system, runbook, undefined, { clock }));
  return {
    world,
    watch,
    old: pages.old,
    fresh: pages.fresh,
    get alter() {
      return pages.alter;
    },
    set alter(how) {
      pages.alter = how;
    },
    get stamp() {
      return pages.stamp;
    },
    set stamp(how) {
      pages.stamp = how;
    },
    plan: async () => (await planned()).diagnostics.map(({ message }) => message),
    async deploy() {
      const { rules, metrics, diagnostics } = await planned();
      if (diagnostics.length > 0) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
      const machine = world.world.spawn();
      const plan = { system: world.system, rules, metrics } as unknown as Plan;
      const runId = "run-1";
      await watch.begin({ runId, plan, interrupt: (reason) => void machine.engine.interrupt(runId, reason) });
      pages.began = clock.now();
      const result = await world.world.run(world.workflow("deploy-production"), { process: machine });
      if (result.state !== "done") throw new Error(JSON.stringify(result));
      return result.output as unknown as RolloutEnd;
    },
  };
}

interface Counters {
  start: number;
  startedAt: number;
  at: number;
  requests: number;
  errors: number;
  slow: number;
}

/** Counters that grow with the virtual clock and begin anew with each start of a service. */
class Pages {
  readonly old: Service = { requests: 60, errors: 0, slow: 0, memory: 0.3 };
  readonly fresh: Service = { requests: 60, errors: 0, slow: 0, memory: 0.3 };
  alter: Alter = (page) => page;
  stamp: (host: HostView, now: number) => number | null = (_, now) => now;
  world!: RolloutWorld;
  began: number | null = null;
  readonly #counters: Map<string, Counters>;
  readonly #servers: ReturnType<typeof createServer>[] = [];
  readonly #hanging = new Set<ServerResponse>();

  constructor(names: readonly string[]) {
    this.#counters = new Map(
      names.map((name) => [name, { start: -1, startedAt: 0, at: 0, requests: 0, errors: 0, slow: 0 }]),
    );
  }

  serve(name: string): Promise<number> {
    return this.#listen((_, response) => {
      const page = this.alter(this.#page(name), this.#view(name));
      if (page === HANGS) {
        this.#hanging.add(response);
        response.once("close", () => this.#hanging.delete(response));
      } else if (page === null) response.destroy();
      else response.end(page);
    });
  }

  /** Answers raw range queries with the newest sample of each series, whatever the query asks. */
  servePrometheus(instances: readonly (readonly [string, string])[]): Promise<number> {
    return this.#listen((_, response) => {
      const result = instances.flatMap(([instance, name]) => {
        const view = this.#view(name);
        const at = this.stamp(view, this.world.world.clock.now());
        const page = this.alter(this.#page(name), view);
        if (at === null || page === null || page === HANGS) return [];
        return [...parseMetrics(page).series].flatMap(([metric, series]) =>
          series.map(({ labels, value }) => ({
            metric: { __name__: metric, ...labels, instance },
            values: [[at / 1000, String(value)]],
          })),
        );
      });
      response.end(JSON.stringify({ status: "success", data: { resultType: "matrix", result } }));
    });
  }

  /** Resolves when nothing is on its way; answers that never come are not waited for. */
  async quiet(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (openSockets() > 2 * this.#hanging.size);
  }

  close(): void {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }

  async #listen(answer: (request: unknown, response: ServerResponse) => void): Promise<number> {
    const server = createServer(answer);
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  }

  #view(name: string): HostView {
    const { clock } = this.world.world;
    const isNew = this.world.hosts.host(name).active === NEW.id;
    return { name, isNew, second: this.began === null ? null : (clock.now() - this.began) / 1000 };
  }

  #page(name: string): string {
    const host = this.world.hosts.host(name);
    const own = this.#counters.get(name)!;
    const now = this.world.world.clock.now();
    if (own.start !== host.starts) {
      Object.assign(own, { start: host.starts, startedAt: now / 1000, at: now, requests: 1, errors: 0, slow: 0 });
    }
    const service = this.#view(name).isNew ? this.fresh : this.old;
    const seconds = host.admin === "ready" ? (now - own.at) / 1000 : 0;
    own.at = now;
    for (const key of ["requests", "errors", "slow"] as const) own[key] += service[key] * seconds;
    return `
# TYPE http_requests_total counter
http_requests_total{status="200"} ${own.requests - own.errors}
http_requests_total{status="500"} ${own.errors}
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.1"} ${0.5 * (own.requests - own.slow)}
http_request_duration_seconds_bucket{le="0.4"} ${0.9 * (own.requests - own.slow)}
http_request_duration_seconds_bucket{le="0.5"} ${own.requests - own.slow}
http_request_duration_seconds_bucket{le="+Inf"} ${own.requests}
http_request_duration_seconds_count ${own.requests}
process_resident_memory_bytes ${service.memory * 1000}
app_memory_limit_bytes 1000
process_start_time_seconds ${own.startedAt}
app_info{host="${name}"} 1
`;
  }
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|TCPConnectWrap)$/.test(name)).length;
}
