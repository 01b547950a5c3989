import assert from "node:assert/strict";
import { test } from "node:test";
import { probeProblem } from "./turn.ts";

test("an answer without a version is told from one with another version", () => {
  const answer = { ok: true, status: 200, latencyMs: 1, reason: "" } as const;
  assert.equal(probeProblem({ ...answer, version: "2.1.0" }, "2.1.0"), undefined);
  assert.equal(probeProblem({ ...answer, version: null }, null), undefined);
  assert.equal(
    probeProblem({ ...answer, version: "2.0.0" }, "2.1.0"),
    "it answers as version 2.0.0, expected is 2.1.0",
  );
  assert.match(
    probeProblem({ ...answer, version: null }, "2.1.0") ?? "",
    /^its health answer names no version, `health\.versionField` says where; expected is 2\.1\.0$/,
  );
});
