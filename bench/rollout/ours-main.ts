/**
 * Sunny's own part of the benchmark, as a process of its own so that it is measured like every other tool: each host
 * gets the release, is switched under its dead-man, restarted, asked for its version, and confirmed.
 * `ours-start.js` starts it as `bin/start.js` starts Sunny. Prints the transport's counts as JSON.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { hostFleet } from "../../src/adapters/host/fleet.ts";
import { sshTransport } from "../../src/adapters/ssh/ssh-transport.ts";
import { parseVerifier } from "../../src/audit/note.ts";
import { sleep, systemClock } from "../../src/clock.ts";
import { RetryableError } from "../../src/engine/context.ts";
import type { StepScope } from "../../src/engine/context.ts";
import type { Fleet } from "../../src/operations/rollout/ports.ts";
import { releaseDeliveries } from "../../src/release/delivery.ts";
import { openReleaseStore } from "../../src/release/store.ts";
import { systemSchema } from "../../src/system/schema.ts";

export interface OursOrder {
  readonly config: unknown;
  readonly storeDir: string;
  readonly verifierKey: string;
  readonly deliveriesDir: string;
  readonly release: { readonly id: string; readonly version: string; readonly digest: string; readonly name: string };
  /** Of the deployment, as each one has a newer fencing token than the one before it. */
  readonly token: number;
  /** Hosts in work at once. */
  readonly width: number;
  /** Installs on all hosts before the first one is switched, as a rollout does; otherwise host by host. */
  readonly phases?: boolean;
}

/** Carries an order out, and prints what it took. @throws when a host was not brought to the release */
export async function run([file = ""]: readonly string[]): Promise<void> {
  const order = JSON.parse(readFileSync(file, "utf8")) as OursOrder;
  const system = systemSchema.parse(order.config);
  const store = openReleaseStore({
    directory: order.storeDir,
    name: "api",
    verifiers: [parseVerifier(order.verifierKey)],
  });
  const transport = sshTransport({
    clock: systemClock,
    persistMs: 60_000,
    target(name) {
      const host = system.hosts.find((one) => one.name === name);
      if (host?.connection.kind !== "ssh") throw new Error(`no host ${name}`);
      return host.connection;
    },
  });
  const deliveries = releaseDeliveries({ store, directory: order.deliveriesDir });
  const fleet = hostFleet({
    system,
    transport: () => transport,
    authority: "bench",
    starter: [],
    releases: { find: () => Promise.resolve([]) },
    deliveries,
    clock: systemClock,
  });
  const bring = bringer(fleet, order);
  const hosts = system.hosts.map((host) => host.name);
  if (order.phases === true) await Promise.all(hosts.map(bring.install));
  // As the transport has it where all hosts are asked for at once.
  const connected = new Set(transport.connected());
  const waiting = hosts.toSorted((a, b) => Number(connected.has(b)) - Number(connected.has(a)));
  await Promise.all(
    Array.from({ length: order.width }, async () => {
      for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) {
        if (order.phases !== true) await bring.install(host);
        await bring.take(host);
      }
    }),
  );
  const counts = transport.counts();
  await transport.close();
  await deliveries.close();
  const ownRssBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(`${JSON.stringify({ ...counts, retried: bring.retried(), ownRssBytes })}\n`);
}

/** What is done with a host. */
function bringer(fleet: Fleet, { release, token }: OursOrder) {
  let retried = 0;
  const scope = (key: string, attempt: number): StepScope => ({
    signal: new AbortController().signal,
    idempotencyKey: key,
    fence: { token, attempt },
    log: () => {},
  });
  /** A step as the rollout has it: what certainly did not happen is tried again. */
  const step = async <T>(key: string, act: (scope: StepScope) => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await act(scope(key, attempt));
      } catch (error) {
        if (attempt >= 4 || !(error instanceof RetryableError)) throw error;
        retried++;
        await sleep(systemClock, 500 * 2 ** (attempt - 1));
      }
    }
  };
  const turnOf = (host: string): string => `bench/${release.id}/${host}`;
  return {
    retried: () => retried,
    install: (host: string): Promise<unknown> =>
      step(`${turnOf(host)}/install`, (by) => fleet.install(host, release, by)),
    async take(host: string): Promise<void> {
      const turn = turnOf(host);
      await step(`${turn}/activate`, (by) => fleet.activate(host, release.id, { turn, confirmWithinMs: 120_000 }, by));
      for (let tries = 0; ; tries++) {
        const probe = await fleet.probe(host);
        if (probe.ok && probe.version === release.version) break;
        if (tries > 240) throw new Error(`${host} is not healthy: ${probe.reason}`);
        // Each question costs as much as the service's start; one that takes long is asked less often.
        await sleep(systemClock, Math.min(500, 25 * 1.5 ** tries));
      }
      const { state } = await step(`${turn}/confirm`, (by) => fleet.confirm(host, { turn }, by));
      if (state !== "confirmed") throw new Error(`${host} went back by itself`);
    },
  };
}
