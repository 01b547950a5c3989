import type { ApprovedWindow, RecurringWindow, Weekday } from "./model.ts";
import { notUnderstood } from "./window-words.ts";
import { findZone, ZONES } from "./zone.ts";
import type { ZoneReading } from "./zone.ts";

export type WindowRule =
  | Omit<RecurringWindow, "line" | "column" | "text">
  | Omit<ApprovedWindow, "line" | "column" | "text">;

/** What a line among the windows says. */
export type WindowReading =
  | { readonly rule: WindowRule }
  | { readonly problem: "RB401" | "RB402" | "RB403" | "RB404" | "RB405"; readonly message: string };

/** The days of the week, Monday first. */
export const WEEKDAYS: readonly Weekday[] = [
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
];

const DAY = String.raw`(mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:days?|s)?\.?`;
const DAY_PATTERN = new RegExp(String.raw`\b${DAY}(?![a-z])`, "gi");
const DAY_RANGE = new RegExp(String.raw`\b${DAY}\s*(?:-|–|—|to|through|thru|until)\s*${DAY}(?![a-z])`, "i");
const TIME = String.raw`(?:(\d{1,2}):(\d{2})(?::\d{2})?\s*(am\b|pm\b)?|(\d{1,2})\s*(am\b|pm\b)|(\d{2})(\d{2}))\s*(?:h\b|hrs?\b|z\b|uhr\b)?`;
const TIME_PATTERN = new RegExp(String.raw`(?<![\d:])${TIME}(?![\d:])`, "gi");

const DAY_GROUP =
  /\b(?:daily|every\s?day|each day|all days|nightly|every night|weekdays?|(?:working|business|work) ?days?|weekends?)\b/gi;
/** What a window is made of; what is written in between has to be understood. */
const CORE: readonly RegExp[] = [DAY_GROUP, DAY_PATTERN, ZONES, TIME_PATTERN];

/** Conditions that a weekly window cannot hold; leaving them out would open it too often. */
const CONDITION =
  /\b(?:first|second|third|fourth|fifth|last|1st|2nd|3rd|[45]th|every other|bi-?weekly|fortnight(?:ly)?|alternate|odd|even|monthly|quarterly|of the month|except|exceptions?|excepted|excluding|excluded|exempt(?:ed)?|barring|(?:save|but) for|(?:apart|aside) from|other than|unless|not|no|never|freeze|blackout|only if|january|february|march|april|june|july|august|september|october|november|december)\b|\b\d{4}-\d{2}-\d{2}\b/i;

/** Days, and words that keep some out, in languages that are not read: what is left over without them opens at other times. */
const FOREIGN =
  /(?<![\p{L}_/])(?:montags?|dienstags?|mittwochs?|donnerstags?|freitags?|samstags?|sonnabends?|sonntags?|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|mi[eé]rcoles|jueves|viernes|s[aá]bados?|domingos?|luned[iì]|marted[iì]|mercoled[iì]|gioved[iì]|venerd[iì]|sabato|domenica|\p{L}+-feira|maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|au(?:ß|ss)er|nicht|kein\p{L}*|nur|jeden|monats?|bis|sauf|except[eé]|hormis|chaque|mois|excepto|exceto|salvo|eccetto|tranne|behalve|niet)(?!\p{L})/iu;

const APPROVAL = /\b(?:approv\w*|sign(?:ed)?[\s-]?off|permission|consent|authori[sz]\w*|go-ahead)\b/i;
const ANY_TIME = /\b(?:any\s?time|at all times|24\s?[/x]\s?7|around the clock)\b/i;

