/** What a command pays before it does anything is mostly what it loads; a module too many is found here, not by a stopwatch. */
import assert from "node:assert/strict";
import { copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { type DemoSystem, startDemoSystem } from "../support/e2e/demo-system.ts";
import { type Ended, ROOT, start } from "../support/e2e/sunny.ts";

const TRACE = pathToFileURL(path.join(ROOT, "test/support/e2e/loaded-modules.ts")).href;

/** Never needed to look at what is planned or stands: ciphers, clouds, certificates, archives, languages. */
const HEAVY = /node_modules\/(openpgp|@aws-sdk|@smithy|@peculiar|execa|tar|zod\/v4\/locales\/(?!en\.))/;

describe("what a command loads", () => {
  let system: DemoSystem;
  before(async () => {
    system = await startDemoSystem({ releases: [{ variant: "good", version: "2.1.0" }], hosts: 2, rate: 20 });
    copyFileSync(path.join(ROOT, "examples/payments/RUNBOOK.md"), system.runbookFile);
  });
  after(() => system.stop());

  async function loadedBy(args: readonly string[]): Promise<{ readonly ended: Ended; readonly own: string[] }> {
    const file = path.join(system.directory, `loaded-${args[0]}`);
    const env = { NODE_OPTIONS: `--import ${TRACE}`, LOADED_MODULES: file, SUNNY_FROM_SOURCES: "1" };
    const ended = await system.sunny(args, { env });
    const all = readFileSync(file, "utf8").split("\n");
    const own = all.filter((url) => url.startsWith("file:")).map((url) => path.relative(ROOT, new URL(url).pathname));
    assert.deepEqual(
      own.filter((module) => HEAVY.test(module)),
      [],
      `sunny ${args.join(" ")} loads what it does not need`,
    );
    assert.ok(!all.includes("node:process"), "importing it would open standard input");
    return { ended, own };
  }

  /** A little above what each loads today: whoever needs more has a look first at what need not be loaded. */
  const BOUNDS: readonly [string, number, readonly string[]][] = [
    ["plan", 334, ["plan", "--release", "2.1.0"]],
    ["status", 180, ["status"]],
    ["logs", 120, ["logs"]],
    ["lint", 112, ["lint", path.join(ROOT, "examples/payments/RUNBOOK.md")]],
    ["help", 25, ["--help"]],
  ];
  for (const [name, bound, args] of BOUNDS) {
    it(`sunny ${name} loads at most ${bound} modules, and none that is heavy`, async () => {
      const { ended, own } = await loadedBy(args);
      assert.ok(own.length > 10, `the trace shows what was loaded: ${ended.stderr}`);
      assert.ok(own.length <= bound, `it loads ${own.length}:\n${own.join("\n")}`);
    });
  }

  it("a plan of local hosts behind the embedded proxy loads no other transport, balancer or metric source", async () => {
    const { ended, own } = await loadedBy(["plan", "--release", "2.1.0"]);
    assert.equal(ended.status, 0, ended.stderr);
    const others = own.filter((module) =>
      /^src\/adapters\/(ssh|haproxy\/balancer|prometheus|cloudwatch|pgp)\b/.test(module),
    );
    assert.deepEqual(others, []);
    const carriers = own.filter((module) =>
      /^src\/(engine\/execute|deployment\/workflow|wiring\/execution)\.ts$/.test(module),
    );
    assert.deepEqual(carriers, [], "a plan carries nothing out");
  });

  it("a module of Sunny that cannot be loaded is named with its line", async () => {
    const clone = path.join(system.directory, "clone");
    for (const part of ["bin", "src", "package.json"]) {
      cpSync(path.join(ROOT, part), path.join(clone, part), { recursive: true });
    }
    symlinkSync(path.join(ROOT, "node_modules"), path.join(clone, "node_modules"));
    const broken = path.join(clone, "src/runbook/parse.ts");
    const [before = "", after = ""] = readFileSync(broken, "utf8").split(/^(?=export function)/m, 2);
    writeFileSync(broken, `${before}const = 1;\n${after}`);
    const line = before.split("\n").length;
    const { status, stderr } = await start(path.join(clone, "bin/sunny"), ["lint", system.runbookFile]).ended;
    assert.equal(status, 1);
    assert.match(stderr, /^INTERNAL {2}A module of Sunny cannot be loaded: /m);
    assert.match(stderr, new RegExp(`at .*/src/runbook/parse\\.ts:${line}\n {2}\`git status\``));
  });

  it("a configuration may import what is no module of Sunny's kind", async () => {
    const directory = path.join(system.directory, "team");
    mkdirSync(directory);
    writeFileSync(path.join(directory, "package.json"), '{"type":"commonjs"}');
    writeFileSync(
      path.join(directory, "shared.ts"),
      "const file: string = process.argv0;\nmodule.exports = { file };\n",
    );
    const config = readFileSync(system.configFile, "utf8");
    const file = path.join(directory, "sunny.config.mjs");
    writeFileSync(file, `import shared from "./shared.ts";\nvoid shared;\nexport default ${config};\n`);
    const sunny = path.join(ROOT, "bin/sunny");
    const { status, stderr } = await start(sunny, ["--json", "--config", file, "--as", "operator", "status"]).ended;
    assert.equal(status, 0, stderr);
  });
});
