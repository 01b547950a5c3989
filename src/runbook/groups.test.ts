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
