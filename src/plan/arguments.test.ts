import assert from "node:assert/strict";
import { test } from "node:test";
import { rawArguments } from "./arguments.ts";

const cases: readonly [string[], object][] = [
  [[], { _: [] }],
  [["payments"], { _: ["payments"] }],
  [["--env", "production"], { _: [], env: "production" }],
  [["--env=production", "x"], { _: ["x"], env: "production" }],
  [["--verify"], { _: [], verify: true }],
  [["--verify", "--to", "3"], { _: [], verify: true, to: "3" }],
  [["--to", "-1"], { _: ["-1"], to: true }],
  [["--", "--env", "x"], { _: ["--env", "x"] }],
  [["--empty="], { _: [], empty: "" }],
];
for (const [words, expected] of cases) {
  test(`rawArguments reads ${JSON.stringify(words)}`, () => {
    assert.deepEqual(rawArguments(words), expected);
  });
}

test("rawArguments refuses an option that is given twice", () => {
  assert.throws(() => rawArguments(["--env", "a", "--env", "b"]), { code: "USAGE" });
});

test("rawArguments is not fooled by names of object members", () => {
  assert.deepEqual(rawArguments(["--constructor", "x"]), { _: [], constructor: "x" });
});
