import assert from "node:assert/strict";
import { test } from "node:test";
import { isDenied } from "./deny.ts";

const DENIED = ["/metrics", "/internal/debug"];

test("a denied path is denied however it is written", () => {
  const targets = [
    "/metrics",
    "/metrics/",
    "/metrics?x=1",
    "/metrics/process",
    "//metrics",
    "/./metrics",
    "/a/../metrics",
    "/a/%2e%2e/metrics",
    "/%6detrics",
    "/%256detrics",
    "/METRICS",
    "/metrics;v=1",
    "/metrics#top",
    "/%2fmetrics",
    "\\metrics",
    "http://api.example.com/metrics",
    "https://api.example.com:8443//metrics?x",
    "/internal/debug",
    "/internal//debug/pprof",
  ];
  for (const target of targets) assert.equal(isDenied(DENIED, target), true, target);
});

test("other paths are not", () => {
  const targets = [
    "/",
    "/metricsx",
    "/x/metrics",
    "/internal",
    "/internal/debugger",
    "/pay?next=/metrics",
    "/metrics/../pay",
    "*",
    "/%zz",
    "",
    undefined,
  ];
  for (const target of targets) assert.equal(isDenied(DENIED, target), false, String(target));
});

test("nothing is denied without a list", () => {
  assert.equal(isDenied([], "/metrics"), false);
});
