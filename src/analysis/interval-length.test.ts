import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseInterval, neighbourCorrelation } from "./interval-length.ts";
import type { PastInterval } from "./metrics.ts";

/** An hour in seconds; `errorsAt` says how many errors each second had. */
function hour(errorsAt: (second: number) => number, requests = 100): PastInterval[] {
  return Array.from({ length: 3600 }, (_, second) => ({ requests, errors: errorsAt(second) }));
}

/** A fixed sequence of numbers in [0, 1) that looks random. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("errors that fall singly allow intervals of a second", () => {
  const random = noise(1);
  assert.equal(chooseInterval(hour(() => (random() < 0.1 ? 1 : 0))).intervalMs, 1000);
});

test("errors that last half a minute need the longest interval", () => {
  const random = noise(3);
  let until = -1;
  const past = hour((second) => {
    if (random() < 1 / 100) until = second + 30;
    return second < until ? 1 : 0;
  });
  assert.equal(chooseInterval(past).intervalMs, 60_000);
});

test("errors that last three seconds need longer intervals than a second, not the longest", () => {
  const random = noise(5);
  let until = -1;
  const past = hour((second) => {
    if (random() < 1 / 60) until = second + 3;
    return second < until ? 1 : 0;
  });
  const { intervalMs } = chooseInterval(past);
  assert.ok(intervalMs >= 4000 && intervalMs <= 32_000, `${intervalMs}`);
});

test("without a past, or with one of too few errors, intervals last ten seconds", () => {
  assert.equal(chooseInterval(null).intervalMs, 10_000);
  assert.equal(chooseInterval(hour((second) => (second % 200 === 0 ? 1 : 0))).intervalMs, 10_000);
  assert.equal(chooseInterval([]).intervalMs, 10_000);
});

test("a canary that gets few requests asks for longer intervals", () => {
  const random = noise(1);
  const past = hour(() => (random() < 0.1 ? 1 : 0));
  assert.equal(chooseInterval(past, { canaryRate: 0.5 }).intervalMs, 4000);
  assert.equal(chooseInterval(past, { canaryRate: 10 }).intervalMs, 1000);
  assert.equal(chooseInterval(past, { canaryRate: 0.001 }).intervalMs, 60_000);
});

test("intervals are no shorter than those of the past and of the source", () => {
  const random = noise(1);
  const past = Array.from({ length: 240 }, () => ({ requests: 1500, errors: random() < 0.8 ? 1 : 0 }));
  assert.equal(chooseInterval(past, { pastSeconds: 15 }).intervalMs, 15_000);
  assert.equal(chooseInterval(null, { sourceSeconds: 30 }).intervalMs, 30_000);
  assert.match(chooseInterval(null, { sourceSeconds: 30 }).reason, /source has new figures only so often/);
});

test("a busy hour is no cluster of errors", () => {
  const random = noise(7);
  const busy = Array.from({ length: 3600 }, (_, i) => {
    const requests = 1000 + Math.round(900 * Math.sin(i / 600));
    return { requests, errors: Math.round((requests / 100) * (0.5 + random())) };
  });
  assert.ok(Math.abs(neighbourCorrelation(busy)) < 0.05);
  assert.equal(chooseInterval(busy).intervalMs, 1000);
  assert.equal(neighbourCorrelation([]), 0);
});

test("an error rate that drifts over the hour is no cluster of errors", () => {
  const random = noise(9);
  const drifting = hour((second) => (random() < 0.2 + 0.15 * Math.sin(second / 573) ? 1 : 0));
  assert.equal(chooseInterval(drifting).intervalMs, 1000);
});
