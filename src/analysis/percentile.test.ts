import assert from "node:assert/strict";
import { test } from "node:test";
import { percentileOf, sumOf } from "./percentile.ts";

const counts = { edges: [0.1, 0.2, 0.5], counts: [50, 90, 100], total: 100 };

test("a percentile lies evenly within its bucket", () => {
  assert.equal(percentileOf(counts, 25), 0.05);
  assert.equal(percentileOf(counts, 70), 0.15000000000000002);
  assert.equal(percentileOf(counts, 95), 0.35);
});

test("a percentile beyond the last edge is that edge, and one of nothing is unknown", () => {
  assert.equal(percentileOf({ ...counts, total: 200 }, 95), 0.5);
  assert.equal(percentileOf({ edges: [0.1, Infinity], counts: [1, 100], total: 100 }, 95), 0.1);
  assert.equal(percentileOf({ edges: [0.1], counts: [0], total: 0 }, 95), null);
  assert.equal(percentileOf({ edges: [], counts: [], total: 5 }, 95), null);
});

test("histograms with other edges are not added up", () => {
  assert.deepEqual(sumOf([counts, counts]), { edges: [0.1, 0.2, 0.5], counts: [100, 180, 200], total: 200 });
  assert.equal(sumOf([counts, { edges: [0.1, 0.5], counts: [1, 1], total: 1 }]), null);
  assert.equal(sumOf([]), null);
});
