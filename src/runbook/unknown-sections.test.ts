import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunbook } from "./parse.ts";

const GERMAN = `# Betriebshandbuch

## Vor dem Ausrollen

- [ ] Datensicherung aktuell

## Ablauf

### 1. Datenbank

\`\`\`sh
./migrate.sh
\`\`\`

## Zurück

\`\`\`sh
./rollback.sh
\`\`\`

## Schwellwerte

| Kennzahl | Wert |
|---|---|
| CPU | > 80 % |

## Wartungsfenster

- Sonntag 01:00-03:00 Uhr

## Ansprechpartner

- Betrieb: betrieb@sunnypayments.com

## Zweck

Prosa allein.
`;

/** Each section by its line, with what the remedy says that it is. */
function marksOf(text: string): [number, string][] {
  const [told] = parseRunbook(text, "R.md").diagnostics.filter((one) => one.code === "RB122");
  return [...(told?.remedy ?? "").matchAll(/sunny: (\S+) -->` below line (\d+)/g)].map((one) => [
    Number(one[2]),
    one[1] ?? "",
  ]);
}

test("a runbook in another language is told at one place, with every heading and what it seems to be", () => {
  const { diagnostics } = parseRunbook(GERMAN, "R.md");
  const told = diagnostics.filter((one) => one.code === "RB122");
  assert.equal(told.length, 1);
  assert.equal(told[0]?.line, 3);
  assert.match(
    told[0].message,
    /knows none of the 6 sections .*"Vor dem Ausrollen" \(line 3\).*"Ansprechpartner" \(line 31\)/,
  );
  assert.doesNotMatch(told[0].message, /Zweck/);
  assert.deepEqual(marksOf(GERMAN), [
    [3, "checklist"],
    [7, "deployment"],
    [15, "rollback"],
    [21, "thresholds"],
    [27, "windows"],
    [31, "contacts"],
  ]);
});

test("with the comments that the remedy names everything is read", () => {
  const lines = GERMAN.split("\n");
  for (const [line, kind] of marksOf(GERMAN).toReversed()) lines.splice(line, 0, "", `<!-- sunny: ${kind} -->`);
  const { runbook, diagnostics } = parseRunbook(lines.join("\n"), "R.md");
  assert.deepEqual(
    diagnostics.filter((one) => one.code === "RB122" || one.code === "RB104"),
    [],
  );
  assert.equal(runbook.checklist[0]?.gates.length, 1);
  assert.deepEqual(
    runbook.phases.map((phase) => [phase.title, phase.steps.length]),
    [["Datenbank", 1]],
  );
  assert.equal(runbook.rollback.immediate?.steps.length, 1);
  assert.equal(runbook.thresholds[0]?.metric, "cpu");
  assert.equal(runbook.contacts.length, 1);
  // Days are read in English: told at the line, never taken for every day.
  assert.equal(diagnostics.find((one) => one.code.startsWith("RB4"))?.line, 39);
});

test("a few sections of one's own are no other language", () => {
  const own =
    "# R\n\n## Deployment\n\n```sh\n./a.sh\n```\n\n## Rollback\n\n```sh\n./b.sh\n```\n\n## Contacts\n\n- a@b.de\n";
  const more = "\n## Lunch\n\n- soup\n\n## Parking\n\n- none\n\n## Fire alarm\n\n- leave\n";
  assert.deepEqual(
    parseRunbook(own + more, "R.md").diagnostics.filter((one) => one.code === "RB122"),
    [],
  );
});
