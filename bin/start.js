// Plain JavaScript, since the first file cannot come from the cache that it turns on: were it TypeScript, the compiler
// would be loaded for it at every start. The cache lies in the clone, where nobody else can put code into it.
import { enableCompileCache } from "node:module";
import path from "node:path";
import { openBundle } from "./bundled.js";

const { argv, env } = globalThis.process;
const root = path.join(import.meta.dirname, "..");
const args = argv.slice(2);
enableCompileCache(path.join(root, "node_modules/.cache/compile"));
const bundle = env["SUNNY_FROM_SOURCES"] === "1" ? undefined : openBundle(root, args);
if (bundle === undefined) {
  await import("./sources.js");
} else {
  globalThis.process.exitCode = await bundle.entry.runCli(args);
  bundle.keep();
}
