import assert from "node:assert/strict";
import { test } from "node:test";
import { chart, sparkline } from "./chart.ts";

test("a sparkline shows each value in eighths, gaps as dots", () => {
  assert.equal(sparkline([0, 1, 2, 4, null, 8, 16], { top: 8 }), " ▁▂▄·██");
  assert.equal(sparkline([]), "");
  assert.equal(sparkline([null, 0]), "· ");
});

test("a long history is thinned by the worst of each stretch", () => {
  const values = Array.from({ length: 100 }, (_, i) => (i === 37 ? 8 : 1));
  assert.equal(sparkline(values, { width: 10, top: 8 }), "▁▁▁█▁▁▁▁▁▁");
});

test("a chart has an axis, the limit and the values around it", () => {
  const drawn = chart([0, 0.005, 0.01, 0.02, null, 0.03], {
    height: 4,
    limit: 0.01,
    format: (value) => `${(value * 100).toFixed(1)} %`,
  });
  assert.equal(drawn, ["3.1 % │     ▆", "      │   ▄ █", "1.0 % ┤╌╌▂█╌█", "0.0 % │ ▅██·█"].join("\n"));
});

test("a chart of nothing is an empty one", () => {
  assert.equal(chart([null, null], { height: 2 }), "1 │\n0 │··");
});
