import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunbook } from "./parse.ts";

test("a box is a gate also when items stand below it, which count only when they have boxes", () => {
  const { runbook } = parseRunbook(
    [
      "# R\n\n## Checklist\n\n- [ ] On-call informed\n  - [ ] Pager tested\n    - [ ] Twice\n- [ ] Backup taken\n",
      "  - of the primary\n  - of the replica\n- **Review**\n  - [ ] Approved\n\n## Deployment\n\n```sh\n./x.sh\n```\n",
    ].join(""),
    "RUNBOOK.md",
  );
  assert.deepEqual(
    runbook.checklist.map((group) => [group.title, ...group.gates.map((gate) => gate.text)]),
    [
      ["On-call informed", "On-call informed", "Pager tested", "Twice"],
      ["Backup taken", "Backup taken"],
      ["Review", "Approved"],
    ],
  );
});

test("boxes below a heading that Sunny does not know are told also when items stand below them", () => {
  const { diagnostics } = parseRunbook("# R\n\n## Rituals\n\n- [ ] Sing\n  - loudly\n", "RUNBOOK.md");
  assert.equal(diagnostics.find(({ code }) => code === "RB120")?.line, 5);
});

test("the rows of a table of checks are gates, and a mark in a row is its box", () => {
  const gates = (lines: string): unknown[] =>
    parseRunbook(`# R\n\n## Checklist\n\n${lines}\n`, "R.md").runbook.checklist.flatMap((group) =>
      group.gates.map(({ text, checked, line }) => [text, checked, line]),
    );
  const table =
    "| No | Check | Owner | Done |\n|---|---|---|---|\n| 1 | Backups current | DBA | [ ] |\n| 2 | Reviewed | lead | ✅ |";
  assert.deepEqual(gates(table), [
    ["Backups current", false, 7],
    ["Reviewed", true, 8],
  ]);
  const owners = "- [ ] Reviewed\n\n| Area | Owner |\n|---|---|\n| Backups | DBA |";
  assert.deepEqual(gates(owners), [["Reviewed", false, 5]], "beside boxes a table without any is for people");
});
