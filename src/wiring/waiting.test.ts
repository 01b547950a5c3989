import assert from "node:assert/strict";
import { test } from "node:test";
import type { Journal } from "../engine/journal.ts";
import { waitingOf } from "./waiting.ts";

const readOf = (run: object | undefined, status: object | null = null): Journal["read"] =>
  ({ run: () => run, status: () => (status === null ? undefined : { value: status }) }) as unknown as Journal["read"];

const PERMISSION = { stage: "permission", waitingFor: ["approval by CTO"] };

test("a held run waits with its question, and the text says how to answer", () => {
  const question = {
    ask: "signal",
    signal: "s/decision",
    question: { what: "Promote?", choices: ["promote", "rollback"] },
  };
  assert.deepEqual(waitingOf(readOf({ state: "held", endedAt: null, question }), "d-1"), {
    question: "s/decision",
    text: "Promote?\nsunny resolve d-1 --as promote|rollback --reason TEXT",
    severity: "critical",
    isTold: true,
  });
});

test("what the engine asks about a step has not been told to anybody", () => {
  const question = {
    ask: "resolve",
    step: "backup",
    intended: "a backup",
    known: "it began",
    choices: ["done", "retry"],
  };
  const waiting = waitingOf(readOf({ state: "held", endedAt: null, question }), "d-1");
  assert.equal(waiting?.isTold, false);
  assert.match(waiting?.text ?? "", /sunny resolve d-1 --step backup --as done\|retry/);
});

test("a run waits for permission as long as something is missing", () => {
  const running = { state: "running", endedAt: null, question: null };
  assert.equal(waitingOf(readOf(running, PERMISSION), "d-1")?.question, "permission");
  assert.equal(waitingOf(readOf(running, { ...PERMISSION, waitingFor: [] }), "d-1"), null);
  assert.equal(waitingOf(readOf(running, { ...PERMISSION, stage: "phases" }), "d-1"), null);
});

test("a run that is paused, has ended or is unknown waits for nobody", () => {
  assert.equal(waitingOf(readOf({ state: "paused", endedAt: null, question: null }, PERMISSION), "d-1"), null);
  assert.equal(waitingOf(readOf({ state: "done", endedAt: 1, question: null }, PERMISSION), "d-1"), null);
  assert.equal(waitingOf(readOf(undefined), "d-1"), null);
});
