/** A CloudWatch metric without the dimension that tells hosts apart. */
export interface CloudWatchMetric {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** Which CloudWatch metrics answer for which figure; plain JSON, frozen with the plan. Shares are in percent there. */
export interface CloudWatchBinding {
  readonly requests?: CloudWatchMetric | undefined;
  readonly errors?: CloudWatchMetric | undefined;
  /** Durations; `perSecond` is how many of its units make a second. */
  readonly latency?: (CloudWatchMetric & { readonly perSecond: number }) | undefined;
  readonly cpuPercent?: CloudWatchMetric | undefined;
  readonly memoryPercent?: CloudWatchMetric | undefined;
  readonly dbConnections?: CloudWatchMetric | undefined;
  readonly queueLength?: CloudWatchMetric | undefined;
  /** The dimension whose value names the host, `InstanceId` by default. */
  readonly hostDimension?: string;
}

/** The part of `GetMetricData`'s query that is used. Source: AWS, CloudWatch API reference, MetricDataQuery. */
export interface DataQuery {
  readonly Id: string;
  readonly MetricStat: {
    readonly Metric: {
      readonly Namespace: string;
      readonly MetricName: string;
      readonly Dimensions: { readonly Name: string; readonly Value: string }[];
    };
    readonly Period: number;
    readonly Stat: string;
  };
  readonly ReturnData: true;
}

/** What the answer to one query is for. */
export type Figure =
  | "requests"
  | "errors"
  | "durations"
  | "cpuPercent"
  | "memoryPercent"
  | "dbConnections"
  | "queueLength"
  | { readonly withinSeconds: number };

/** One query, with the host and figure that its answer belongs to. */
export interface AskedFigure {
  readonly host: string;
  readonly figure: Figure;
  readonly query: DataQuery;
}

/**
 * The queries of all hosts. Latencies are asked for as percentile ranks, `PR(:edge)`, which is the exact part of the
 * requests within an edge: CloudWatch has no buckets to find it in.
 */
export function queriesOf(
  binding: CloudWatchBinding,
  hosts: Readonly<Record<string, string>>,
  edges: readonly number[],
  periodSeconds: number,
): AskedFigure[] {
  const dimension = binding.hostDimension ?? "InstanceId";
  const asked: AskedFigure[] = [];
  for (const [host, value] of Object.entries(hosts)) {
    const ask = (figure: Figure, metric: CloudWatchMetric | undefined, stat: string): void => {
      if (metric === undefined) return;
      const all = { ...metric.dimensions, [dimension]: value };
      const Dimensions = Object.entries(all).map(([Name, Value]) => ({ Name, Value }));
      const Metric = { Namespace: metric.namespace, MetricName: metric.name, Dimensions };
      const query: DataQuery = {
        Id: `q${asked.length}`,
        MetricStat: { Metric, Period: periodSeconds, Stat: stat },
        ReturnData: true,
      };
      asked.push({ host, figure, query });
    };
    ask("requests", binding.requests, "Sum");
    ask("errors", binding.errors, "Sum");
    ask("durations", binding.latency, "SampleCount");
    for (const edge of binding.latency === undefined ? [] : edges) {
      ask({ withinSeconds: edge }, binding.latency, `PR(:${edge * binding.latency!.perSecond})`);
    }
    ask("cpuPercent", binding.cpuPercent, "Average");
    ask("memoryPercent", binding.memoryPercent, "Average");
    ask("dbConnections", binding.dbConnections, "Average");
    ask("queueLength", binding.queueLength, "Average");
  }
  return asked;
}
