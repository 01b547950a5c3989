/** moto, which answers like AWS (PyPI), and a proxy before it for what it cannot do: faults, percentile ranks, pages. */
import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { sleep, systemClock } from "../../src/clock.ts";
import { findProgram } from "./programs.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
/** Where `.ci/run` installs it. */
const CACHED = path.join(ROOT, "node_modules/.cache/moto/bin");
const START_MS = 30_000;

/** Path of the program; undefined when it is not installed. */
export function findMoto(): string | undefined {
  return findProgram("moto_server", [CACHED]);
}

/** One query and its answer, as they are on the wire. */
export interface WireQuery {
  readonly Id: string;
  readonly MetricStat: { readonly Metric: { readonly MetricName: string }; readonly Stat: string };
}
export interface WireResult {
  readonly Id: string;
  readonly Timestamps: readonly number[];
  /** JSON has no NaN: it is a string there. */
  readonly Values: readonly (number | "NaN")[];
  readonly StatusCode?: string;
  readonly Messages?: readonly { readonly Code: string; readonly Value: string }[];
}
export interface WireAnswer {
  readonly MetricDataResults: readonly WireResult[];
  readonly NextToken?: string;
}

export interface Moto {
  readonly endpoint: string;
  /** How often GetMetricData was asked, refusals included. */
  asked(): number;
  /** Answers the next `times` calls of GetMetricData with an error instead; Infinity: all of them. */
  fail(status: number, type: string, message: string, times?: number): void;
  /** Changes what moto answers; called with each query's result. Ranks are never asked of moto, which has none. */
  change(how: ((query: WireQuery, result: WireResult) => WireResult) | null): void;
  /** Splits answers into pages of one result. */
  paged(on: boolean): void;
  /** Forgets all metrics and faults. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts moto and the proxy; ready when it answers. */
export async function startMoto(): Promise<Moto> {
  const program = findMoto();
  if (program === undefined) throw new Error("moto_server is not installed: this test needs it");
  const port = await freePort();
  const child = spawn(program, ["-H", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => void child.once("exit", () => resolve()));
  const behind = `http://127.0.0.1:${port}`;
  const until = systemClock.monotonic() + START_MS;
  while (!(await answers(behind))) {
    if (systemClock.monotonic() > until || child.exitCode !== null) throw new Error("moto_server does not answer");
    await sleep(systemClock, 50);
  }
  const state = { asked: 0, paged: false, left: 0, refusal: [400, "", ""] as readonly [number, string, string] };
  let change: ((query: WireQuery, result: WireResult) => WireResult) | null = null;
  const server = createServer((request, response) => {
    void handle(request, response).catch((error: unknown) => response.writeHead(502).end(String(error)));
  });
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => !/^(host|connection|content-length|transfer-)/.test(name)),
    ) as Record<string, string>;
    const forward = async (body: string): Promise<Response> =>
      fetch(`${behind}${request.url}`, { method: request.method ?? "POST", headers, body });
    const json = (status: number, body: unknown): void =>
      void response.writeHead(status, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(body));
    if (request.headers["x-amz-target"]?.toString().endsWith(".GetMetricData") !== true) {
      const answer = await forward(text);
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
      response.end(Buffer.from(await answer.arrayBuffer()));
      return;
    }
    state.asked++;
    if (state.left > 0) {
      state.left--;
      return json(state.refusal[0], { __type: state.refusal[1], message: state.refusal[2] });
    }
    const { NextToken, ...body } = JSON.parse(text) as { MetricDataQueries: WireQuery[]; NextToken?: string };
    const plain = body.MetricDataQueries.filter(({ MetricStat }) => !MetricStat.Stat.startsWith("PR("));
    const answer = await forward(JSON.stringify({ ...body, MetricDataQueries: plain }));
    if (answer.status !== 200) return void response.writeHead(answer.status).end(await answer.text());
    const { MetricDataResults: own } = (await answer.json()) as WireAnswer;
    const results = body.MetricDataQueries.map((query) => {
      const found = own.find(({ Id }) => Id === query.Id) ?? { Id: query.Id, Timestamps: [], Values: [] };
      return change === null ? found : change(query, found);
    });
    if (!state.paged) return json(200, { MetricDataResults: results });
    const page = Number(NextToken ?? 0);
    json(200, {
      MetricDataResults: results.slice(page, page + 1),
      ...(page + 1 < results.length ? { NextToken: String(page + 1) } : {}),
    });
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => state.asked,
    fail(status, type, message, times = 1) {
      state.left = times;
      state.refusal = [status, type, message];
    },
    change: (how) => void (change = how),
    paged: (on) => void (state.paged = on),
    async reset() {
      Object.assign(state, { asked: 0, paged: false, left: 0 });
      change = null;
      await fetch(`${behind}/moto-api/reset`, { method: "POST" });
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/moto-api/`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
