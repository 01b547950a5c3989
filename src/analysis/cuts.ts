import type { LatencyCounts } from "./metrics.ts";
import type { Cut } from "./rule.ts";

/** At which of the baseline's percentiles the two arms are compared. */
const PERCENTILES = [0.5, 0.9, 0.95, 0.99] as const;

/** How much slower the canary may be before its latency counts as worse. */
export const TOLERATED_SLOWDOWN = 1.1;

/**
 * Picks the cuts at which the latencies of both arms are compared: the bucket edges nearest to the baseline's p50, p90,
 * p95 and p99. The baseline is counted at the nearest edge at or below cut / `tolerate`, so that a canary which is
 * slower by no more than that is not worse. Empty when the histogram is empty or too coarse.
 */
export function chooseCuts(past: LatencyCounts, tolerate = TOLERATED_SLOWDOWN): Cut[] {
  const total = past.total;
  if (!(total > 0)) return [];
  const edges = past.edges.filter((edge) => edge > 0);
  const cuts = new Map<number, Cut>();
  for (const percentile of PERCENTILES) {
    const canarySeconds = nearestEdge(past, edges, percentile * total, total);
    if (canarySeconds === null) continue;
    const baselineSeconds = edges.findLast((edge) => edge <= (canarySeconds / tolerate) * (1 + 1e-9));
    if (baselineSeconds !== undefined) cuts.set(canarySeconds, { canarySeconds, baselineSeconds });
  }
  return [...cuts.values()];
}

/** The edge whose cumulative count comes nearest to `wanted`, among those that still leave requests on both sides. */
function nearestEdge(past: LatencyCounts, edges: readonly number[], wanted: number, total: number): number | null {
  let best: number | null = null;
  let distance = Infinity;
  for (const [i, edge] of past.edges.entries()) {
    const count = past.counts[i]!;
    if (!edges.includes(edge) || count <= 0 || count >= total) continue;
    if (Math.abs(count - wanted) < distance) {
      distance = Math.abs(count - wanted);
      best = edge;
    }
  }
  return best;
}
