import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessRequest, ProcessResult, ProcessRunner } from "../operations/subprocess/ports.ts";
import type { Plan, PlanGate } from "../plan/model.ts";
import { commandGate } from "./command-gate.ts";

const GATE: PlanGate = {
  id: "checklist/tests",
  group: "Checklist",
  text: "Tests pass",
  line: 3,
  binding: { kind: "command", argv: ["npm", "test", "--", "a b"], timeoutMs: 5_000 },
};
const PLAN = { runbook: { file: "/team/RUNBOOK.md" } } as unknown as Plan;

function gate(result: Partial<ProcessResult>, requests: ProcessRequest[] = [], log: string[] = []) {
  const processes: ProcessRunner = {
    run: (request) => {
      requests.push(request);
      request.onOutput?.("hello\n", "stdout");
      return Promise.resolve({ status: 0, signal: null, ended: null, stdout: "", stderr: "", ...result });
    },
  };
  const { signal } = new AbortController();
  return commandGate(GATE, PLAN, processes, { PATH: "/bin" }, (text) => log.push(text), signal);
}

test("a gate passes when its command does, with the last line as evidence", async () => {
  const requests: ProcessRequest[] = [];
  const log: string[] = [];
  const outcome = await gate({ stdout: "1 test\nall of them pass\n" }, requests, log);
  assert.deepEqual(outcome, {
    id: "checklist/tests",
    text: "Tests pass",
    state: "passed",
    by: "npm test -- a b",
    evidence: "exit status 0: all of them pass",
  });
  const [request] = requests;
  assert.deepEqual(request?.argv, ["npm", "test", "--", "a b"], "no shell takes the words apart");
  assert.deepEqual([request?.cwd, request?.env, request?.deadlineMs], ["/team", { PATH: "/bin" }, 5_000]);
  assert.equal(request?.scope, undefined, "a check gets no scope: nothing may be changed by it");
  assert.deepEqual(log, ["hello\n"]);
});

const failures: [string, Partial<ProcessResult>, RegExp][] = [
  ["an error status", { status: 2, stderr: "2 tests fail\n" }, /^exit status 2: 2 tests fail$/],
  ["a signal", { status: null, signal: "SIGSEGV" }, /^exit status SIGSEGV$/],
  ["its deadline", { status: null, signal: "SIGTERM", ended: "deadline" }, /^ended at its deadline$/],
  ["much to say", { status: 1, stdout: "x".repeat(1_000) }, /^exit status 1: x{300}$/],
];
for (const [what, result, evidence] of failures) {
  test(`a gate fails on ${what}, and says so`, async () => {
    const outcome = await gate(result);
    assert.equal(outcome.state, "failed");
    assert.match(outcome.evidence, evidence);
  });
}
