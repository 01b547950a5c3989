import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseCuts } from "./cuts.ts";

const edges = [0.05, 0.1, 0.11, 0.25, 0.5, 1];

test("cuts lie at the edges nearest to the baseline's percentiles, the baseline's a tenth lower or the next edge below", () => {
  const cuts = chooseCuts({ edges, counts: [100, 500, 520, 900, 990, 999], total: 1000 });
  assert.deepEqual(cuts, [
    { canarySeconds: 0.1, baselineSeconds: 0.05 },
    { canarySeconds: 0.25, baselineSeconds: 0.11 },
    { canarySeconds: 0.5, baselineSeconds: 0.25 },
  ]);
});

test("a tolerance of exactly one edge is used in full", () => {
  const cuts = chooseCuts({ edges: [0.1, 0.11, 1], counts: [400, 500, 999], total: 1000 });
  assert.deepEqual(cuts[0], { canarySeconds: 0.11, baselineSeconds: 0.1 });
});

test("an empty histogram, or one that holds everything in one bucket, gives no cut", () => {
  assert.deepEqual(chooseCuts({ edges, counts: [0, 0, 0, 0, 0, 0], total: 0 }), []);
  assert.deepEqual(chooseCuts({ edges, counts: [9, 9, 9, 9, 9, 9], total: 9 }), []);
  assert.deepEqual(chooseCuts({ edges: [], counts: [], total: 5 }), []);
});
