import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { Command } from "commander";
import { systemClock } from "../clock.ts";
import type { Sunny } from "../main.ts";
import type { CliContext } from "./context.ts";
import { configure } from "./doctor.ts";
import { createOutput } from "./output.ts";

/** What `sunny doctor` answers for these prerequisites, on a system with an SQLite database that is there. */
async function answers(t: TestContext, ...prerequisites: string[]): Promise<string[]> {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-doctor-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const [runbook, file] = [path.join(directory, "RUNBOOK.md"), path.join(directory, "payments.db")];
  writeFileSync(runbook, `# R\n\n## Prerequisites\n\n${prerequisites.map((text) => `- ${text}\n`).join("")}`);
  writeFileSync(file, "");
  let out = "";
  const stdout = { write: (text: string) => (out += text) };
  const context = {
    output: createOutput({ json: true, stdout, stderr: { write: () => {} }, clock: systemClock }),
    cwd: directory,
    env: {},
    sunny: () => Promise.resolve({ system: { database: { kind: "sqlite", file } } } as unknown as Sunny),
    exit: () => {},
  } as unknown as CliContext;
  const command = new Command();
  configure(command, context);
  await command.parseAsync(["--runbook", runbook], { from: "user" });
  const events = out.trim().split("\n");
  return events.slice(0, -1).map((line) => (JSON.parse(line) as { state: string }).state);
}

test("access to a database that the configuration does not use is not taken for there", async (t) => {
  const told = await answers(t, "Admin access to MongoDB Atlas", "Access to the database", "A parking permit");
  assert.deepEqual(told, ["unchecked", "ok", "unchecked"]);
});
