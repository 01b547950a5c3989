/** What traffic looks like, and what is wrong with it. Rates per second, parts from 0 to 1, times in seconds. */
export interface Traffic {
  readonly rate: number;
  /** The canary's part. */
  readonly part: number;
  /** Errors of a healthy release. */
  readonly errors: number;
  /** Errors come in clusters of this mean size, on one arm, within this many seconds. */
  readonly cluster?: { readonly size: number; readonly seconds: number };
  /** The rate swings by this part around its mean over an hour; so does the part of errors, on both arms. */
  readonly diurnal?: number;
  /** Both arms alike: now and then `factor` times the traffic for some seconds. */
  readonly bursts?: { readonly factor: number; readonly seconds: number; readonly every: number };
  /** Both arms alike: now and then this part of errors for some seconds. */
  readonly outages?: { readonly errors: number; readonly seconds: number; readonly every: number };
  /** Parts of the requests slower than each of `EDGES` while healthy. */
  readonly slower: readonly number[];
  /** Share of the CPU and of the memory in use while healthy. */
  readonly cpu: number;
  readonly memory: number;
}

/** What a bad release does from `start` on. */
export interface Trouble {
  readonly start: number;
  readonly errors?: number;
  /** Times are this much longer: 1.2 is a fifth slower. */
  readonly slowdown?: number;
  readonly cpu?: number;
  /** Memory grows by this share per second from the start. */
  readonly leak?: number;
}

export interface Scenario {
  readonly name: string;
  readonly traffic: Traffic;
  readonly trouble: Trouble | null;
  /** Length of the analysis in seconds, and what it was planned for if that differs. */
  readonly seconds: number;
  readonly plannedSeconds?: number;
  /** For a bad scenario: the healthy one with the same traffic. */
  readonly twin: string;
}

/** Bucket edges in seconds; the runbook's limit of 500 ms is one of them. */
export const EDGES = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 1, 2.5] as const;
/** The runbook's thresholds. */
export const LIMITS = { errors: 0.01, slow: 0.05, slowEdge: 7, cpu: 0.8, memory: 0.85 } as const;

/**
 * A log-normal body with median `median` and one request in twenty from a Pareto tail (α = 1.5) that begins at twice
 * the median: the parts slower than each edge, for times multiplied by `factor`.
 */
export function slowerParts(median: number, sigma: number, factor = 1): number[] {
  return EDGES.map((edge) => {
    const x = edge / factor;
    const body = 1 - normalCdf(Math.log(x / median) / sigma);
    const tail = x <= 2 * median ? 1 : ((2 * median) / x) ** 1.5;
    return 0.95 * body + 0.05 * tail;
  });
}

/** Abramowitz & Stegun 26.2.17, good to 7.5e-8. */
function normalCdf(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const poly = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const upper = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly;
  return z >= 0 ? 1 - upper : upper;
}

export const MEDIAN = 0.12;
export const SIGMA = 0.45;

const RATES = [5, 50, 500, 5000] as const;
const PARTS = [0.05, 0.1, 0.25, 0.5] as const;
const BASELINES = [0.001, 0.002, 0.005] as const;
const BAD = [0.02, 0.05, 0.2, 1] as const;

const percent = (part: number): string => `${Number((part * 100).toPrecision(3))} %`;

function traffic(rate: number, part: number, errors: number, more: Partial<Traffic> = {}): Traffic {
  return { rate, part, errors, slower: slowerParts(MEDIAN, SIGMA), cpu: 0.5, memory: 0.5, ...more };
}

/** Every scenario, healthy ones first. */
export function scenarios(): Scenario[] {
  const healthy: Scenario[] = [];
  const bad: Scenario[] = [];
  const addHealthy = (name: string, given: Traffic, seconds = 600, plannedSeconds?: number): string => {
    const full = `healthy: ${name}`;
    healthy.push({
      name: full,
      traffic: given,
      trouble: null,
      seconds,
      twin: full,
      ...(plannedSeconds === undefined ? {} : { plannedSeconds }),
    });
    return full;
  };
  const addBad = (name: string, twin: string, trouble: Trouble): void => {
    const like = healthy.find((one) => one.name === twin)!;
    bad.push({ ...like, name, trouble, twin });
  };
  addGrid(addHealthy, addBad);
  addClusters(addHealthy, addBad);
  addShapes(addHealthy, addBad);
  addLong(addHealthy, addBad);
  return [...healthy, ...bad];
}

type AddHealthy = (name: string, given: Traffic, seconds?: number, plannedSeconds?: number) => string;
type AddBad = (name: string, twin: string, trouble: Trouble) => void;

