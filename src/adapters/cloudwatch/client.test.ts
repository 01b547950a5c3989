import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import type { TestContext } from "node:test";
import { test } from "node:test";
import type { DataQuery } from "./queries.ts";
import { cloudWatchClient } from "./client.ts";

interface Asked {
  readonly target: string | undefined;
  readonly body: { readonly StartTime: number; readonly MetricDataQueries: readonly DataQuery[] };
}

async function serve(t: TestContext, status: number, answer: unknown): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Asked["body"];
      asked.push({ target: request.headers["x-amz-target"]?.toString(), body });
      response.writeHead(status, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const before = { ...process.env };
  process.env["AWS_ACCESS_KEY_ID"] = "AKIDEXAMPLE";
  process.env["AWS_SECRET_ACCESS_KEY"] = "example";
  t.after(() => {
    process.env = before;
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const query: DataQuery = {
  Id: "q0",
  MetricStat: { Metric: { Namespace: "Payments", MetricName: "Requests", Dimensions: [] }, Period: 60, Stat: "Sum" },
  ReturnData: true,
};
const input = { MetricDataQueries: [query], StartTime: new Date(60_000), EndTime: new Date(120_000) };
const never = new AbortController().signal;

test("the SDK's client asks GetMetricData and its answer is read", async (t) => {
  const result = { Id: "q0", Label: "Requests", Timestamps: [60], Values: [10], StatusCode: "Complete" };
  const { url, asked } = await serve(t, 200, { MetricDataResults: [result], NextToken: "more" });
  const getMetricData = await cloudWatchClient("eu-central-1", url);
  assert.deepEqual(await getMetricData(input, never), {
    MetricDataResults: [{ Id: "q0", Timestamps: [new Date(60_000)], Values: [10], StatusCode: "Complete" }],
    NextToken: "more",
  });
  assert.match(asked[0]!.target!, /\.GetMetricData$/);
  assert.deepEqual(asked[0]!.body.MetricDataQueries, [query]);
  assert.equal(asked[0]!.body.StartTime, 60);
});

test("a refusal of the SDK's client is told with its message", async (t) => {
  const { url } = await serve(t, 400, { __type: "AccessDenied", message: "no cloudwatch:GetMetricData" });
  const getMetricData = await cloudWatchClient("eu-central-1", url);
  await assert.rejects(getMetricData(input, never), /no cloudwatch:GetMetricData/);
});
