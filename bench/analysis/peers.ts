/**
 * The decision rules of Flagger, Argo Rollouts and Kayenta, written from their documentation. Each returns when it
 * would roll back for every setting at once, so that one pass over the data serves its defaults and its tuning.
 *
 * - Flagger, https://docs.flagger.app/usage/how-it-works: every `interval` all metrics are checked over the last minute;
 *   a miss of any, no value included, is a failed check; failed checks are never taken back; at `threshold` it rolls back.
 * - Argo Rollouts, https://argo-rollouts.readthedocs.io/en/stable/features/analysis/: each metric is measured every
 *   `interval`; more failed measurements of one metric than `failureLimit`, or more than four errors in a row, abort.
 * - Kayenta, https://spinnaker.io/docs/guides/user/canary/judge/: per metric a Mann–Whitney U test on the points of both
 *   arms; it is high when the confidence interval of the shift lies above a quarter of the estimated shift. The score
 *   is the weighted part of metrics that pass; below marginal it stops at once, below pass it fails at the end.
 */
import type { ArmSecond, Second } from "./simulate.ts";
import { EDGES, LIMITS } from "./scenario.ts";

/** What a look over some seconds sees on one arm: parts and shares, `null` without requests. */
export interface Look {
  readonly errors: number | null;
  readonly slow: number | null;
  readonly cpu: number;
  readonly memory: number;
}

const METRICS = ["errors", "slow", "cpu", "memory"] as const;

/** True when the look misses the metric's limit; having no value is a miss. */
function misses(look: Look, metric: (typeof METRICS)[number]): boolean {
  const value = look[metric];
  return value === null || value > LIMITS[metric];
}

/** Flagger: the times (as given) at which the 1st, 2nd, ... check failed; at the n-th a threshold of n rolls back. */
export function flagger(looks: readonly { readonly at: number; readonly look: Look }[]): number[] {
  return looks.filter(({ look }) => METRICS.some((metric) => misses(look, metric))).map(({ at }) => at);
}

/** Argo Rollouts: the times at which failure limits of 0, 1, 2, ... were exceeded by any metric. */
export function argo(looks: readonly { readonly at: number; readonly look: Look }[]): number[] {
  const failures = METRICS.map((metric) => looks.filter(({ look }) => misses(look, metric)).map(({ at }) => at));
  const most = Math.max(...failures.map((times) => times.length));
  return Array.from({ length: most }, (_, limit) => Math.min(...failures.map((times) => times[limit] ?? Infinity)));
}

/** Kayenta's settings that are tried: the confidence of the interval, 0.98 is its own. */
export const CONFIDENCES = [0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999] as const;
/** Standard normal quantiles at 1 − (1 − confidence)/2. */
const QUANTILES = [2.3263, 2.5758, 2.807, 3.0902, 3.2905, 3.4808, 3.8906, 4.4172] as const;
const TOLERANCE = 0.25;
const PASS = 95;
const MARGINAL = 75;

/** The points of one metric on both arms so far, and the group that it is scored in. */
export interface Metric {
  readonly group: string;
  readonly canary: readonly number[];
  readonly baseline: readonly number[];
}

/** Kayenta's judgement of all metrics: whether to go on, for each of `CONFIDENCES`. */
export function kayenta(metrics: readonly Metric[], isLast: boolean): boolean[] {
  // Half of the metrics without data fail the canary.
  const empty = metrics.filter(({ canary, baseline }) => canary.length === 0 || baseline.length === 0);
  if (2 * empty.length >= metrics.length) return CONFIDENCES.map(() => false);
  const highs = metrics.map((metric) => highAt(metric.canary, metric.baseline));
  return CONFIDENCES.map((_, i) => {
    const score = scoreOf(metrics.map(({ group }, k) => ({ group, passes: !highs[k]![i]! })));
    return score >= (isLast ? PASS : MARGINAL);
  });
}

/** The mean over the groups of the part of their metrics that pass, times 100. */
export function scoreOf(results: readonly { readonly group: string; readonly passes: boolean }[]): number {
  const groups = Map.groupBy(results, ({ group }) => group);
  let score = 0;
  for (const own of groups.values()) score += own.filter(({ passes }) => passes).length / own.length;
  return (100 * score) / groups.size;
}

