import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { argumentProblems } from "./argument-problems.ts";
import { optionsOf, rawArguments } from "./arguments.ts";

const args = z.strictObject({
  _: z.array(z.string()).max(0, "takes no arguments but options").default([]),
  version: z.string().min(1),
  seconds: z.coerce.number().positive().optional(),
  force: z.literal(true).optional(),
});

const CASES = [
  [["--version", "2.0.0", "--verison", "x"], "there is no option --verison; did you mean --version?"],
  [[], "--version is missing"],
  [["--version"], "--version lacks its value"],
  [["--version", "2.0.0", "--force=yes"], "--force takes no value: yes"],
  [["--version", "2.0.0", "now"], "now: takes no arguments but options"],
  [["--version", "2.0.0", "--seconds", "soon"], '--seconds cannot be "soon": that is no number'],
] as const;

test("wrong arguments are told as they were written", () => {
  for (const [words, expected] of CASES) {
    const raw = rawArguments(words);
    const parsed = args.safeParse(raw);
    assert.ok(!parsed.success, words.join(" "));
    const told = argumentProblems(parsed.error, raw, optionsOf({ args }));
    assert.equal(told, expected);
    assert.doesNotMatch(told, /Invalid input: expected string, received (boolean|undefined)/);
  }
});
