import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import process from "node:process";
import test from "node:test";
import { demoOptions, releasesToPack } from "./options.ts";

const releases = (...args: string[]): readonly (readonly [string, string])[] =>
  demoOptions(args, "/").releases.map(({ version, variant }) => [version, variant] as const);

test("the demo deploys releases by their own versions, or under the version that is asked for", () => {
  assert.deepEqual(releases(), [
    ["2.1.0", "good"],
    ["2.2.0", "failing"],
  ]);
  assert.deepEqual(releases("--release", "good=2.2.0", "--release", "failing=2.1.0"), [
    ["2.2.0", "good"],
    ["2.1.0", "failing"],
  ]);
});

test("the store holds what is deployed and every other release whose version is free", () => {
  const packed = releasesToPack([{ version: "2.2.0", variant: "good" }]);
  assert.deepEqual(
    packed.map(({ version, variant }) => `${variant}=${version ?? ""}`),
    ["good=2.2.0", "good=2.1.0", "slow=2.3.0", "crashing=2.4.0", "leaking=2.5.0", "exhausting=2.6.0"],
  );
});

test("the demo refuses what it cannot deploy, and says which", () => {
  const cases: readonly [string[], RegExp][] = [
    [["--release", "9.9.9"], /no release 9\.9\.9/],
    [["--release", "better=2.1.0"], /no release better=2\.1\.0/],
    [["--release", "baseline=2.1.0"], /no release baseline=2\.1\.0/],
    [["--release", "good=../2"], /"\.\.\/2" cannot be the version/],
    [["--release", "good=2.0.0"], /"2\.0\.0" cannot be the version/],
    [["--release", "good=2.2.0", "--release", "2.2.0"], /two releases cannot both be 2\.2\.0/],
    [["--rate", "fast"], /--rate fast/],
    [["--runbook", "/nowhere.md"], /no runbook \/nowhere\.md/],
  ];
  for (const [args, message] of cases) assert.throws(() => demoOptions(args, "/"), message);
});

test("with --json the last line is a summary, also when the call is wrong", () => {
  const demo = path.join(import.meta.dirname, "..", "demo.ts");
  const { status, stdout } = spawnSync(process.execPath, [demo, "--json", "--nope"], { encoding: "utf8" });
  assert.equal(status, 2);
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    events.map(({ event, outcome, ok }) => [event, outcome, ok]),
    [
      ["error", undefined, undefined],
      ["summary", "usage", false],
    ],
  );
});
