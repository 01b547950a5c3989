/**
 * The load generator as a process of its own. `--settings FILE` reads `LoadSettings` from a file and runs until its
 * limits or SIGTERM; without it the first line of stdin is the settings and the others are commands, and the end of
 * stdin ends it. Writes `LoadEvent`s to stdout, one a line; the last one is the summary.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { messageOf } from "../../../src/errors.ts";
import { Generator } from "./generator.ts";
import type { LoadCommand, LoadEvent, LoadSettings } from "./protocol.ts";

function emit(event: LoadEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

// Whoever listened is gone: there is nobody left to make traffic for.
process.stdout.on("error", () => process.exit(1));

async function run(settings: LoadSettings, commands?: AsyncIterator<string>): Promise<void> {
  const generator = new Generator(settings, emit);
  process.on("SIGTERM", () => generator.stop());
  if (commands === undefined) process.on("SIGINT", () => generator.stop());
  else void follow(generator, commands);
  emit(await generator.run());
  process.exit(0);
}

async function follow(generator: Generator, commands: AsyncIterator<string>): Promise<void> {
  for (;;) {
    const { value, done } = await commands.next();
    if (done === true) return generator.stop();
    const command = JSON.parse(value) as LoadCommand;
    if (command.do === "stop") generator.stop();
    else if (command.do === "rate") generator.setRate(command.perSecond);
    else emit(generator.summary());
  }
}

async function main(): Promise<void> {
  const at = process.argv.indexOf("--settings");
  const file = at === -1 ? undefined : process.argv[at + 1];
  if (file !== undefined) return run(JSON.parse(readFileSync(file, "utf8")) as LoadSettings);
  // An interrupt from the terminal reaches the whole group; whoever started this decides what it means.
  process.on("SIGINT", () => {});
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) throw new Error("stdin ended before any settings came");
  return run(JSON.parse(first.value) as LoadSettings, lines);
}

try {
  await main();
} catch (error) {
  emit({ event: "error", message: messageOf(error) });
  process.exit(1);
}