function addGrid(addHealthy: AddHealthy, addBad: AddBad): void {
  for (const rate of RATES) {
    for (const part of PARTS) {
      for (const errors of BASELINES) {
        const name = `${rate}/s, canary ${percent(part)}, errors ${percent(errors)}`;
        const twin = addHealthy(name, traffic(rate, part, errors));
        for (const failing of BAD) addBad(`${name} → ${percent(failing)}`, twin, { start: 0, errors: failing });
      }
    }
  }
}

function addClusters(addHealthy: AddHealthy, addBad: AddBad): void {
  for (const size of [3, 5, 20]) {
    for (const rate of RATES) {
      const name = `clusters of ${size}, ${rate}/s`;
      const twin = addHealthy(name, traffic(rate, 0.1, 0.002, { cluster: { size, seconds: 1 } }));
      addBad(`${name} → 5 %`, twin, { start: 0, errors: 0.05 });
    }
  }
  for (const [size, seconds] of [
    [5, 10],
    [5, 30],
    [5, 60],
    [20, 60],
  ] as const) {
    for (const rate of [100, 1000]) {
      const name = `clusters of ${size} over ${seconds} s, ${rate}/s`;
      const twin = addHealthy(name, traffic(rate, 0.1, 0.002, { cluster: { size, seconds } }));
      addBad(`${name} → 5 %`, twin, { start: 0, errors: 0.05 });
    }
  }
}

function addShapes(addHealthy: AddHealthy, addBad: AddBad): void {
  const issue = addHealthy("100/s, canary 10 %, errors 0.2 %", traffic(100, 0.1, 0.002));
  addBad("100/s, canary 10 %, errors 0.2 % → 5 %", issue, { start: 0, errors: 0.05 });
  for (const rate of [50, 500]) {
    const plain = `healthy: ${rate}/s, canary 10 %, errors 0.2 %`;
    for (const slowdown of [1.5, 2, 3]) addBad(`${rate}/s, ${slowdown} times as slow`, plain, { start: 0, slowdown });
    addBad(`${rate}/s, CPU at 95 %`, plain, { start: 0, cpu: 0.95 });
    addBad(`${rate}/s, memory leaks 10 % a minute`, plain, { start: 0, leak: 0.1 / 60 });
    const swing = addHealthy(`diurnal change, ${rate}/s`, traffic(rate, 0.1, 0.002, { diurnal: 0.6 }));
    addBad(`diurnal change, ${rate}/s → 5 %`, swing, { start: 0, errors: 0.05 });
    const bursts = { factor: 10, seconds: 5, every: 60 };
    const busy = addHealthy(`bursts of traffic, ${rate}/s`, traffic(rate, 0.1, 0.002, { bursts }));
    addBad(`bursts of traffic, ${rate}/s → 5 %`, busy, { start: 0, errors: 0.05 });
    const outages = { errors: 0.2, seconds: 5, every: 120 };
    const shared = addHealthy(`bursts of errors on both arms, ${rate}/s`, traffic(rate, 0.25, 0.002, { outages }));
    addBad(`bursts of errors on both arms, ${rate}/s → 20 %`, shared, { start: 0, errors: 0.2 });
    const slow = traffic(rate, 0.1, 0.002, { slower: slowerParts(MEDIAN, SIGMA, 1.4) });
    const near = addHealthy(`slow but within limits, ${rate}/s`, { ...slow, cpu: 0.75, memory: 0.8 });
    addBad(`slow but within limits, ${rate}/s → 5 %`, near, { start: 0, errors: 0.05 });
  }
  addHealthy("exactly at the limit of errors, 100/s", traffic(100, 0.1, 0.01));
  addHealthy("100 % errors on both arms, 100/s", traffic(100, 0.5, 1));
}

function addLong(addHealthy: AddHealthy, addBad: AddBad): void {
  const hour = addHealthy("60 minutes, 100/s", traffic(100, 0.1, 0.002), 3600);
  addBad("60 minutes, 100/s → 5 % from the start", hour, { start: 0, errors: 0.05 });
  addBad("60 minutes, 100/s → 5 % after 5 minutes", hour, { start: 300, errors: 0.05 });
  addBad("60 minutes, 100/s → 5 % after 30 minutes", hour, { start: 1800, errors: 0.05 });
  const short = addHealthy("60 minutes planned for 10, 100/s", traffic(100, 0.1, 0.002), 3600, 600);
  addBad("60 minutes planned for 10, 100/s → 5 % after 30 minutes", short, { start: 1800, errors: 0.05 });
  addHealthy(
    "60 minutes, clusters of 20, 500/s",
    traffic(500, 0.1, 0.002, { cluster: { size: 20, seconds: 1 } }),
    3600,
  );
}
