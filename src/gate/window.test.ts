import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { MaintenanceWindow, RecurringWindow, Weekday } from "../runbook/model.ts";
import { closesAt, isOpen, nextOpening, windowState } from "./window.ts";
import { addDays, dayOfWeek, instantOf, isZone, localDate, offsetAt } from "./zone.ts";

const DAYS: Weekday[] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const HOUR = 3_600_000;
const at = (text: string): number => Date.parse(text);
const show = (ms: number | null | undefined): string | null =>
  ms == null ? null : new Date(ms).toISOString().slice(0, 16);

const window = (days: Weekday[], start: string, end: string, zone = "UTC"): RecurringWindow => ({
  kind: "recurring",
  name: "Primary",
  days,
  start,
  end,
  zone,
  text: `${days.join(", ")} ${start}-${end} ${zone}`,
  line: 1,
  column: 1,
});
const emergency: MaintenanceWindow = {
  kind: "approval",
  name: "Emergency",
  role: "CTO",
  text: "Any time with CTO approval",
  line: 1,
  column: 1,
};
const seed = [window(["sunday"], "01:00", "03:00"), window(["wednesday"], "01:00", "03:00"), emergency];

const span = (zone: string, start: string, end: string, from: string): (string | null)[] => {
  const opening = nextOpening([window(["sunday"], start, end, zone)], at(from));
  return [show(opening?.opensAt), show(opening?.closesAt)];
};

describe("windows", () => {
  it("open at the start, close at the end, and name what comes next", () => {
    const cases: [string, boolean, string | null, string][] = [
      ["2025-06-15T00:59:59Z", false, null, "2025-06-15T01:00"],
      ["2025-06-15T01:00:00Z", true, "2025-06-15T03:00", "2025-06-18T01:00"],
      ["2025-06-15T02:59:59Z", true, "2025-06-15T03:00", "2025-06-18T01:00"],
      ["2025-06-15T03:00:00Z", false, null, "2025-06-18T01:00"],
      ["2025-06-18T03:00:00Z", false, null, "2025-06-22T01:00"],
    ];
    for (const [now, open, end, next] of cases) {
      const state = windowState(seed, at(now));
      assert.deepEqual([now, state.open, show(state.closesAt), show(state.next?.opensAt)], [now, open, end, next]);
    }
  });

  it("name the role that may open them at any time, but are not open by it", () => {
    const state = windowState([emergency], at("2025-06-16T12:00Z"));
    assert.deepEqual([state.open, state.overrides[0]?.role, state.next], [false, "CTO", null]);
  });

  it("restrict nothing when there are none", () => {
    assert.equal(isOpen([], 0), true);
    assert.equal(closesAt([], 0), null);
    assert.equal(nextOpening([], 0), null);
  });

  it("may span midnight, end at 24:00, and run into each other", () => {
    const night = window(["saturday"], "23:00", "02:00");
    assert.equal(isOpen([night], at("2025-06-15T01:59Z")), true);
    assert.equal(isOpen([night], at("2025-06-14T01:00Z")), false);
    const joined = [window(["saturday"], "22:00", "24:00"), window(["sunday"], "00:00", "04:30")];
    assert.equal(show(closesAt(joined, at("2025-06-14T22:30Z"))), "2025-06-15T04:30");
    const whole = window(["sunday"], "00:00", "00:00");
    assert.equal(show(closesAt([whole], at("2025-06-15T12:00Z"))), "2025-06-16T00:00");
  });

  it("follow the clocks of their zone, also as an offset", () => {
    const berlin = window(["sunday"], "01:00", "03:00", "Europe/Berlin");
    assert.equal(show(nextOpening([berlin], at("2025-07-01T00:00Z"))?.opensAt), "2025-07-05T23:00");
    assert.equal(show(nextOpening([berlin], at("2025-12-01T00:00Z"))?.opensAt), "2025-12-07T00:00");
    const india = window(["monday"], "00:15", "01:00", "+05:30");
    assert.equal(show(nextOpening([india], at("2025-06-10T00:00Z"))?.opensAt), "2025-06-15T18:45");
  });

  it("lose the hour that is skipped in spring, and gain the one that comes twice in autumn", () => {
    // Berlin: 2025-03-30 02:00 → 03:00 (01:00 UTC), 2025-10-26 03:00 → 02:00 (01:00 UTC).
    assert.deepEqual(span("Europe/Berlin", "01:00", "04:00", "2025-03-29T00:00Z"), [
      "2025-03-30T00:00",
      "2025-03-30T02:00",
    ]);
    assert.deepEqual(span("Europe/Berlin", "02:30", "04:00", "2025-03-29T00:00Z"), [
      "2025-03-30T01:00",
      "2025-03-30T02:00",
    ]);
    assert.deepEqual(span("Europe/Berlin", "02:15", "02:45", "2025-03-29T00:00Z"), [
      "2025-04-06T00:15",
      "2025-04-06T00:45",
    ]);
    assert.deepEqual(span("Europe/Berlin", "01:00", "04:00", "2025-10-25T00:00Z"), [
      "2025-10-25T23:00",
      "2025-10-26T03:00",
    ]);
    assert.deepEqual(span("Europe/Berlin", "02:15", "02:45", "2025-10-25T00:00Z"), [
      "2025-10-26T00:15",
      "2025-10-26T00:45",
    ]);
    // New York: 2025-03-09 02:00 → 03:00 (07:00 UTC). Lord Howe moves by half an hour only.
    assert.deepEqual(span("America/New_York", "02:00", "03:30", "2025-03-08T00:00Z"), [
      "2025-03-09T07:00",
      "2025-03-09T07:30",
    ]);
    assert.deepEqual(span("Australia/Lord_Howe", "01:45", "02:45", "2025-10-04T00:00Z"), [
      "2025-10-04T15:15",
      "2025-10-04T15:45",
    ]);
  });
});

