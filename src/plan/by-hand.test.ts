import assert from "node:assert/strict";
import { test } from "node:test";
import { httpOperations } from "../operations/http/operations.ts";
import { changesAnything } from "./model.ts";
import { compileText, TEST_OPERATIONS, testSystem } from "./testing.ts";

const RUNBOOK = "# R\n\n## Deployment\n\n```sh\n./scripts/migrate.js\n```\n\n## Windows\n\n- Sunday 01:00-03:00 UTC\n";
const unreachable = { request: () => Promise.reject(new Error("nothing is asked while a plan is made")) };
const [httpCheck] = httpOperations({ http: unreachable });
const operations = new Map([...TEST_OPERATIONS, ["http-check", httpCheck!] as const]);

function byHand(raw: Record<string, unknown>): { changes: readonly string[]; windows: number; wayBack: string | null } {
  const args = httpCheck!.args.parse({ _: ["https://api.sunnypayments.com/cache"], ...raw }) as never;
  const { plan } = compileText(RUNBOOK, { subject: { kind: "run", operation: httpCheck!, args }, operations });
  const step = plan!.phases[0]!.steps[0]!;
  assert.equal(changesAnything(plan!), step.changes.length > 0);
  return { changes: step.changes, windows: plan!.windows.length, wayBack: step.wayBack?.kind ?? null };
}

test("a request by hand counts as a change unless its method only reads", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    assert.deepEqual(byHand({ method }), { changes: [], windows: 0, wayBack: null }, method);
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    assert.deepEqual(byHand({ method }), { changes: ["unknown"], windows: 1, wayBack: "none" }, method);
  }
});

test("a request that changes something is no check of a gate", () => {
  const text = `${RUNBOOK}\n## Checklist\n\n- [ ] Cache is warm\n`;
  const problems = (method: string): string[] => {
    const args = { url: "https://api.sunnypayments.com/cache", method };
    const gates = { "Cache is warm": { kind: "operation" as const, name: "http-check", args } };
    const { diagnostics } = compileText(text, { operations, system: testSystem({ gates }) });
    return diagnostics.filter((one) => one.code === "PL212").map((one) => one.message);
  };
  assert.deepEqual(problems("GET"), []);
  assert.match(problems("POST").join(), /it changes unknown, and a check only looks/);
});