/** For each confidence: whether the canary's points are high. Without points, or with equal points, they are not. */
export function highAt(canary: readonly number[], baseline: readonly number[]): boolean[] {
  const none = CONFIDENCES.map(() => false);
  if (canary.length === 0 || baseline.length === 0) return none;
  if (new Set([...canary, ...baseline]).size === 1) return none;
  const least = Math.min(...canary) - Math.max(...baseline);
  // A bound above zero is seen without searching for the estimate, which takes most of the time.
  if (least <= 0 && statistic(canary, baseline, 0) <= QUANTILES[0]) return none;
  const allowed = TOLERANCE * Math.abs(estimate(canary, baseline));
  // With few points no shift may be rejected at this confidence: the bound is then the least shift that there can be.
  const atLeast = statistic(canary, baseline, least);
  const atAllowed = statistic(canary, baseline, allowed);
  return QUANTILES.map((quantile) => (atLeast <= quantile ? least > allowed : atAllowed > quantile));
}

/** The Hodges–Lehmann shift, as the point where the statistic changes sign. */
export function estimate(canary: readonly number[], baseline: readonly number[]): number {
  let low = Math.min(...canary) - Math.max(...baseline);
  let high = Math.max(...canary) - Math.min(...baseline);
  for (let i = 0; i < 60 && high - low > 1e-9; i++) {
    const middle = (low + high) / 2;
    if (statistic(canary, baseline, middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Normal approximation of the rank sum of the canary less `shift`, with corrections for continuity and ties. */
export function statistic(canary: readonly number[], baseline: readonly number[], shift: number): number {
  const [n, m] = [canary.length, baseline.length];
  const all = [
    ...canary.map((value) => ({ value: value - shift, own: true })),
    ...baseline.map((value) => ({ value, own: false })),
  ];
  all.sort((a, b) => a.value - b.value);
  let ranks = 0;
  let ties = 0;
  for (let i = 0; i < all.length;) {
    let end = i;
    while (end < all.length && all[end]!.value === all[i]!.value) end++;
    const rank = (i + 1 + end) / 2;
    for (let k = i; k < end; k++) if (all[k]!.own) ranks += rank;
    ties += (end - i) ** 3 - (end - i);
    i = end;
  }
  const distance = ranks - (n * (n + 1)) / 2 - (n * m) / 2;
  const sigma = Math.sqrt(((n * m) / 12) * (n + m + 1 - ties / ((n + m) * (n + m - 1))));
  return sigma === 0 ? 0 : (distance - Math.sign(distance) * 0.5) / sigma;
}

/** Sums over a window that slides second by second. */
export class Window {
  readonly #seconds: number;
  readonly #kept: { requests: number; errors: number; slow: number; cpu: number; memory: number }[] = [];
  #at = 0;

  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  add(second: ArmSecond): void {
    const { requests, errors, slower, cpu, memory } = second;
    this.#kept[this.#at % this.#seconds] = { requests, errors, slow: slower[LIMITS.slowEdge]!, cpu, memory };
    this.#at++;
  }

  look(): Look {
    const sum = { requests: 0, errors: 0, slow: 0, cpu: 0, memory: 0 };
    for (const one of this.#kept) {
      sum.requests += one.requests;
      sum.errors += one.errors;
      sum.slow += one.slow;
      sum.cpu += one.cpu;
      sum.memory += one.memory;
    }
    const seen = sum.requests > 0;
    return {
      errors: seen ? sum.errors / sum.requests : null,
      slow: seen ? sum.slow / sum.requests : null,
      cpu: sum.cpu / this.#kept.length,
      memory: sum.memory / this.#kept.length,
    };
  }
}

/** One minute's points for Kayenta, of one arm: percent of errors, p95 in ms, CPU and memory in percent. */
export class Minute {
  #requests = 0;
  #errors = 0;
  #cpu = 0;
  #memory = 0;
  #seconds = 0;
  #slower = EDGES.map(() => 0);

  add(second: ArmSecond): void {
    this.#requests += second.requests;
    this.#errors += second.errors;
    this.#cpu += second.cpu;
    this.#memory += second.memory;
    this.#seconds++;
    for (let i = 0; i < EDGES.length; i++) this.#slower[i]! += second.slower[i]!;
  }

  points(): { errors: number | null; latency: number | null; cpu: number; memory: number } {
    const seen = this.#requests > 0;
    return {
      errors: seen ? (100 * this.#errors) / this.#requests : null,
      latency: seen ? 1000 * quantile(this.#slower, this.#requests, 0.95) : null,
      cpu: (100 * this.#cpu) / this.#seconds,
      memory: (100 * this.#memory) / this.#seconds,
    };
  }
}

/** As histogram_quantile of Prometheus: linear within the bucket, the last finite edge beyond it. Seconds. */
export function quantile(slower: readonly number[], requests: number, q: number): number {
  const rank = q * requests;
  let below = 0;
  for (let i = 0; i < EDGES.length; i++) {
    const within = requests - slower[i]!;
    if (within >= rank) {
      const from = i === 0 ? 0 : EDGES[i - 1]!;
      return within === below ? EDGES[i]! : from + ((EDGES[i]! - from) * (rank - below)) / (within - below);
    }
    below = within;
  }
  return EDGES.at(-1)!;
}

/** What all peers would do in one run, for every setting: times in seconds, Infinity for never. */
export interface PeerTimes {
  readonly flagger: readonly number[];
  readonly argo: readonly number[];
  readonly "flagger-10s": readonly number[];
  readonly "argo-10s": readonly number[];
  /** For each of `CONFIDENCES`. */
  readonly kayenta: readonly number[];
}

/** Feeds the peers second by second. */
export class Peers {
  readonly #window = new Window(60);
  readonly #looks: { at: number; look: Look }[] = [];
  #minute = { canary: new Minute(), baseline: new Minute() };
  readonly #points = {
    canary: { errors: [] as number[], latency: [] as number[], cpu: [] as number[], memory: [] as number[] },
    baseline: { errors: [] as number[], latency: [] as number[], cpu: [] as number[], memory: [] as number[] },
  };
  readonly #stopped: number[] = CONFIDENCES.map(() => Infinity);
  readonly #last: number;

  constructor(lastSecond: number) {
    this.#last = lastSecond;
  }

  /** `second` counts from 1 at the end of the first second. */
  take(second: number, shown: Second): void {
    this.#window.add(shown.canary);
    this.#minute.canary.add(shown.canary);
    this.#minute.baseline.add(shown.baseline);
    if (second % 10 === 0) this.#looks.push({ at: second, look: this.#window.look() });
    if (second % 60 !== 0) return;
    for (const arm of ["canary", "baseline"] as const) {
      const points = this.#minute[arm].points();
      for (const [name, value] of Object.entries(points)) {
        if (value !== null) this.#points[arm][name as keyof typeof points].push(value);
      }
    }
    this.#minute = { canary: new Minute(), baseline: new Minute() };
    if (second % 300 === 0) this.#judge(second);
  }

  #judge(second: number): void {
    if (this.#stopped.every((time) => time <= second)) return;
    const { canary, baseline } = this.#points;
    const groups = { errors: "errors", latency: "latency", cpu: "system", memory: "system" } as const;
    const metrics = Object.entries(groups).map(([name, group]) => {
      const key = name as keyof typeof groups;
      return { group, canary: canary[key], baseline: baseline[key] };
    });
    for (const [i, goOn] of kayenta(metrics, second === this.#last).entries()) {
      if (!goOn) this.#stopped[i] = Math.min(this.#stopped[i]!, second);
    }
  }

  times(): PeerTimes {
    const minutely = this.#looks.filter(({ at }) => at % 60 === 0);
    return {
      flagger: flagger(minutely),
      argo: argo(minutely),
      "flagger-10s": flagger(this.#looks),
      "argo-10s": argo(this.#looks),
      kayenta: this.#stopped,
    };
  }
}
