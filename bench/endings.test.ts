import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import process from "node:process";
import { it } from "node:test";
import { pathToFileURL } from "node:url";
import { undoAtEnd } from "./endings.ts";

it("undoes what a benchmark began, the newest first, when a signal ends it", async () => {
  const source = pathToFileURL(path.join(import.meta.dirname, "endings.ts")).href;
  const program = `
    import { undoAtEnd, undoOnSignals } from ${JSON.stringify(source)};
    undoOnSignals();
    undoAtEnd(async () => { await null; console.log("first"); });
    undoAtEnd(() => { throw new Error("cannot be undone"); });
    const early = undoAtEnd(() => console.log("early"));
    await early();
    undoAtEnd(() => console.log("last"));
    setInterval(() => {}, 1000);
    console.log("begun");
  `;
  const argv = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.endsWith("begun\n")) child.kill("SIGTERM");
  });
  const [status] = (await once(child, "close")) as [number];
  assert.deepEqual([status, output], [143, "early\nbegun\nlast\nfirst\n"]);
});

it("undoes once, whoever asks", async () => {
  let times = 0;
  const undo = undoAtEnd(() => void times++);
  await Promise.all([undo(), undo()]);
  assert.equal(times, 1);
});