/** Reads one line, such as "Primary: Sunday 01:00-03:00 UTC"; `zone` is what the section says for all of them. */
export function readWindow(text: string, zone?: string): WindowReading {
  if (text.length > 300) return { problem: "RB402", message: "The line is too long to be a window." };
  const { name, rest } = splitName(text);
  const times = findTimes(rest);
  const days = findDays(rest);
  const isWindow = times.length > 0 || days.length > 0 || ANY_TIME.test(rest);
  if (isWindow && FOREIGN.test(rest))
    return { problem: "RB402", message: "The days and conditions of a window are read in English." };
  if (times.length === 0 && (ANY_TIME.test(rest) || APPROVAL.test(rest))) return readAnyTime(name, rest, days);
  if (times.length === 0 && days.length === 0) return { problem: "RB405", message: "This line names no time." };
  if (CONDITION.test(rest)) return { problem: "RB402", message: "A weekly window cannot hold this condition." };
  const strange = notUnderstood(rest.slice(0, endOf(times)), CORE);
  if (strange !== undefined)
    return { problem: "RB402", message: `"${strange}" is not understood; it may keep the window shut at times.` };
  if (APPROVAL.test(rest))
    return { problem: "RB402", message: "A window with times needs no approval; say which of the two is meant." };
  const [start, end, ...more] = times.map(toClock);
  if (start === undefined || end === undefined || more.length > 0) {
    return { problem: "RB402", message: "A window needs one time at which it opens and one at which it closes." };
  }
  if (days.length === 0)
    return { problem: "RB402", message: "The window names no day; write `daily` when it is every day." };
  if (start === "" || end === "" || start === end || start === "24:00") {
    return { problem: "RB404", message: "The times of this window cannot be." };
  }
  const found = zoneAround(rest, times);
  if (found !== undefined && "unknown" in found) {
    return { problem: "RB403", message: `\`${found.unknown}\` is not a time zone that has one meaning.` };
  }
  const effective = found?.zone ?? zone;
  if (effective === undefined)
    return { problem: "RB401", message: "The window does not say in which time zone it is." };
  const spanning = spanningDays(rest, times, days);
  if (spanning === undefined) return { problem: "RB402", message: "A window closes on the day it opens or the next." };
  return { rule: { kind: "recurring", name, days: spanning, start, end, zone: effective } };
}

