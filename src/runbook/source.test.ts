import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunbook } from "./parse.ts";

const LINES = [
  "# R",
  "",
  "## Alert thresholds",
  "",
  "| Metric\t| Unit | Crit | For |",
  "|:---|---|--:|---|",
  "| p95 latency | ms | 400 | 5 min |",
  "| Error rate | % | 1 | |",
  "",
  "## Maintenance windows",
  "",
  "| Day | Time |",
  "|---|---|",
  "| Sunday | 01:00-03:00 UTC |",
];

/** What is read, with its places, which the ends of the lines must not move. */
function read(text: string): unknown {
  const { runbook } = parseRunbook(text, "R.md");
  return [runbook.thresholds, runbook.windows];
}

test("tables are read whatever ends their lines, and white space behind them means nothing", () => {
  const plain = read(LINES.join("\n"));
  assert.equal((plain as unknown[][])[0]?.length, 2);
  assert.equal((plain as unknown[][])[1]?.length, 1);
  for (const end of ["\r\n", "\r", " \n", "\t \n", "   \r\n"]) {
    assert.deepEqual(read(LINES.join(end) + end), plain, JSON.stringify(end));
  }
});
