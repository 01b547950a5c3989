import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "./random.ts";
import { pastHour } from "./simulate.ts";
import { scenarios } from "./scenario.ts";
import { medianOf, quantileOf, upperBound } from "./statistics.ts";

test("medians and quantiles are order statistics", () => {
  assert.equal(medianOf([3, 1, 2]), 2);
  assert.equal(medianOf([4, 1, 2, 3]), 2.5);
  assert.equal(quantileOf([5, 1, 4, 2, 3], 0.8), 4);
  assert.equal(quantileOf([1, Infinity], 0.95), Infinity);
});

test("the upper bound of no hit in 2,000 runs is 0.15 %", () => {
  assert.ok(Math.abs(upperBound(0, 2000) - (1 - 0.05 ** (1 / 2000))) < 1e-9);
  // Clopper–Pearson for 10 of 2,000, one-sided 95 %, from tables of the beta distribution.
  assert.ok(Math.abs(upperBound(10, 2000) - 0.00846) < 2e-5);
  assert.equal(upperBound(5, 5), 1);
});

test("random numbers have the means and spreads that they should", () => {
  const source = random(7);
  const n = 40_000;
  const moments = (draw: () => number): [number, number] => {
    const values = Array.from({ length: n }, draw);
    const mean = values.reduce((a, b) => a + b) / n;
    return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n];
  };
  const near = ([mean, variance]: [number, number], m: number, v: number): void => {
    assert.ok(Math.abs(mean - m) < 5 * Math.sqrt(v / n), `mean ${mean}, not ${m}`);
    assert.ok(Math.abs(variance - v) < 0.08 * v, `variance ${variance}, not ${v}`);
  };
  near(
    moments(() => source.poisson(0.5)),
    0.5,
    0.5,
  );
  near(
    moments(() => source.poisson(400)),
    400,
    400,
  );
  near(
    moments(() => source.binomial(20, 0.1)),
    2,
    1.8,
  );
  near(
    moments(() => source.binomial(10_000, 0.9)),
    9000,
    900,
  );
  near(
    moments(() => source.geometric(5)),
    5,
    20,
  );
  near(
    moments(() => source.normal()),
    0,
    1,
  );
});

test("every kind of healthy traffic has the errors that it says, clusters included", () => {
  for (const { name, traffic } of scenarios().filter(
    (one) => one.trouble === null && one.traffic.outages === undefined,
  )) {
    let requests = 0;
    let errors = 0;
    for (let i = 0; i < 4; i++) {
      for (const second of pastHour(traffic, random(11 + i))) {
        requests += second.requests;
        errors += second.errors;
      }
    }
    // Clusters spread by their size, the day by its swing.
    const swing = traffic.diurnal === undefined ? 1 : 1 + traffic.diurnal ** 2 / 2;
    const spread = Math.sqrt(requests * traffic.errors * 2 * (traffic.cluster?.size ?? 1));
    const expected = requests * traffic.errors * swing;
    assert.ok(Math.abs(errors - expected) < 5 * spread + 0.02 * expected, `${name}: ${errors} errors, not ${expected}`);
  }
});

test("the scenarios have names of their own, and each bad one a healthy twin", () => {
  const all = scenarios();
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const one of all) assert.equal(all.find(({ name }) => name === one.twin)?.trouble, null);
});
