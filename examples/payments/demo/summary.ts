import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { LoadSummary } from "../load/protocol.ts";
import type { Reconciliation } from "../load/reconcile.ts";
import type { Variant } from "../releases/stage.ts";
import type { DeploymentResult } from "./deployment.ts";
import type { DemoEnvironment } from "./environment.ts";

export interface DemoSummary {
  readonly deployments: readonly {
    readonly release: string;
    readonly outcome: string;
    readonly detectedAfterMs?: number;
  }[];
  readonly requests: number;
  /** Failed requests except those that a release answered which was rolled back. */
  readonly failedOnHealthy: number;
  readonly ledger: { readonly acknowledged: number; readonly lost: number; readonly doubled: number };
  readonly audit: "verified" | "not verified";
  /** Everything went as it should. */
  readonly ok: boolean;
}

export interface SummaryInput {
  readonly environment: DemoEnvironment;
  readonly deployments: readonly DeploymentResult[];
  readonly variants: ReadonlyMap<string, Variant>;
  readonly load: LoadSummary;
  readonly ledger: Reconciliation;
  readonly auditVerified: boolean;
}

/** Puts together what the demo has shown, and whether each release met its end: the good one only may stay. */
export function summarise(input: SummaryInput): DemoSummary {
  const { deployments, load, ledger } = input;
  const goings = rollbackTimes(input.environment);
  const sick = new Set(deployments.filter((one) => one.outcome !== "succeeded").map((one) => one.release));
  const failedOnHealthy = Object.entries(load.byVersion)
    .filter(([version]) => !sick.has(version))
    .reduce((sum, [, seen]) => sum + seen.failed, 0);
  const shown = deployments.map(({ release, outcome }) => {
    const at = goings.get(release);
    const first = firstBad(load, release);
    const detected = at === undefined || first === null ? {} : { detectedAfterMs: Math.max(0, at - first) };
    return { release, outcome, ...detected };
  });
  const asExpected = deployments.every(({ release, outcome }) => {
    return outcome === (input.variants.get(release) === "good" ? "succeeded" : "rolled-back");
  });
  const ok = asExpected && failedOnHealthy === 0 && ledger.lost === 0 && ledger.doubled === 0 && input.auditVerified;
  return {
    deployments: shown,
    requests: load.answered,
    failedOnHealthy,
    ledger: { acknowledged: ledger.acknowledged, lost: ledger.lost, doubled: ledger.doubled },
    audit: input.auditVerified ? "verified" : "not verified",
    ok,
  };
}

/** When the first bad answer of a release came, milliseconds since the epoch; null when there was none. */
function firstBad(load: LoadSummary, version: string): number | null {
  const seen = load.byVersion[version];
  if (seen === undefined) return null;
  const times = [seen.firstFailedAt, seen.firstSlowAt].filter((at) => at !== null).map((at) => Date.parse(at));
  return times.length === 0 ? null : Math.min(...times);
}

/** When each release began to be taken back, by its version, from the notices that people got. */
function rollbackTimes(environment: DemoEnvironment): Map<string, number> {
  const file = path.join(environment.directory, "notices.jsonl");
  const times = new Map<string, number>();
  if (!existsSync(file)) return times;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "") continue;
    const notice = JSON.parse(line) as { event: string; at: string | number; title: string };
    if (notice.event !== "deployment.rolling-back") continue;
    const version = /\b\d+\.\d+\.\d+\b/.exec(notice.title)?.[0];
    if (version !== undefined) times.set(version, new Date(notice.at).getTime());
  }
  return times;
}

/** The summary for people. */
export function renderSummary(summary: DemoSummary): string {
  const lines = summary.deployments.map(({ release, outcome, detectedAfterMs }) => {
    const found =
      detectedAfterMs === undefined ? "" : `, ${(detectedAfterMs / 1000).toFixed(1)} s after its first bad answer`;
    return `  ${release.padEnd(8)} ${outcome}${found}`;
  });
  const { ledger } = summary;
  return [
    "",
    "Summary",
    ...lines,
    `  requests served                 ${summary.requests.toLocaleString("en")}`,
    `  failed on healthy releases      ${summary.failedOnHealthy}`,
    `  acknowledged payments           ${ledger.acknowledged.toLocaleString("en")}, lost ${ledger.lost}, doubled ${ledger.doubled}`,
    `  audit log                       ${summary.audit}`,
    summary.ok ? "Everything went as it should." : "Something did NOT go as it should.",
  ].join("\n");
}
