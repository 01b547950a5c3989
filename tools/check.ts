/**
 * Everything that can be checked without starting a server: types, lint, format, tidiness and unit tests. `--static`
 * leaves the tests out, for those who run them all afterwards.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";
import process from "node:process";

process.chdir(path.resolve(import.meta.dirname, ".."));
const bin = (name: string): string => path.join("node_modules", ".bin", name);
const steps: [string, string, string[]][] = [
  ["types", process.execPath, [path.join("node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.json"]],
  ["lint", process.execPath, [bin("oxlint"), "--type-aware", "--deny-warnings"]],
  ["format", process.execPath, [bin("oxfmt"), "--check"]],
  ["generated pages", process.execPath, ["tools/docs.ts", "--check"]],
  ["unit tests", process.execPath, ["tools/test.ts", "src/", "test/tidy"]],
];
const chosen = process.argv.includes("--static") ? steps.filter(([name]) => name !== "unit tests") : steps;
let failed = false;
for (const [name, command, args] of chosen) {
  console.log(`== ${name}`);
  if (spawnSync(command, args, { stdio: "inherit" }).status !== 0) failed = true;
}
process.exit(failed ? 1 : 0);
