import type { LatencyCounts } from "./metrics.ts";

/** Several histograms as one; null when there is none, or when their edges differ. */
export function sumOf(histograms: readonly LatencyCounts[]): LatencyCounts | null {
  const [first] = histograms;
  if (first === undefined) return null;
  const { edges } = first;
  const same = histograms.every(
    (one) => one.edges.length === edges.length && one.edges.every((at, i) => at === edges[i]),
  );
  if (!same) return null;
  const total = histograms.reduce((sum, one) => sum + one.total, 0);
  return { edges, counts: edges.map((_, i) => histograms.reduce((sum, one) => sum + (one.counts[i] ?? 0), 0)), total };
}

/**
 * A percentile in seconds, 0 < `percentile` < 100, taken to lie evenly within its bucket; beyond the last edge that edge.
 * Null without requests or edges. As `histogram_quantile` of Prometheus has it, so that both show the same figure.
 */
export function percentileOf({ edges, counts, total }: LatencyCounts, percentile: number): number | null {
  const last = edges.at(-1);
  if (total <= 0 || last === undefined) return null;
  const rank = (total * percentile) / 100;
  const at = counts.findIndex((count) => count >= rank);
  const high = edges[at];
  if (high === undefined) return Number.isFinite(last) ? last : (edges.at(-2) ?? null);
  if (!Number.isFinite(high)) return edges[at - 1] ?? null;
  const [low, below] = at === 0 ? [0, 0] : [edges[at - 1] ?? 0, counts[at - 1] ?? 0];
  const inside = (counts[at] ?? 0) - below;
  return inside <= 0 ? high : low + ((high - low) * (rank - below)) / inside;
}
