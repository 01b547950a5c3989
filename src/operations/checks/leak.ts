import type { MemorySample } from "./ports.ts";

/** Fewer samples than this, or a shorter time, say nothing about a trend. */
export const LEAST_SAMPLES = 10;
/** Length of time that a trend needs, milliseconds. */
export const LEAST_WINDOW_MS = 9_000;
/** A process that has just started fills its caches; its first seconds are left out when there is enough after them. */
const WARM_UP_MS = 10_000;
const BUCKETS = 12;
/** One-sided 1 % of the normal distribution. */
const SIGNIFICANT = 2.33;
/** Growth below this is noise, whatever its trend: bytes, and part of the limit. */
const LEAST_GROWTH = { bytes: 8 * 1024 * 1024, part: 0.04 };
/** A leak that would need longer than this to reach the limit is no matter for a deployment. */
const HORIZON_MS = 6 * 3_600_000;

/** The trend of what stays in memory. */
export interface MemoryTrend {
  readonly leaks: boolean;
  readonly windowMs: number;
  /** Robust slope of what is left after collections, bytes a second. */
  readonly bytesPerSecond: number;
  /** Over the window, by that slope. */
  readonly growthBytes: number;
  /** Null when no requests were counted, or the slope is not positive. */
  readonly bytesPerRequest: number | null;
  /** Until the limit, at that slope; null when it does not grow. */
  readonly msToLimit: number | null;
}

/**
 * Tells a leak from the ups and downs of garbage collection. Time is cut into buckets; each stands for its lowest value,
 * which is what was alive after a collection. A leak is when these floors rise monotonously (Mann–Kendall test, one-sided,
 * 1 %), by a slope (Theil–Sen: the median of the slopes of all pairs) that matters against the limit. Null when the
 * samples are too few.
 */
export function memoryTrend(samples: readonly MemorySample[], limitBytes: number): MemoryTrend | null {
  const used = withoutWarmUp(samples);
  const [first, last] = [used[0], used.at(-1)];
  if (first === undefined || last === undefined || used.length < LEAST_SAMPLES) return null;
  const windowMs = last.at - first.at;
  if (windowMs < LEAST_WINDOW_MS) return null;
  const floors = floorsOf(used, first.at, windowMs);
  const bytesPerSecond = theilSen(floors);
  const growthBytes = (bytesPerSecond * windowMs) / 1000;
  const requests = last.requests - first.requests;
  const msToLimit =
    bytesPerSecond > 0 ? Math.max(0, ((limitBytes - last.residentBytes) / bytesPerSecond) * 1000) : null;
  const matters = growthBytes >= Math.max(LEAST_GROWTH.bytes, LEAST_GROWTH.part * limitBytes);
  return {
    leaks:
      matters &&
      msToLimit !== null &&
      msToLimit < HORIZON_MS &&
      mannKendall(floors.map(([, bytes]) => bytes)) > SIGNIFICANT,
    windowMs,
    bytesPerSecond,
    growthBytes,
    bytesPerRequest: requests > 0 && growthBytes > 0 ? growthBytes / requests : null,
    msToLimit,
  };
}

function withoutWarmUp(samples: readonly MemorySample[]): readonly MemorySample[] {
  const start = samples[0]?.at ?? 0;
  const end = samples.at(-1)?.at ?? 0;
  return end - start < 4 * WARM_UP_MS ? samples : samples.filter(({ at }) => at - start >= WARM_UP_MS);
}

/** The lowest value of each bucket with its time. */
function floorsOf(samples: readonly MemorySample[], start: number, windowMs: number): [at: number, bytes: number][] {
  const count = Math.min(BUCKETS, Math.floor(samples.length / 2));
  const floors: ([number, number] | undefined)[] = Array.from({ length: count });
  for (const { at, heapUsedBytes, externalBytes } of samples) {
    const index = Math.min(count - 1, Math.floor(((at - start) / windowMs) * count));
    const alive = heapUsedBytes + externalBytes;
    const floor = floors[index];
    if (floor === undefined || alive < floor[1]) floors[index] = [at, alive];
  }
  return floors.filter((floor) => floor !== undefined);
}

/** Median of the slopes of all pairs (Sen 1968), per second; 0 for fewer than two points. */
export function theilSen(points: readonly (readonly [at: number, value: number])[]): number {
  const slopes: number[] = [];
  for (const [i, [at, value]] of points.entries()) {
    for (const [later, next] of points.slice(i + 1))
      if (later > at) slopes.push(((next - value) / (later - at)) * 1000);
  }
  const sorted = slopes.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return 0;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle) - 1] ?? 0)) / 2;
}

/** The standardised Mann–Kendall statistic of a series without ties corrected; positive when it rises. */
export function mannKendall(values: readonly number[]): number {
  const n = values.length;
  let s = 0;
  for (const [i, value] of values.entries()) for (const later of values.slice(i + 1)) s += Math.sign(later - value);
  const variance = (n * (n - 1) * (2 * n + 5)) / 18;
  return variance === 0 ? 0 : (s - Math.sign(s)) / Math.sqrt(variance);
}
