/**
 * Runs all tests, or those whose path contains one of the arguments: `npm test -- engine`. Unit tests sit beside the
 * code, the others under test/.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import path from "node:path";
import process from "node:process";

const root = path.resolve(import.meta.dirname, "..");
process.chdir(root);
const wanted = process.argv.slice(2);
const files = globSync(["{src,test,examples,bench,tools}/**/*.test.ts"])
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .toSorted();
if (files.length === 0) {
  console.error(`No test file matches ${wanted.join(", ")}.`);
  process.exit(2);
}
// Commands are tested as users start them.
spawnSync(process.execPath, [path.join(import.meta.dirname, "bundle.ts")], { stdio: "inherit" });
const args = ["--disable-warning=ExperimentalWarning", "--test", "--test-timeout=300000", ...files];
const result = spawnSync(process.execPath, args, { stdio: "inherit" });
process.exit(result.status ?? 1);
