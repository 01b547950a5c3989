#!/usr/bin/env node
import process from "node:process";
import { VERSION } from "../src/version.ts";

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  // Nothing is loaded for it: scripts ask for the version often.
  process.stdout.write(`${VERSION}\n`);
} else {
  const { runCli } = await import("../src/cli/program.ts");
  process.exitCode = await runCli(args);
}
