import { cloudWatchClient } from "../adapters/cloudwatch/client.ts";
import { cloudWatchSource, type GetMetricData } from "../adapters/cloudwatch/source.ts";
import type { MetricSource } from "../analysis/metrics.ts";
import type { Clock } from "../clock.ts";
import type { System } from "../system/schema.ts";

type CloudWatchConfig = Extract<System["monitoring"]["source"], { kind: "cloudwatch" }>;

/**
 * CloudWatch as the configuration describes it; `edges` are the limits in seconds that response times are compared with.
 * Credentials are looked for when it is first read: METRIC_SOURCE_DOWN when there are none.
 */
export function cloudWatchOf(
  system: System,
  { region, endpoint, metrics, hostDimension, dimensionValues, periodSeconds }: CloudWatchConfig,
  edges: readonly number[],
  clock: Clock,
): MetricSource {
  let client: Promise<GetMetricData> | undefined;
  return cloudWatchSource(
    { ...metrics, hostDimension },
    {
      getMetricData: async (input, signal) => (await (client ??= cloudWatchClient(region, endpoint)))(input, signal),
      clock,
      hosts: Object.fromEntries(system.hosts.map(({ name }) => [name, dimensionValues[name] ?? name])),
      edges,
      periodSeconds,
    },
  );
}
