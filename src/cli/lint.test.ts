import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { Command } from "commander";
import { systemClock } from "../clock.ts";
import type { CliContext } from "./context.ts";
import { configure } from "./lint.ts";
import { createOutput } from "./output.ts";

interface Told {
  readonly code: string;
  readonly severity: string;
  readonly line: number;
  readonly message: string;
  readonly remedy: string;
}

/** What `sunny lint` says of limits with these lines, and its status. */
async function limits(t: TestContext, lines: readonly string[]): Promise<{ told: Told[]; status: number }> {
  const cwd = mkdtempSync(path.join(tmpdir(), "sunny-lint-"));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  writeFileSync(
    path.join(cwd, "RUNBOOK.md"),
    `# R\n\n## Alert thresholds\n\n${lines.map((one) => `- ${one}\n`).join("")}`,
  );
  let [out, status] = ["", 0];
  const stdout = { write: (text: string) => (out += text) };
  const context = {
    output: createOutput({ json: true, stdout, stderr: { write: () => {} }, clock: systemClock }),
    cwd,
    color: false,
    exit: (wanted: number) => void (status = wanted),
  } as unknown as CliContext;
  const command = new Command();
  configure(command, context);
  await command.parseAsync(["RUNBOOK.md"], { from: "user" });
  const events = out.trim().split("\n");
  const told = events.slice(0, -1).map((line) => JSON.parse(line) as Told);
  return { told: told.filter(({ code }) => code === "PL203"), status };
}

test("a limit that no plan can have watched is told at its line, with what can be", async (t) => {
  const { told, status } = await limits(t, [
    "Error rate > 1% for 5 minutes",
    "Fehlerrate > 1% für 5 Minuten",
    "Average response time > 500 ms",
  ]);
  assert.equal(status, 1);
  assert.deepEqual(
    told.map(({ severity, line }) => [severity, line]),
    [
      ["error", 6],
      ["error", 7],
    ],
  );
  assert.match(told[0]?.message ?? "", /^Cannot watch "Fehlerrate > 1% für 5 Minuten": it is none of the figures/);
  assert.match(told[0]?.remedy ?? "", /^Those are response times, error rates, CPU, .* Reword it/);
  assert.match(told[1]?.remedy ?? "", /state a percentile/);
});

test("limits that can be watched are not told", async (t) => {
  const lines = ["p95 response time > 500 ms", "Error rate > 1%", "CPU/Memory > 90%", "Queue length > 500"];
  assert.deepEqual((await limits(t, lines)).told, []);
});