describe("the clock of a zone", () => {
  const zones = [
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "-09:30",
  ];

  it("knows zones and offsets, and nothing else", () => {
    for (const zone of zones) assert.equal(isZone(zone), true, zone);
    for (const zone of ["", "Mars/Base", "CTO", "+25:00"]) assert.equal(isZone(zone), false, zone);
  });

  it("finds the moment that shows a time, wherever the clocks are put back or forward", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: at("2000-01-01T00:00Z"), max: at("2037-01-01T00:00Z") }),
        (zone, now) => {
          const minute = Math.floor(now / 60_000) * 60_000;
          const local = minute + offsetAt(minute, zone);
          const day = localDate(minute, zone);
          const found = instantOf(day, Math.round((local - day * 24 * HOUR) / 60_000), zone);
          assert.equal(found + offsetAt(found, zone), local);
          assert.ok(found <= minute && minute - found <= HOUR, "the first of two equal times");
        },
      ),
      { numRuns: 300 },
    );
  });

  it("counts days from Thursday, 1 January 1970", () => {
    assert.equal(dayOfWeek(0), 4);
    assert.equal(dayOfWeek(addDays(0, -5)), 6);
    assert.equal(DAYS[dayOfWeek(localDate(at("2025-06-15T12:00Z"), "UTC"))], "sunday");
  });

  it("is open exactly between an opening and its closing, for any window and moment", () => {
    const time = fc
      .integer({ min: 0, max: 95 })
      .map((n) => `${String(Math.floor(n / 4)).padStart(2, "0")}:${String((n % 4) * 15).padStart(2, "0")}`);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1, maxLength: 3 }),
        time,
        time,
        fc.constantFrom(...zones),
        fc.integer({ min: at("2020-01-01T00:00Z"), max: at("2030-01-01T00:00Z") }),
        (days, start, end, zone, now) => {
          const windows = [window(days, start, end, zone)];
          const next = nextOpening(windows, now);
          assert.ok(next !== null && next.opensAt > now);
          assert.equal(isOpen(windows, next.opensAt), true);
          const end1 = closesAt(windows, next.opensAt);
          assert.ok(end1 !== null && isOpen(windows, end1 - 1) && !isOpen(windows, end1));
        },
      ),
      { numRuns: 150 },
    );
  });
});
