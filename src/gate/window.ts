import type { Millis } from "../clock.ts";
import type { ApprovedWindow, MaintenanceWindow, RecurringWindow, Weekday } from "../runbook/model.ts";
import { addDays, dayOfWeek, instantOf, localDate } from "./zone.ts";

/** One opening of a recurring window: from `opensAt` (inclusive) to `closesAt` (exclusive). */
export interface Opening {
  readonly window: RecurringWindow;
  readonly opensAt: Millis;
  readonly closesAt: Millis;
}

/** What the windows of a runbook say at one moment. */
export interface WindowState {
  /** True also when there are no windows at all: the runbook restricts nothing. */
  readonly open: boolean;
  /** The opening that is open now; null when closed or unrestricted. */
  readonly current: Opening | null;
  /** When it closes, openings that follow without a break counted in; null when nothing is open or restricts. */
  readonly closesAt: Millis | null;
  /** The next opening after now; null when no recurring window exists. */
  readonly next: Opening | null;
  /** "Any time with CTO approval": who may open it now by a signed `window-override`. */
  readonly overrides: readonly ApprovedWindow[];
}

const WEEKDAYS: readonly Weekday[] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/** A weekly window that closes within a day opens again within 8 days; one more week covers a night lost to DST. */
const HORIZON_DAYS = 15;

/** What `windows` say at `now`. Times that daylight saving skips count from the moment of the change; the first of two equal ones counts. */
export function windowState(windows: readonly MaintenanceWindow[], now: Millis): WindowState {
  const recurring = windows.filter((window) => window.kind === "recurring");
  const overrides = windows.filter((window) => window.kind === "approval");
  const openings = openingsAround(recurring, now);
  const current = openings.find((opening) => opening.opensAt <= now && now < opening.closesAt) ?? null;
  return {
    open: windows.length === 0 || current !== null,
    current,
    closesAt: current === null ? null : endOfRun(openings, current),
    next: openings.find((opening) => opening.opensAt > now) ?? null,
    overrides,
  };
}

/** True when a recurring window is open at `now`, or when there are no windows. An override is not considered. */
export function isOpen(windows: readonly MaintenanceWindow[], now: Millis): boolean {
  return windowState(windows, now).open;
}

/** The next opening after `now`; null without recurring windows. */
export function nextOpening(windows: readonly MaintenanceWindow[], now: Millis): Opening | null {
  return windowState(windows, now).next;
}

/** When what is open at `now` closes; null when nothing is open. */
export function closesAt(windows: readonly MaintenanceWindow[], now: Millis): Millis | null {
  return windowState(windows, now).closesAt;
}

/** Openings from two days before `now`, in order of opening; those that daylight saving leaves empty are left out. */
function openingsAround(windows: readonly RecurringWindow[], now: Millis): Opening[] {
  return windows
    .flatMap((window) => openingsOf(window, now))
    .filter((opening) => opening.opensAt < opening.closesAt)
    .toSorted((a, b) => a.opensAt - b.opensAt || b.closesAt - a.closesAt);
}

function openingsOf(window: RecurringWindow, now: Millis): Opening[] {
  const days = new Set(window.days.map((day) => WEEKDAYS.indexOf(day)));
  const today = localDate(now, window.zone);
  const openings: Opening[] = [];
  for (let offset = -2; offset <= HORIZON_DAYS; offset++) {
    const date = addDays(today, offset);
    if (!days.has(dayOfWeek(date))) continue;
    const [start, end] = [minutesOf(window.start), minutesOf(window.end)];
    openings.push({
      window,
      opensAt: instantOf(date, start, window.zone),
      closesAt: instantOf(end > start ? date : addDays(date, 1), end, window.zone),
    });
  }
  return openings;
}

/** Where the run of openings that `first` belongs to ends: overlapping and adjoining ones are one stretch of time. */
function endOfRun(openings: readonly Opening[], first: Opening): Millis {
  let end = first.closesAt;
  for (const opening of openings) if (opening.opensAt <= end && opening.closesAt > end) end = opening.closesAt;
  return end;
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(":");
  return Number(hours) * 60 + Number(minutes);
}
