import type { HostReading, HostSample, MetricSource } from "../../analysis/metrics.ts";

/** The service's own use of its host, as read over the connection to it. */
export interface UsageReading {
  /** Processor time since the service started, milliseconds, and the processors that it may use. */
  readonly cpuMs: number;
  readonly cpus: number;
  readonly rssBytes: number;
  /** Memory that the service may use. */
  readonly limitBytes: number;
}

/**
 * Fills in CPU and memory from the hosts themselves where the metrics do not have them. A host whose use cannot be read
 * keeps the figures it has; `usageOf` gives `null` when the service does not run there.
 */
export function withHostReadings(
  source: MetricSource,
  usageOf: (host: string, signal: AbortSignal) => Promise<UsageReading | null>,
): MetricSource {
  return {
    ...source,
    name: `${source.name}, CPU and memory from the hosts`,
    async read(hosts, signal) {
      const [readings, usages] = await Promise.all([
        source.read(hosts, signal),
        Promise.all(hosts.map((host) => usageOf(host, signal).catch(() => null))),
      ]);
      return readings.map((reading, i) => fillIn(reading, usages[i] ?? null));
    },
  };
}

function fillIn(reading: HostReading, usage: UsageReading | null): HostReading {
  if ("failed" in reading || usage === null) return reading;
  const knowsCpu =
    reading.cpuShare !== undefined || (reading.cpuSeconds !== undefined && reading.cpuLimitCores !== undefined);
  const cpu: Partial<HostSample> = knowsCpu ? {} : { cpuSeconds: usage.cpuMs / 1000, cpuLimitCores: usage.cpus };
  const knowsMemory = reading.memoryShare !== undefined || !(usage.limitBytes > 0);
  const memory: Partial<HostSample> = knowsMemory ? {} : { memoryShare: usage.rssBytes / usage.limitBytes };
  return { ...reading, ...cpu, ...memory };
}
