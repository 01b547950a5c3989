import type { Rule } from "../../analysis/rule.ts";

/** The histogram edges in seconds that the rules need, ascending, each once: for sources that must be told. */
export function edgesOf(rules: readonly Rule[]): number[] {
  const edges = rules.flatMap((rule) => {
    if (rule.kind === "latency") return [rule.edgeSeconds];
    if (rule.kind !== "latency-versus-baseline") return [];
    return rule.cuts.flatMap((cut) => [cut.canarySeconds, cut.baselineSeconds]);
  });
  return [...new Set(edges)].toSorted((a, b) => a - b);
}
