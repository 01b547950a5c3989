/** Seeded random numbers: the same seed gives the same traffic on every machine. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  normal(): number;
  poisson(mean: number): number;
  binomial(n: number, p: number): number;
  /** 1, 2, ... with the given mean. */
  geometric(mean: number): number;
}

/** sfc32 by Chris Doty-Humphrey (PractRand), seeded from one number. */
export function random(seed: number): Random {
  let a = 0x9e3779b9 | 0;
  let b = seed | 0;
  let c = (seed / 2 ** 32) | 0;
  let d = 1;
  const uniform = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    c |= 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) uniform();
  let spare: number | null = null;
  const normal = (): number => {
    if (spare !== null) {
      const kept = spare;
      spare = null;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  // Exact by inversion up to a mean of 30; beyond, the normal approximation is good to within a rounding.
  const poisson = (mean: number): number => {
    if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
    let p = Math.exp(-mean);
    let sum = p;
    const u = uniform();
    let k = 0;
    while (u > sum && k < 200) {
      k++;
      p *= mean / k;
      sum += p;
    }
    return k;
  };
  const binomial = (n: number, p: number): number => {
    if (n <= 0 || p <= 0) return 0;
    if (p >= 1) return n;
    if (p > 0.5) return n - binomial(n, 1 - p);
    const mean = n * p;
    if (mean > 30) {
      return Math.min(n, Math.max(0, Math.round(mean + Math.sqrt(mean * (1 - p)) * normal())));
    }
    let q = (1 - p) ** n;
    let sum = q;
    const u = uniform();
    let k = 0;
    while (u > sum && k < n) {
      q *= ((n - k) / (k + 1)) * (p / (1 - p));
      k++;
      sum += q;
    }
    return k;
  };
  const geometric = (mean: number): number =>
    mean <= 1 ? 1 : 1 + Math.floor(Math.log(1 - uniform()) / Math.log(1 - 1 / mean));
  return { uniform, normal, poisson, binomial, geometric };
}
