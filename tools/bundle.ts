/**
 * Makes one script of Sunny's modules, which starts in a fraction of the time (`bin/bundled.js` says when it does). `npm ci`
 * calls it at its end. Without a compiler (`--omit=dev`) or a place to write to there is no script, and Sunny starts from
 * its sources; so it says why and never fails an installation.
 */
import path from "node:path";
import process from "node:process";
import { messageOf } from "../src/errors.ts";
import { makeBundle } from "./bundle/make.ts";

try {
  makeBundle(path.resolve(import.meta.dirname, ".."));
} catch (error) {
  console.error(`Sunny starts from its sources, which takes longer: ${messageOf(error)}`);
  process.exitCode = process.argv.includes("--strict") ? 1 : 0;
}
