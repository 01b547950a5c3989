import type { Reconciliation } from "../../examples/payments/load/reconcile.ts";
import type { BenchResult, BenchRow } from "../shape.ts";
import type { CustomersResult, StretchResult } from "../../test/support/traffic/customers.ts";

export interface TrafficMeasured {
  /** Answers a second of the system when it is asked for all that it can. */
  readonly capacity: number;
  readonly rate: number;
  /** Requests that Sunny's part should have at least. */
  readonly wanted: number;
  /** By tool. */
  readonly deployments: Readonly<Record<string, number>>;
  readonly customers: CustomersResult;
  readonly books: Reconciliation;
}

/** Most that the slowest hundredth may take during a deployment, as a part of what it takes otherwise. */
const P99_LIMIT = 1.3;

interface OfTool {
  readonly sent: number;
  readonly failed: number;
  /** One more than what failed of 100,000 requests due during deployments: none can be divided by as well. */
  readonly failures: number;
  readonly p99: { readonly steady: number; readonly deployment: number; readonly ratio: number };
}

export function resultOf(measured: TrafficMeasured): BenchResult {
  const { capacity, rate, wanted, customers, books, deployments } = measured;
  const ours = ofTool(customers, "sunny");
  const peers = Object.fromEntries(
    Object.keys(deployments)
      .filter((name) => name !== "sunny")
      .map((name) => [name, ofTool(customers, name)]),
  );
  const row = (name: string, unit: string, of: (tool: OfTool) => number, more: object): BenchRow => ({
    case: name,
    ours: round(of(ours)),
    peers: mapped(peers, (tool) => round(of(tool))),
    unit,
    ratio: mapped(peers, (tool) => round(of(tool) / of(ours))),
    ...more,
  });
  const all = { sunny: ours, ...peers };
  const wrong = books.lost + books.doubled;
  return {
    bench: "traffic",
    rows: [
      row("failed requests during deployments", "per 100,000, plus 1", (tool) => tool.failures, {
        failed: mapped(all, (tool) => tool.failed),
        sent: mapped(all, (tool) => tool.sent),
      }),
      row("p99 during deployments", "of the p99 of steady stretches", (tool) => tool.p99.ratio, {
        p99Ms: mapped(all, (tool) => tool.p99),
      }),
    ],
    bars: [
      bar(`requests under Sunny ≥ ${wanted}`, ours.sent, ours.sent >= wanted),
      bar("load / capacity ≤ 0.5", rate / capacity, rate <= capacity / 2),
      bar("failed requests under Sunny = 0", ours.failed, ours.failed === 0),
      bar("payments lost or doubled = 0", wrong, wrong === 0),
      bar(`p99 during deployments / steady ≤ ${P99_LIMIT}`, ours.p99.ratio, ours.p99.ratio <= P99_LIMIT),
    ],
    deployments,
    ledger: books,
    websockets: customers.websockets,
    stretches: customers.stretches,
  };
}

function ofTool({ stretches, latency }: CustomersResult, name: string): OfTool {
  const during = stretches.filter((one) => one.name === `${name}/deployment`);
  const all = stretches.filter((one) => one.name.startsWith(`${name}/`));
  const [steady, deployment] = [`${name}/steady`, `${name}/deployment`].map((one) => round(latency[one]?.p99 ?? 0));
  return {
    sent: sum(all, (one) => one.sent),
    failed: sum(all, (one) => one.failed),
    failures:
      (sum(during, (one) => one.failed) * 100_000) /
        Math.max(
          1,
          sum(during, (one) => one.sent),
        ) +
      1,
    p99: { steady: steady ?? 0, deployment: deployment ?? 0, ratio: round((deployment ?? 0) / (steady || 1)) },
  };
}

function sum(stretches: readonly StretchResult[], of: (one: StretchResult) => number): number {
  return stretches.reduce((total, one) => total + of(one), 0);
}

function mapped<T, R>(all: Readonly<Record<string, T>>, to: (one: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(all).map(([name, one]) => [name, to(one)]));
}

function bar(name: string, value: number, met: boolean): { bar: string; value: number; met: boolean } {
  return { bar: name, value: round(value), met };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
