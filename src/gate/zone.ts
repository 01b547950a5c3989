import type { Millis } from "../clock.ts";
import { isSunnyError, SunnyError } from "../errors.ts";

/** A day of the calendar without a zone, as days since 1970-01-01. */
export type CalendarDay = number;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const formatters = new Map<string, Intl.DateTimeFormat>();

/** True for what `Intl` knows as a zone: IANA names, `UTC`, and offsets such as `+02:00`. */
export function isZone(zone: string): boolean {
  try {
    formatter(zone);
    return true;
  } catch (error) {
    if (isSunnyError(error, "WINDOW_ZONE_UNKNOWN")) return false;
    throw error;
  }
}

/** The day that the wall clock of `zone` shows. @throws WINDOW_ZONE_UNKNOWN */
export function localDate(at: Millis, zone: string): CalendarDay {
  return Math.floor((at + offsetAt(at, zone)) / DAY_MS);
}

/** The day `days` later. */
export function addDays(day: CalendarDay, days: number): CalendarDay {
  return day + days;
}

/** 0 is Sunday, 6 Saturday. */
export function dayOfWeek(day: CalendarDay): number {
  return (((day + 4) % 7) + 7) % 7;
}

/**
 * The moment at which the wall clock of `zone` shows `minutes` past midnight of `day` (1440 is the end of the day). Of
 * two such moments (clocks put back) the first; when there is none (clocks put forward) the moment of the change.
 * @throws WINDOW_ZONE_UNKNOWN
 */
export function instantOf(day: CalendarDay, minutes: number, zone: string): Millis {
  const local = day * DAY_MS + minutes * MINUTE_MS;
  const before = offsetAt(local - DAY_MS, zone);
  const after = offsetAt(local + DAY_MS, zone);
  const candidates = [local - before, local - after].toSorted((a, b) => a - b);
  const exact = candidates.find((at) => at + offsetAt(at, zone) === local);
  return exact ?? changeBetween(candidates[0] ?? local, candidates[1] ?? local, zone);
}

/** The first moment after `low` with the offset that holds at `high`. */
function changeBetween(low: Millis, high: Millis, zone: string): Millis {
  const target = offsetAt(high, zone);
  let [from, to] = [low, high];
  while (to - from > 1) {
    const middle = Math.floor((from + to) / 2);
    if (offsetAt(middle, zone) === target) to = middle;
    else from = middle;
  }
  return to;
}

/** Milliseconds that the wall clock of `zone` is ahead of UTC at that moment. @throws WINDOW_ZONE_UNKNOWN */
export function offsetAt(at: Millis, zone: string): number {
  const parts = formatter(zone).formatToParts(at);
  const value = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find((part) => part.type === type)?.value ?? 0);
  const local = Date.UTC(
    value("year"),
    value("month") - 1,
    value("day"),
    value("hour"),
    value("minute"),
    value("second"),
  );
  return local - Math.floor(at / 1000) * 1000;
}

function formatter(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone) ?? newFormatter(zone);
  formatters.set(zone, known);
  return known;
}

function newFormatter(timeZone: string): Intl.DateTimeFormat {
  const number = "numeric" as const;
  const date = { year: number, month: number, day: number, hour: number, minute: number, second: number };
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "iso8601",
      numberingSystem: "latn",
      hourCycle: "h23",
      ...date,
    });
  } catch (cause) {
    throw new SunnyError("WINDOW_ZONE_UNKNOWN", `There is no time zone "${timeZone}"`, {
      hint: "Use an IANA name such as Europe/Berlin, UTC, or an offset such as +02:00.",
      cause,
    });
  }
}
