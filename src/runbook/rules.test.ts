import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunbook } from "./parse.ts";

test("for how long a limit has to be broken is read from its column of the table", () => {
  const rows = "| CPU | < 75 % | 10 min |\n| Memory | > 90 % | |\n| Queue length | > 1000 | for 2m |\n";
  for (const header of ["Limit | Window", "Value | Duration"]) {
    const text = `# R\n\n## Limits\n\n| Signal | ${header} |\n|---|---|---|\n${rows}`;
    assert.deepEqual(
      parseRunbook(text, "RUNBOOK.md").runbook.thresholds.map(({ metric, value, holdMs }) => [metric, value, holdMs]),
      [
        ["cpu", 75, 600_000],
        ["memory", 90, undefined],
        ["queue-length", 1000, 120_000],
      ],
      header,
    );
  }
});
