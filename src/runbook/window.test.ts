import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readWindow } from "./window.ts";

function told(text: string, zone?: string): string {
  const result = readWindow(text, zone);
  if ("message" in result) return result.problem;
  const { rule } = result;
  if (rule.kind === "approval") return `${rule.name} | ${rule.role}`;
  return `${rule.days.map((day) => day.slice(0, 2)).join("")} ${rule.start}-${rule.end} ${rule.zone}`;
}

const CASES: readonly (readonly [string, string])[] = [
  ["Primary: Sunday 01:00-03:00 UTC", "su 01:00-03:00 UTC"],
  ["Sundays 01:00–03:00 UTC", "su 01:00-03:00 UTC"],
  ["Tue/Thu 22:00-02:00 Europe/Berlin", "tuth 22:00-02:00 Europe/Berlin"],
  ["Monday to Friday, 9am to 5pm America/New_York", "motuwethfr 09:00-17:00 America/New_York"],
  ["Friday to Monday 00:00-24:00 UTC", "frsasumo 00:00-24:00 UTC"],
  ["Weekdays between 10:00 and 16:00 UTC+2", "motuwethfr 10:00-16:00 +02:00"],
  ["Weekend: weekends 06:00-10:00 GMT", "sasu 06:00-10:00 UTC"],
  ["Tues & Thurs 6:30pm-8pm UTC", "tuth 18:30-20:00 UTC"],
  ["Mon-Fri 10:00-16:00 UTC-03:30", "motuwethfr 10:00-16:00 -03:30"],
  ["Mon–Thu 09:00–16:00 +01:00", "motuweth 09:00-16:00 +01:00"],
  ["Sat 0100-0300Z", "sa 01:00-03:00 UTC"],
  ["Saturday 22:00 – Sunday 02:00 UTC", "sa 22:00-02:00 UTC"],
  ["Every Wednesday from 01:00 to 03:00 (UTC)", "we 01:00-03:00 UTC"],
  ["Daily 12am-2am UTC", "motuwethfrsasu 00:00-02:00 UTC"],
  ["Any time", "motuwethfrsasu 00:00-24:00 UTC"],
  ["Emergency: Any time with CTO approval", "Emergency | CTO"],
  ["Hotfix: 24/7, approved by the Head of Billing", "Hotfix | Head of Billing"],
  [
    "Otherwise with the approval of the Engineering Manager",
    "Otherwise with the approval of the Engineering Manager | Engineering Manager",
  ],
  ["Anytime if the on-call lead approves", "Anytime if the on-call lead approves | on-call lead"],
  ["Sunday 01:00-03:00", "RB401"],
  ["Sunday 01:00-03:00 local time", "RB401"],
  ["First Sunday of the month 01:00-03:00 UTC", "RB402"],
  ["No deployments on Fridays", "RB402"],
  ["Friday 10:00-12:00 UTC with CTO approval", "RB402"],
  ["Daily außer Sonntag 10:00-16:00 UTC", "RB402"],
  ["Every day sauf dimanche 10:00-16:00 UTC", "RB402"],
  ["Tuesday, nicht im Dezember, 10:00-12:00 UTC", "RB402"],
  ["Monday bis Freitag 10:00-12:00 UTC", "RB402"],
  ["Tuesday and Mittwoch 10:00-12:00 UTC", "RB402"],
  ["Any time, excepto sábado", "RB402"],
  ["Daily oprócz niedzieli 10:00-16:00 UTC", "RB402"],
  ["Daily (pazar hariç) 10:00-16:00 UTC", "RB402"],
  ["Every day paitsi sunnuntaisin 10:00-16:00 UTC", "RB402"],
  ["Tuesday, jamais en décembre, 10:00-12:00 UTC", "RB402"],
  ["Weekdays ekki 10:00-12:00 UTC", "RB402"],
  ["Monday kuni Friday 10:00-12:00 UTC", "RB402"],
  ["Daily cu excepția sărbătorilor 10:00-16:00 UTC", "RB402"],
  ["Daily 10:00-12:00 UTC, apart from Easter", "RB402"],
  ["Sundays 01:00-03:00 UTC with the exception of Easter", "RB402"],
  ["Weekdays save for Easter 10:00-12:00 UTC", "RB402"],
  ["Deployments are allowed Monday to Thursday, starting at 10:00 and ending at 12:00 UTC", "motuweth 10:00-12:00 UTC"],
  ["Sunday (lowest traffic) from 01:00 until 03:00 UTC, since customers are asleep", "su 01:00-03:00 UTC"],
  ["Tuesday–Thursday for routine releases: 09:00-11:00 UTC", "tuweth 09:00-11:00 UTC"],
  ["Tuesday, low-risk changes only, 10:00-12:00 UTC", "tu 10:00-12:00 UTC"],
  ["Sunday (least customer activity) 02:00-04:00 UTC", "su 02:00-04:00 UTC"],
  ["Mondays, with the on-call engineer at hand, 09:00-17:00 UTC", "mo 09:00-17:00 UTC"],
  ["Wednesday: infrastructure and firmware patches between 20:00 and 22:00 UTC", "we 20:00-22:00 UTC"],
  ["Sunday, Frankfurt and Stockholm, 01:00-03:00 UTC", "su 01:00-03:00 UTC"],
  ["Tue/Thu night 22:00–02:00 UTC card payments", "tuth 22:00-02:00 UTC"],
  ["Weekly night window: Sunday 00:05-02:59 UTC Major maintenance, deployments Minimal (1 job)", "su 00:05-02:59 UTC"],
  ["Weekdays in the early morning, 5am - 7am GMT", "motuwethfr 05:00-07:00 UTC"],
  ["01:00-03:00 UTC on Sundays and Wednesdays", "wesu 01:00-03:00 UTC"],
  ["Sunday 01:00-03:00 America/Santo_Domingo", "su 01:00-03:00 America/Santo_Domingo"],
  ["01:00-03:00 UTC", "RB402"],
  ["Sunday 01:00 UTC", "RB402"],
  ["Saturday 22:00 – Tuesday 02:00 UTC", "RB402"],
  ["Any time with approval", "RB402"],
  ["Sunday 01:00-03:00 CET", "RB403"],
  ["Sunday 01:00-03:00 Europe/Bielefeld", "RB403"],
  ["Sunday 25:00-26:00 UTC", "RB404"],
  ["Sunday 03:00-03:00 UTC", "RB404"],
  ["Tell support a day before", "RB405"],
];

describe("readWindow", () => {
  for (const [text, expected] of CASES) it(text, () => assert.equal(told(text), expected));

  it("takes the section's zone for a line that names none, and the line's own before it", () => {
    assert.equal(told("Sunday 01:00-03:00", "Europe/Berlin"), "su 01:00-03:00 Europe/Berlin");
    assert.equal(told("Sunday 01:00-03:00 UTC", "Europe/Berlin"), "su 01:00-03:00 UTC");
  });
});
