import assert from "node:assert/strict";
import { test } from "node:test";
import { describeDifference } from "./difference-words.ts";
import { differences } from "./differences.ts";
import type { Plan } from "./model.ts";
import { renderChanges } from "./render.ts";
import { compileText, testSystem } from "./testing.ts";

const say = (before: unknown, after: unknown): string[] => differences(before, after).map(describeDifference);

test("differences match list elements by id and say what was and what is", () => {
  const found = say(
    { phases: [{ title: "P", steps: [{ id: "a", args: { env: "x" } }, { id: "b" }] }], same: 1 },
    { phases: [{ title: "P", steps: [{ id: "a", args: { env: "y" } }, { id: "b" }] }], same: 1, extra: true },
  );
  assert.deepEqual(found, ["extra is new: yes", 'step "a": its arguments: env was x, is y']);
});

test("the same steps in another order are a difference", () => {
  const [a, b, c] = [{ id: "a" }, { id: "b" }, { id: "c" }];
  assert.deepEqual(say({ steps: [a, b] }, { steps: [b, a] }), ["the order of the steps was a, b; it is b, a"]);
  assert.deepEqual(
    say({ steps: [a, b] }, { steps: [a, c, b] }),
    ['step "c" is new: id c'],
    "an addition moves nothing",
  );
});

test("differences are empty for equal values whatever the order of their members", () => {
  assert.deepEqual(differences({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }), []);
});

const RUNBOOK = `# Deployment

## Checklist

- [ ] Reviewed
- [ ] Certificates valid

## Deployment

\`\`\`bash
./scripts/migrate.js --env production
./scripts/deploy-production.js
\`\`\`

## Rollback

\`\`\`bash
./scripts/rollback.sh --version <previous-version>
\`\`\`

## Maintenance windows

- Primary: Sunday 01:00-03:00 UTC
`;

function planOf(text: string, more: Parameters<typeof compileText>[1] = {}): Plan {
  const { plan, diagnostics } = compileText(text, more);
  assert.ok(plan, diagnostics.map((one) => one.message).join("; "));
  return plan;
}

const changes = (text: string, more: Parameters<typeof compileText>[1] = {}): string[] =>
  renderChanges(planOf(RUNBOOK), planOf(text, more));

/** Without the line that any other text of the runbook gives, and never with anything of JSON. */
function changesOf(text: string, more: Parameters<typeof compileText>[1] = {}): string[] {
  const [found, rest] = [changes(text, more), "the text of the runbook has changed"];
  for (const line of found) assert.doesNotMatch(line, /[{}[\]]|"\w+":\S/, line);
  return found.filter((line) => !line.startsWith(rest));
}

test("a runbook whose lines only move differs in its text alone", () => {
  const found = changes(RUNBOOK.replace("# Deployment\n", "# Deployment\n\nA word before.\n"));
  assert.equal(found.length, 1);
  assert.match(found[0]!, /^the text of the runbook has changed \([0-9a-f]{12} to [0-9a-f]{12}\)$/);
});

test("what the runbook has more, less or otherwise is said in words", () => {
  const more = RUNBOOK.replace("- [ ] Reviewed\n", "- [ ] Reviewed\n- [ ] Backups current\n");
  assert.deepEqual(changesOf(more), [
    'gate "checklist/backups-current" is new: Backups current (attested by a named person)',
  ]);
  const other = RUNBOOK.replace(
    "- Primary: Sunday 01:00-03:00 UTC",
    "- Primary: Sunday 02:00-03:00 UTC\n- Any time with CTO approval",
  );
  assert.deepEqual(changesOf(other), [
    'maintenance window "Primary": when it opens was 01:00, is 02:00',
    'maintenance window "Primary": its text was Primary: Sunday 01:00-03:00 UTC, is Primary: Sunday 02:00-03:00 UTC',
    'maintenance window "Any time with CTO approval" is new: Any time with CTO approval',
  ]);
  const command = RUNBOOK.replace(
    "./scripts/deploy-production.js\n",
    "./scripts/deploy-production.js\n./tools/warm.sh\n",
  );
  assert.deepEqual(changesOf(command.replace("./tools/warm.sh", "./scripts/verify-ssl.sh")), [
    'step "deployment/verify-ssl" is new: Verify ssl (verify-ssl)',
  ]);
});

test("what the configuration has otherwise is said with its keys", () => {
  const system = testSystem({
    approvals: [{ role: "CTO", count: 1, expiresMs: 3_600_000 }],
    rollout: { ...testSystem().rollout, drainTimeoutMs: 7_000 },
    gates: { Reviewed: { kind: "operation", name: "verify-ssl", args: {} } },
  });
  assert.deepEqual(changesOf(RUNBOOK, { system }), [
    "approval by CTO is new: 1 by CTO",
    'gate "checklist/reviewed": what opens it was attested by a named person, is checked by verify-ssl',
    'gate "checklist/reviewed": its terms: how long an answer counts is gone; it was 24 h',
    "rollout.drainTimeoutMs of the configuration was 1 min, is 7 s",
  ]);
});
