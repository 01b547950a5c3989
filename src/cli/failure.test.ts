import assert from "node:assert/strict";
import { test } from "node:test";
import type { JournalRow, Outcome } from "../engine/rows.ts";
import { REMEDIES } from "../error-remedies.ts";
import type { Json } from "../json.ts";
import { failureOf } from "./failure.ts";

const MESSAGE = "Environment production is occupied by run d-1 since 2026-01-05T20:00:01Z";

function rowsWith(code: string, details: Json): { rowsAfter: () => JournalRow[] } {
  const common = { run: "d-2", op: 3, kind: "occupy", name: "occupy", attempt: 1, actor: "operator", at: 1 } as const;
  const data: Outcome = { result: "failed", error: { code, message: MESSAGE, details } };
  const intent = { ...common, seq: 1, type: "intent", data: {} } as const;
  return { rowsAfter: () => [intent, { ...common, seq: 2, type: "outcome", data: data as unknown as Json }] };
}

test("a run that lost its environment to another at the last moment is told what to do", async () => {
  const found = await failureOf(rowsWith("ENVIRONMENT_OCCUPIED", { run: "d-1" }), "d-2", MESSAGE);
  assert.deepEqual(found, { error: "ENVIRONMENT_OCCUPIED", hint: REMEDIES.ENVIRONMENT_OCCUPIED });
});

test("a remedy that was recorded with the error comes before that of its code", async () => {
  const found = await failureOf(rowsWith("RELEASE_UNSIGNED", { hint: "Ask ci." }), "d-2", `d-2: ${MESSAGE}`);
  assert.deepEqual(found, { error: "RELEASE_UNSIGNED", hint: "Ask ci." });
});

test("the code of a command of the runbook's own has no remedy, and another reason is no error of a step", async () => {
  assert.deepEqual(await failureOf(rowsWith("EACCES", null), "d-2", MESSAGE), { error: "EACCES" });
  assert.equal(await failureOf(rowsWith("STEP_FAILED", null), "d-2", "aborted by operator"), null);
});
