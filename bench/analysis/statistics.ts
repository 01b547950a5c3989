/** The q-quantile of times, the smallest of which at least a part q of all are at most it. */
export function quantileOf(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;
}

/** The middle; the mean of both middle ones. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Upper end of the one-sided 95 % Clopper–Pearson interval for `hits` of `runs`. */
export function upperBound(hits: number, runs: number): number {
  if (hits >= runs) return 1;
  let low = hits / runs;
  let high = 1;
  for (let i = 0; i < 60; i++) {
    const p = (low + high) / 2;
    if (atMost(hits, runs, p) > 0.05) low = p;
    else high = p;
  }
  return high;
}

/** P(at most `hits` of `runs`) at probability p. */
function atMost(hits: number, runs: number, p: number): number {
  let term = runs * Math.log1p(-p);
  let sum = Math.exp(term);
  for (let k = 1; k <= hits; k++) {
    term += Math.log(((runs - k + 1) / k) * (p / (1 - p)));
    sum += Math.exp(term);
  }
  return sum;
}
