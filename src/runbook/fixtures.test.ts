/**
 * Runbooks of other teams with what is read from them. After a change that is meant, write the expectations anew with
 * `UPDATE_GOLDEN=1 bin/node --test src/runbook/fixtures.test.ts` and read the difference.
 */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { hasErrors } from "./diagnostic.ts";
import type { Diagnostic } from "./diagnostic.ts";
import type { Command, Procedure, Runbook, Step } from "./model.ts";
import { argText } from "./parameter.ts";
import { parseRunbook } from "./parse.ts";
import { renderDiagnostics } from "./render.ts";
import { summarise } from "./summarise.ts";

const FOLDER = path.resolve(import.meta.dirname, "../../test/fixtures/runbooks");

function golden(file: string, actual: string): void {
  if (process.env["UPDATE_GOLDEN"] === "1" || !existsSync(file)) writeFileSync(file, actual);
  assert.equal(actual, readFileSync(file, "utf8"));
}

function command(one: Command): string {
  switch (one.kind) {
    case "script":
      return [
        "script",
        one.path,
        ...one.args.map((arg) => argText(arg, (hole) => `{${hole.parameter}:${hole.name}}`)),
      ].join(" ");
    case "http":
      return `http ${one.method} ${argText(one.url, (hole) => `{${hole.name}}`)} retries=${one.retries} fail=${one.failFlag}`;
    case "terraform":
      return `${one.program} ${one.directory ?? "."} ${one.verb}`;
    case "subprocess":
      return `subprocess ${one.argv === undefined ? "shell" : "argv"} ${JSON.stringify(one.source)}`;
  }
}

function step(one: Step): string[] {
  const settings = Object.entries(one.annotations).map(([key, value]) => ` ${key}=${value}`);
  const when = one.when === "always" ? "" : ` ${one.when}`;
  return [
    `  ${one.line}:${one.column} ${one.id}${when}${settings.join("")}`,
    `    "${one.title}"`,
    `    ${command(one.command)}`,
  ];
}

function procedure(label: string, one: Procedure): string[] {
  const instructions = one.instructions.map(
    (line) => `  ${line.line}:${line.column} ${line.id} (${line.commands.length})`,
  );
  return [`${label} "${one.title}"`, ...instructions, ...one.steps.flatMap(step)];
}

function outline(runbook: Runbook, diagnostics: readonly Diagnostic[]): string {
  const { immediate, gradual, other } = runbook.rollback;
  const lines = [
    summarise(runbook),
    "",
    ...runbook.prerequisites.map((item) => `prerequisite ${item.line} ${item.text}`),
    ...runbook.checklist.flatMap((group) =>
      group.gates.map((gate) => `gate ${gate.line} ${gate.id}${gate.checked ? " checked" : ""}`),
    ),
    ...runbook.phases.flatMap((phase) => procedure(`phase ${phase.number ?? "-"}`, phase)),
    ...(immediate === undefined ? [] : procedure("immediate", immediate)),
    ...(gradual === undefined ? [] : procedure("gradual", gradual)),
    ...other.flatMap((one) => procedure("other", one)),
    ...runbook.metrics.map((metric) => `metric ${metric.line} ${metric.kind}: ${metric.text}`),
    ...runbook.thresholds.map(
      ({ text, line, column: _column, ...rule }) => `threshold ${line} ${JSON.stringify(rule)} ${text}`,
    ),
    ...runbook.issues.flatMap((one) => procedure("issue", one)),
    ...runbook.emergencies.flatMap((one) => [
      `emergency "${one.title}"`,
      ...one.steps.map((line) => `  ${line.line} ${line.id} (${line.commands.length})`),
    ]),
    ...runbook.contacts.map((contact) => `contact ${contact.line} ${contact.role}: ${contact.addresses.join(", ")}`),
    ...runbook.escalation.map((item) => `escalation ${item.line} ${item.text}`),
    ...runbook.compliance.map((item) => `compliance ${item.line} ${item.text}`),
    ...runbook.postDeployment.flatMap((group) =>
      group.items.map((item) => `afterwards ${item.line} ${group.title}: ${item.text}`),
    ),
    ...runbook.windows.map(
      ({ text: _text, line, column: _column, ...rule }) => `window ${line} ${JSON.stringify(rule)}`,
    ),
    ...diagnostics.map((one) => `${one.severity} ${one.code} ${one.line}:${one.column}-${one.endColumn}`),
  ];
  return `${lines.join("\n")}\n`;
}

describe("runbooks of other teams", () => {
  for (const file of globSync("*.md", { cwd: FOLDER }).toSorted()) {
    it(`${file} compiles, and holds what it says`, () => {
      const { runbook, diagnostics } = parseRunbook(readFileSync(path.join(FOLDER, file), "utf8"), file);
      assert.ok(!hasErrors(diagnostics), JSON.stringify(diagnostics, null, 1));
      golden(path.join(FOLDER, file.replace(/\.md$/, ".expected.txt")), outline(runbook, diagnostics));
    });
  }
});

describe("runbooks that must not run", () => {
  for (const file of globSync("bad/*.md", { cwd: FOLDER }).toSorted()) {
    it(`${file} is refused with reasons`, () => {
      const text = readFileSync(path.join(FOLDER, file), "utf8");
      const { diagnostics } = parseRunbook(text, file);
      assert.ok(hasErrors(diagnostics));
      const rendered = renderDiagnostics(diagnostics, { file, text }, "text");
      golden(path.join(FOLDER, file.replace(/\.md$/, ".expected.txt")), `${rendered}\n`);
    });
  }
});
