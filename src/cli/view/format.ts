import type { Millis } from "../../clock.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A duration as people read it: "20 ms", "0.3 s", "48 s", "4 min 12 s", "1 h 03 min", "2 d 4 h". Negative counts as nothing. */
export function duration(ms: number): string {
  const left = Math.max(0, ms);
  if (left < 95) return `${Math.round(left)} ms`;
  if (left < 10 * SECOND - 50) return `${(left / SECOND).toFixed(1)} s`;
  const seconds = Math.round(left / SECOND);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.floor(left / MINUTE);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  const hours = Math.floor(left / HOUR);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Time of day in UTC, "12:00:03": every view of a deployment shows the same, wherever it is looked at. */
export function timeOfDay(at: Millis): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** A figure with its unit: at most three digits that matter; "?" without data. */
export function figure(value: number | null, unit: string): string {
  if (value === null || !Number.isFinite(value)) return "?";
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2;
  return unit === "" ? value.toFixed(digits) : `${value.toFixed(digits)} ${unit}`;
}

/** The first 12 hex digits of `sha256:<hex>`. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}