/** The times of a line; what follows a second one after a sign is an offset from UTC, not a time. */
function findTimes(text: string): RegExpExecArray[] {
  const times = [...text.matchAll(TIME_PATTERN)];
  const third = times[2];
  const isOffset = third !== undefined && /(?:[\s(]|UTC|GMT)\s*[+\u2212-]\s?$/i.test(text.slice(0, third.index));
  return isOffset && times.length === 3 ? times.slice(0, 2) : times;
}

function endOf(times: readonly RegExpExecArray[]): number {
  const last = times.at(-1);
  return last === undefined ? 0 : last.index + last[0].length;
}

/** The zone after the times, where people write it, or before them. */
function zoneAround(text: string, times: readonly RegExpExecArray[]): ZoneReading | undefined {
  const [first, last] = times;
  if (first === undefined || last === undefined) return undefined;
  if (/z\s*$/i.test(last[0])) return { zone: "UTC", text: "Z" };
  return findZone(text.slice(last.index + last[0].length)) ?? findZone(text.slice(0, first.index), false);
}

function splitName(text: string): { name: string; rest: string } {
  const match = /^([^:\d]{1,60}?)\s*(?::|\s[-–—])\s+(.*)$/.exec(text);
  const label = match?.[1]?.trim() ?? "";
  const rest = match?.[2] ?? "";
  const isDay = findDays(label).length > 0 && findDays(rest).length === 0;
  return label === "" || isDay ? { name: text, rest: text } : { name: label, rest };
}

function readAnyTime(name: string, text: string, days: readonly Weekday[]): WindowReading {
  if (APPROVAL.test(text)) {
    const role = findRole(text);
    if (role === undefined) return { problem: "RB402", message: "It is not clear whose approval is needed." };
    if (days.length > 0) return { problem: "RB402", message: "An approval for some days only cannot be kept apart." };
    return { rule: { kind: "approval", name, role } };
  }
  if (CONDITION.test(text)) return { problem: "RB402", message: "A window cannot hold this condition." };
  const open = days.length === 0 ? WEEKDAYS : days;
  return { rule: { kind: "recurring", name, days: open, start: "00:00", end: "24:00", zone: "UTC" } };
}

const ROLE = String.raw`((?:[A-Z][\w-]*|on-call|[a-z]+-call)(?:\s+(?:[A-Z][\w-]*|(?:of|for)\s+[A-Z][\w-]*|on-call|lead|engineer|manager|officer|team|director|owner|admin))*)`;
const ROLES: readonly RegExp[] = [
  new RegExp(
    String.raw`\b(?:approval|sign-?\s?off|permission|consent|authori[sz]ation|go-ahead)\s+(?:of|by|from)\s+(?:the\s+|an?\s+)?${ROLE}`,
  ),
  new RegExp(String.raw`\b(?:approved|signed off|authori[sz]ed)\s+by\s+(?:the\s+|an?\s+)?${ROLE}`),
  new RegExp(
    String.raw`\b(?:with|needs|requires|after|on|and)\s+(?:the\s+|an?\s+)?(?:written\s+|explicit\s+)?${ROLE}(?:['’]s)?\s+(?:approval|sign-?\s?off|permission|consent|authori[sz]ation|go-ahead)`,
  ),
  new RegExp(
    String.raw`\b(?:if|when|once|provided)\s+(?:the\s+|an?\s+)?${ROLE}\s+(?:approves|agrees|authori[sz]es|signs? off)`,
  ),
  new RegExp(String.raw`^(?:the\s+)?${ROLE}(?:['’]s)?\s+(?:approval|sign-?\s?off|permission|consent)\b`),
];

function findRole(text: string): string | undefined {
  for (const pattern of ROLES) {
    const role = pattern.exec(text)?.[1];
    if (role !== undefined) return role;
  }
  return undefined;
}

function findDays(text: string): Weekday[] {
  if (/\b(?:daily|every\s?day|each day|all days|nightly|every night)\b/i.test(text)) return [...WEEKDAYS];
  const range = DAY_RANGE.exec(text);
  const first = dayIndex(range?.[1]);
  const last = dayIndex(range?.[2]);
  if (first !== undefined && last !== undefined) {
    const length = ((last - first + 7) % 7) + 1;
    return Array.from({ length }, (_, offset) => WEEKDAYS[(first + offset) % 7] ?? "monday");
  }
  const found = new Set<Weekday>();
  if (/\b(?:weekdays?|working days?|business days?|workdays?)\b/i.test(text))
    for (const day of WEEKDAYS.slice(0, 5)) found.add(day);
  if (/\bweekends?\b/i.test(text)) for (const day of WEEKDAYS.slice(5)) found.add(day);
  for (const match of text.matchAll(DAY_PATTERN)) {
    const index = dayIndex(match[1]);
    if (index !== undefined) found.add(WEEKDAYS[index] ?? "monday");
  }
  return WEEKDAYS.filter((day) => found.has(day));
}

function dayIndex(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const index = WEEKDAYS.findIndex((day) => day.startsWith(text.slice(0, 3).toLowerCase()));
  return index === -1 ? undefined : index;
}

/** "Saturday 22:00 – Sunday 02:00" opens on Saturday; the second day has to be the next one. */
function spanningDays(text: string, times: readonly RegExpExecArray[], days: Weekday[]): Weekday[] | undefined {
  const [first, second] = times;
  if (first === undefined || second === undefined) return days;
  const between = findDays(text.slice(first.index + first[0].length, second.index));
  if (between.length === 0) return days;
  const opening = findDays(text.slice(0, first.index));
  const [opens] = opening;
  const [closes] = between;
  if (opens === undefined || closes === undefined || opening.length > 1 || between.length > 1) return undefined;
  const distance = (WEEKDAYS.indexOf(closes) - WEEKDAYS.indexOf(opens) + 7) % 7;
  return distance === 1 && (toClock(second) ?? "") < (toClock(first) ?? "") ? opening : undefined;
}

/** `HH:MM`; empty when no clock shows it. */
function toClock(match: RegExpExecArray): string {
  const hours = Number(match[1] ?? match[4] ?? match[6] ?? -1);
  const minutes = Number(match[2] ?? match[7] ?? 0);
  const half = (match[3] ?? match[5])?.toLowerCase();
  if (half !== undefined && (hours < 1 || hours > 12)) return "";
  const hour = half === undefined ? hours : (hours % 12) + (half === "pm" ? 12 : 0);
  if (hour < 0 || hour > 24 || minutes > 59 || (hour === 24 && minutes > 0)) return "";
  return `${String(hour).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
}
