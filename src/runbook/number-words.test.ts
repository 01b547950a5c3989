import assert from "node:assert/strict";
import { test } from "node:test";
import { withDigits } from "./number-words.ts";

const CASES: readonly (readonly [string, string])[] = [
  ["for seven minutes", "for 7 minutes"],
  ["nine minutes, then twelve hours", "9 minutes, then 12 hours"],
  ["above seventy-five percent", "above 75 percent"],
  ["above Eighty per cent", "above 80 per cent"],
  ["over forty five seconds", "over 45 seconds"],
  ["five hundred milliseconds", "500 milliseconds"],
  ["a thousand messages", "1000 messages"],
  ["two hundred and fifty ms", "250 ms"],
  ["queue longer than three hundred", "queue longer than 300"],
  ["a dozen connections", "12 connections"],
  ["half a percent for half an hour", "0.5 percent for 0.5 hour"],
  ["a quarter of an hour", "0.25 hour"],
  ["one percent of requests on any one host", "1 percent of requests on any one host"],
  ["at one of the hosts, someone and no one", "at one of the hosts, someone and no one"],
  ["often", "often"],
];

for (const [text, digits] of CASES) {
  test(`in digits: ${text}`, () => assert.equal(withDigits(text), digits));
}
