import assert from "node:assert/strict";
import { test } from "node:test";
import { lineOf } from "./line-of.ts";

const TEXT = `export default {
  hosts: [ // "one", two [
    { name: "a,]", ports: [1, 2] }, /* , */
    { "name": 'b' },
    other,
    { name: "c" },
  ],
  gates: all,
};`;

test("the line of a key in a list is that of its own element", () => {
  assert.deepEqual(
    [0, 1, 3].map((index) => lineOf(TEXT, ["hosts", index, "name"])),
    [3, 4, 6],
  );
  assert.equal(lineOf(TEXT, ["hosts", 2]), 5);
});

test("what is not written out is told by the last key that is", () => {
  assert.equal(lineOf(TEXT, ["hosts", 9, "name"]), 2);
  assert.equal(lineOf(TEXT, ["gates", 0, "kind"]), 8);
  assert.equal(lineOf(TEXT, ["nowhere"]), undefined);
});
