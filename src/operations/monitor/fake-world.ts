/**
 * A small world for tests: time that moves only when it is told to, hosts that count requests, and a store in memory.
 */
import type { Clock } from "../../clock.ts";
import type { HostReading, MetricSource } from "../../analysis/metrics.ts";
import type { Json } from "../../json.ts";
import type { IntervalRow, IntervalStore, WatchRecord } from "./ports.ts";

export interface FakeClock extends Clock {
  /** Moves time on, firing what is due in order, and lets everything that waits for it run. */
  advance(ms: number): Promise<void>;
}

/** A clock that starts at `start`, milliseconds since the epoch. */
export function fakeClock(start = 1_700_000_000_000): FakeClock {
  let now = start;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    monotonic: () => now - start,
    timer(ms, fn) {
      const timer = { at: now + Math.max(0, ms), fn };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    async advance(ms) {
      const until = now + ms;
      for (;;) {
        await settled();
        const next = timers.filter((timer) => timer.at <= until).toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.fn();
      }
      now = until;
      await settled();
    },
  };
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What a fake host answers per second, and whether it can be read. */
export interface FakeHost {
  requestsPerSecond: number;
  errorsPerSecond: number;
  slowPerSecond: number;
  down: string | null;
}

/** Hosts whose counters grow with the clock; change a host to make trouble. */
export function fakeSource(
  clock: Clock,
  names: readonly string[],
): { source: MetricSource; hosts: Record<string, FakeHost> } {
  const hosts: Record<string, FakeHost> = {};
  const counters = new Map<string, { at: number; requests: number; errors: number; slow: number }>();
  for (const name of names) {
    hosts[name] = { requestsPerSecond: 100, errorsPerSecond: 0, slowPerSecond: 0, down: null };
    counters.set(name, { at: clock.now(), requests: 0, errors: 0, slow: 0 });
  }
  const read = (name: string): HostReading => {
    const host = hosts[name]!;
    const own = counters.get(name)!;
    const seconds = (clock.now() - own.at) / 1000;
    own.at = clock.now();
    own.requests += host.requestsPerSecond * seconds;
    own.errors += host.errorsPerSecond * seconds;
    own.slow += host.slowPerSecond * seconds;
    if (host.down !== null) return { host: name, failed: host.down };
    const latency = { edges: [0.5], counts: [own.requests - own.slow], total: own.requests };
    return { host: name, at: own.at, mode: "cumulative", requests: own.requests, errors: own.errors, latency };
  };
  return { hosts, source: { name: "fake hosts", read: (asked) => Promise.resolve(asked.map(read)) } };
}

/** A store in memory that behaves like a durable one. */
export function memoryStore(): IntervalStore {
  const rows = new Map<string, IntervalRow>();
  const records: WatchRecord[] = [];
  let samples: Json = null;
  return {
    append(added, latest) {
      for (const row of added) {
        const key = `${row.start} ${row.rule} ${row.arm}`;
        if (!rows.has(key)) rows.set(key, structuredClone(row));
      }
      samples = structuredClone(latest);
    },
    load: () => [...rows.values()].toSorted((a, b) => a.start - b.start),
    loadSamples: () => structuredClone(samples),
    record: (record) => void records.push(structuredClone(record)),
    records: () => structuredClone(records),
  };
}
