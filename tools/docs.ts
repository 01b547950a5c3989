/**
 * Writes the pages of docs/reference that follow from the code: `bin/node tools/docs.ts`. With --check nothing is
 * written, and the exit status is 1 when a page is out of date.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { ERROR_CODES } from "../src/error-codes.ts";
import { remedyFor } from "../src/error-remedies.ts";
import { diagnosticsPage, withHeadingTable } from "../src/runbook/reference.ts";
import { systemSchema } from "../src/system/schema.ts";
import { withVerbs } from "./cli-page.ts";
import { configPage } from "./config-page.ts";

const ROOT = path.resolve(import.meta.dirname, "..");

/** docs/reference/errors.md, from the source of src/error-codes.ts: its headings group the codes. */
export function errorsPage(source: string): string {
  const lines = [
    "# Errors",
    "",
    "Every error of Sunny has a code that does not change. Scripts may rely on the code; the words after it may get",
    'better. With `--json` an error is an event: `{"event":"error","at","code","message","hint","place","details"}`.',
    "",
    "An error that knows better what to do says that instead.",
    "",
    "This page is generated from `src/error-codes.ts` and `src/error-remedies.ts` by `tools/docs.ts`.",
  ];
  for (const line of source.split("\n")) {
    const heading = /^ {2}\/\/ (\S.*)$/.exec(line)?.[1];
    if (heading !== undefined) lines.push("", `## ${heading}`, "", "| code | meaning | what to do |", "|---|---|---|");
    const code = /^ {2}([A-Z][A-Z0-9_]*):/.exec(line)?.[1];
    if (code !== undefined)
      lines.push(`| \`${code}\` | ${escapeCell(meaningOf(code))} | ${escapeCell(remedyFor(code) ?? "")} |`);
  }
  return `${lines.join("\n")}\n`;
}

function meaningOf(code: string): string {
  return (ERROR_CODES as Readonly<Record<string, string>>)[code] ?? "";
}

function escapeCell(text: string): string {
  return text.replaceAll("|", String.raw`\|`).replaceAll("<", "&lt;");
}

/** Every generated page by its path in the project. */
async function pages(): Promise<Record<string, string>> {
  const read = (name: string): string => readFileSync(path.join(ROOT, name), "utf8");
  return {
    "docs/reference/errors.md": errorsPage(read("src/error-codes.ts")),
    "docs/reference/cli.md": await withVerbs(read("docs/reference/cli.md")),
    "docs/reference/config.md": configPage(systemSchema, read("src/system/schema.ts")),
    "docs/reference/diagnostics.md": diagnosticsPage(),
    "docs/reference/runbook.md": withHeadingTable(read("docs/reference/runbook.md")),
  };
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  for (const [name, text] of Object.entries(await pages())) {
    const file = path.join(ROOT, name);
    if (existsSync(file) && readFileSync(file, "utf8") === text) continue;
    console.log(check ? `${name} is out of date: run bin/node tools/docs.ts` : `wrote ${name}`);
    if (check) process.exitCode = 1;
    else writeFileSync(file, text);
  }
}
