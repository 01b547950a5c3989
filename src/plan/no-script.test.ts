import assert from "node:assert/strict";
import { test } from "node:test";
import type { Step } from "../runbook/model.ts";
import { noScript } from "./no-script.ts";

const OPERATIONS = [
  { name: "deploy-production", script: "js" },
  { name: "deploy-productions", script: null },
  { name: "rollback", script: "sh" },
] as const;

for (const [path, meant] of [
  ["./scripts/deploy-production.sh", "./scripts/deploy-production.js"],
  ["ops/deploy-prodution.js", "ops/deploy-production.js"],
  ["/opt/bin/rolback.sh", "/opt/bin/rollback.sh"],
  ["./scripts/warm-up-caches.sh", null],
  ["./scripts/rollback.sh", null],
] as const) {
  test(`of a script that is nowhere, ${path}, the one that may have been meant is named: ${meant ?? "none"}`, () => {
    const step = { line: 4, column: 1 } as Step;
    const name = path.slice(path.lastIndexOf("/") + 1, path.lastIndexOf("."));
    const { message } = noScript("RUNBOOK.md", step, { path, name }, OPERATIONS);
    assert.equal(message, `There is no script \`${path}\`${meant === null ? "" : `; did you mean \`${meant}\`?`}`);
  });
}
