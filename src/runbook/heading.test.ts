import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { recogniseHeading, splitNumbering, subjectWords } from "./heading.ts";
import { VOCABULARY } from "./vocabulary.ts";
import type { SectionKind } from "./vocabulary.ts";

const HEADINGS: readonly (readonly [string, SectionKind | undefined])[] = [
  ["Roll back", "rollback"],
  ["3) ROLL-BACK PROCEDURES", "rollback"],
  ["Rollback (if needed)", "rollback"],
  ["Backout plan", "rollback"],
  ["Before you deploy", "checklist"],
  ["✅ Go/no-go", "checklist"],
  ["SLOs/Alarms", "limits"],
  ["Change window", "windows"],
  ["IV. On-call", "contacts"],
  ["Incident response", "emergencies"],
  ["Troubleshooting", "issues"],
  ["Known problems", "issues"],
  ["🚀 Deploying the checkout service", "deployment"],
  ["Deployment: step by step", "deployment"],
  ["Step 2 — Migrate the database", "phase"],
  ["Pre-launch gates", "checklist"],
  ["Checks before shipping", "checklist"],
  ["Once it is live", "post-deployment"],
  ["Post-rollout activities", "post-deployment"],
  ["Shipping the release", "deployment"],
  ["Executing the rollout", "deployment"],
  ["How to get back", "rollback"],
  ["Undoing a release", "rollback"],
  ["Return to the previous version", "rollback"],
  ["Option A: Fast way back", "immediate-rollback"],
  ["Host-by-host rollback", "gradual-rollback"],
  ["Alarm limits", "thresholds"],
  ["Roll back when", "thresholds"],
  ["Typical failures and remedies", "issues"],
  ["Whom to call", "contacts"],
  ["Permitted times", "windows"],
  ["Before the migration", undefined],
  ["After the incident", undefined],
  ["Release notes", undefined],
  ["Why we deploy on Sundays", undefined],
  ["Last release", undefined],
  ["Known limits", undefined],
  ["Fast path", undefined],
  ["Restoring backups", undefined],
  ["Updates", undefined],
  ["Deployment architecture", undefined],
  ["What is a rollback?", undefined],
  ["History of our incidents", undefined],
  ["", undefined],
];

describe("recogniseHeading", () => {
  const subject = subjectWords("Checkout service deployment runbook");
  for (const [heading, kind] of HEADINGS) {
    it(`"${heading}" is ${kind ?? "unknown"}`, () => assert.equal(recogniseHeading(heading, subject), kind));
  }

  it("knows every phrase of the documented table as what the table says", () => {
    for (const [kind, { phrases }] of Object.entries(VOCABULARY)) {
      for (const phrase of phrases) assert.equal(recogniseHeading(phrase, new Set()), kind, phrase);
    }
  });
});

describe("splitNumbering", () => {
  for (const [heading, title, number] of [
    ["2. Deploy", "Deploy", 2],
    ["Phase 3: Verify", "Verify", 3],
    ["Stage 4 - Go", "Go", 4],
    ["IV. Contacts", "Contacts", undefined],
    ["1.2 Network", "Network", undefined],
    ["3 phases of a release", "phases of a release", 3],
    ["100% rollout", "100% rollout", undefined],
    ["2.", "2.", 2],
  ] as const) {
    it(`takes the number off "${heading}"`, () => {
      const split = splitNumbering(heading);
      assert.deepEqual([split.title, split.number], [title, number]);
    });
  }
});
