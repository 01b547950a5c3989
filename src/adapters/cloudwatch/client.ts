import type { DataResult, GetMetricData } from "./source.ts";

/**
 * `GetMetricData` over the AWS SDK, which finds credentials by itself (environment, profile, instance role). The SDK is
 * loaded when this is called, since it costs more to load than all of Sunny. `endpoint` leads elsewhere for tests.
 */
export async function cloudWatchClient(region: string, endpoint?: string): Promise<GetMetricData> {
  const { CloudWatchClient, GetMetricDataCommand } = await import("@aws-sdk/client-cloudwatch");
  const client = new CloudWatchClient({ region, maxAttempts: 2, ...(endpoint === undefined ? {} : { endpoint }) });
  return async (input, signal) => {
    const answer = await client.send(new GetMetricDataCommand(input), { abortSignal: signal });
    const MetricDataResults = (answer.MetricDataResults ?? []).map(
      ({ Id, Timestamps, Values, StatusCode, Messages }): DataResult => ({
        ...(Id === undefined ? {} : { Id }),
        ...(Timestamps === undefined ? {} : { Timestamps }),
        ...(Values === undefined ? {} : { Values }),
        ...(StatusCode === undefined ? {} : { StatusCode }),
        ...(Messages === undefined
          ? {}
          : { Messages: Messages.map(({ Value }) => (Value === undefined ? {} : { Value })) }),
      }),
    );
    return { MetricDataResults, ...(answer.NextToken === undefined ? {} : { NextToken: answer.NextToken }) };
  };
}
