import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMigrations } from "./migrations.ts";

const RELEASE = { version: "2.1.0" };
const parse = (files: Record<string, string>): ReturnType<typeof parseMigrations> =>
  parseMigrations(new Map(Object.entries(files)), RELEASE);

test("migrations are read in the order of their numbers, with their way back", () => {
  const found = parse({
    "0010_ten.up.sql": "CREATE TABLE ten (x);",
    "0002_two.down.sql": "DROP TABLE two;",
    "0002_two.up.sql": "CREATE TABLE two (x);",
    "0003_three.up.sql": "-- Sunny: irreversible\nDROP TABLE one;",
    "README.md": "about",
  });
  assert.deepEqual(
    found.map(({ id, down }) => [id, down]),
    [
      ["0002_two", "DROP TABLE two;"],
      ["0003_three", null],
      ["0010_ten", null],
    ],
  );
  assert.match(found[0]?.checksum ?? "", /^[0-9a-f]{64}$/);
});

for (const [what, files, message] of [
  ["a name that is no migration's", { "add-index.sql": "x" }, /add-index\.sql is not named NNNN_name\.up\.sql/],
  ["one number twice", { "0001_a.up.sql": "x", "0001_b.up.sql": "x" }, /0001_a and 0001_b have the same number/],
  ["a way back from nothing", { "0001_a.down.sql": "x" }, /0001_a\.down\.sql takes back nothing/],
  ["an empty file", { "0001_a.up.sql": " \n" }, /0001_a\.up\.sql is empty/],
  [
    "a way back of what has none",
    { "0001_a.up.sql": "-- sunny: irreversible\nx", "0001_a.down.sql": "y" },
    /0001_a says that it is irreversible and has a down file/,
  ],
] as const) {
  test(`${what} is refused by name`, () => {
    assert.throws(() => parse(files), { code: "MIGRATIONS_INVALID", message });
  });
}
