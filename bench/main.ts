/**
 * Runs benchmarks: `npm run bench -- [NAME...] [--json]`; all of them without a name. Each is a folder beside this file
 * whose main.ts exports `run`. The last line of each on stdout is its result as JSON; with --json nothing else is.
 */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { isEnding, undoOnSignals } from "./endings.ts";
import type { BenchResult, RunBench } from "./shape.ts";

const here = import.meta.dirname;
const known = readdirSync(here)
  .filter((name) => existsSync(path.join(here, name, "main.ts")))
  .toSorted();
const json = process.argv.includes("--json");
const names = process.argv.slice(2).filter((arg) => !arg.startsWith("--"));
const strange = [
  ...names.filter((name) => !known.includes(name)),
  ...process.argv.slice(2).filter((arg) => arg.startsWith("--") && arg !== "--json"),
];
if (strange.length > 0) {
  process.stderr.write(`No such benchmark: ${strange.join(", ")}. Known: ${known.join(", ")}.\n`);
  process.exit(2);
}

undoOnSignals();
let missed = false;
for (const name of names.length > 0 ? names : known) {
  const { run } = (await import(`./${name}/main.ts`)) as { run: RunBench };
  const result = await run({ json, log: (line) => void process.stderr.write(`${line}\n`) }).catch(unlessEnding);
  if (!json) process.stdout.write(`${table(result)}\n`);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  if (result.bars?.some((bar) => !bar.met) === true) missed = true;
}
process.exitCode = missed ? 1 : 0;

/** What fails because of a signal is not told: the program ends once everything is undone. */
function unlessEnding(error: unknown): Promise<never> {
  if (!isEnding()) throw error;
  return new Promise(() => {});
}

function table(result: BenchResult): string {
  const lines = [`\n${result.bench}`];
  for (const row of result.rows) {
    const settings = (row["settings"] ?? {}) as Readonly<Record<string, string>>;
    const peers = Object.entries(row.peers).map(([peer, value]) => {
      const ratio = row.ratio[peer];
      const how = settings[peer] === undefined ? "" : ` at ${settings[peer]}`;
      return `${peer}${how} ${short(value)}${ratio === undefined ? "" : ` (×${short(ratio)})`}`;
    });
    lines.push(`  ${row.case}: ${short(row.ours)} ${row.unit}${peers.length === 0 ? "" : `; ${peers.join(", ")}`}`);
  }
  for (const { bar, value, met } of result.bars ?? [])
    lines.push(`  ${met ? "met   " : "MISSED"} ${bar}: ${short(value)}`);
  if ((result.missing ?? []).length > 0) lines.push(`  not installed: ${result.missing!.join(", ")}`);
  return lines.join("\n");
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
