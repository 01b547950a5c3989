import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "../clock.ts";
import type { PreparePorts } from "../deployment/prepare.ts";
import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";

import { TEST_OPERATIONS, testRelease, testSystem } from "../plan/testing.ts";
import type { CliContext } from "./context.ts";
import { makePlan } from "./make-plan.ts";
import { readRunbook, runbookOf } from "./read-runbook.ts";
import { createOutput } from "./output.ts";

const RUNBOOK = `# Deployment

## Deployment

### 1. Look

\`\`\`bash
./scripts/verify-ssl.sh
\`\`\`

## Version control

- **Version:** 2.1.0
`;

interface Scene {
  readonly context: CliContext;
  readonly sunny: Sunny;
  readonly directory: string;
  readonly asked: string[];
  readonly shown: { stdout: string; stderr: string };
}

function scene(t: TestContext, { text = RUNBOOK, json = false, active = testRelease("2.0.0") } = {}): Scene {
  const directory = mkdtempSync(path.join(tmpdir(), "sunny-make-plan-"));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(path.join(directory, "RUNBOOK.md"), text);
  const shown = { stdout: "", stderr: "" };
  const output = createOutput({
    json,
    clock: systemClock,
    stdout: { write: (more) => (shown.stdout += more) },
    stderr: { write: (more) => (shown.stderr += more) },
  });
  const asked: string[] = [];
  const findRelease: PreparePorts["findRelease"] = (version) => {
    asked.push(version);
    if (version === "9.9.9") throw new SunnyError("RELEASE_NOT_FOUND", "There is no release 9.9.9");
    return Promise.resolve(testRelease(version));
  };
  const prepare: PreparePorts = {
    operations: TEST_OPERATIONS,
    findRelease,
    findTarget: findRelease,
    activeRelease: () => Promise.resolve(active),
    observe: () => Promise.resolve(null),
    resolveScripts: () =>
      Promise.resolve(
        new Map([
          [
            "./scripts/verify-ssl.sh",
            { file: "/r/verify-ssl.sh", found: "built in", sha256: "0".repeat(64), operation: "verify-ssl" },
          ],
        ]),
      ),
    watched: () => Promise.resolve({ rules: [], metrics: null, diagnostics: [] }),
    defaultGate: () => null,
    sunny: "0.0.0",
    workflow: { name: "deployment", version: 1 },
  };
  const system = testSystem({ runbook: path.join(directory, "RUNBOOK.md") });
  return {
    context: { output, cwd: directory, actor: "operator", color: false } as unknown as CliContext,
    sunny: { system, prepare: () => Promise.resolve(prepare) } as unknown as Sunny,
    directory,
    asked,
    shown,
  };
}

test("without an option the release is the one that the runbook is for", async (t) => {
  const { context, sunny, asked } = scene(t);
  const plan = await makePlan(context, sunny, { reason: "monthly" });
  assert.deepEqual([plan.release?.version, plan.previous?.version], ["2.1.0", "2.0.0"]);
  assert.deepEqual([plan.author, plan.reason, asked], ["operator", "monthly", ["2.1.0"]]);
});

test("an option names another release, and a runbook without a version needs one", async (t) => {
  const without = scene(t, { text: RUNBOOK.replace("- **Version:** 2.1.0", "") });
  const plan = await makePlan(without.context, without.sunny, { release: "2.2.0" });
  assert.equal(plan.release?.version, "2.2.0");
  await assert.rejects(makePlan(without.context, without.sunny, {}), { code: "USAGE", message: /No release is named/ });
  await assert.rejects(makePlan(without.context, without.sunny, { release: "9.9.9" }), { code: "RELEASE_NOT_FOUND" });
});

test("another runbook than the configured one is looked for from where the person stands, and is what is planned", async (t) => {
  const { context, sunny, directory } = scene(t);
  writeFileSync(path.join(directory, "other.md"), RUNBOOK.replace("# Deployment", "# Another"));
  const read = await runbookOf(context, sunny, { runbook: "other.md" });
  assert.equal(read.runbook.file, path.join(directory, "other.md"));
  const plan = await makePlan(context, sunny, { runbook: "other.md" });
  assert.equal(plan.runbook?.file, path.join(directory, "other.md"));
  assert.equal(plan.system.runbook, path.join(directory, "other.md"));
});

test("a runbook that cannot be read is named with the reason", async () => {
  await assert.rejects(readRunbook("/nowhere/RUNBOOK.md", "RUNBOOK.md"), {
    code: "FILE_UNREADABLE",
    message: /ENOENT/,
    place: { file: "RUNBOOK.md" },
  });
});

const BROKEN = RUNBOOK.replace("verify-ssl.sh", "verify-sll.sh");

test("what is wrong refuses the plan, and people see where", async (t) => {
  const { context, sunny, shown } = scene(t, { text: BROKEN });
  await assert.rejects(makePlan(context, sunny, {}), { code: "RUNBOOK_INVALID" });
  assert.match(shown.stderr, /error\[PL201\][\s\S]*RUNBOOK\.md:8/);
  assert.equal(shown.stdout, "");
});

test("with --json what is wrong comes as events, and nothing as text", async (t) => {
  const { context, sunny, shown } = scene(t, { text: BROKEN, json: true });
  await assert.rejects(makePlan(context, sunny, {}), { code: "RUNBOOK_INVALID" });
  const events = shown.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.ok(events.every((event) => event["event"] === "diagnostic"));
  assert.ok(events.some((event) => event["code"] === "PL201" && event["line"] === 8));
  assert.equal(shown.stderr, "");
});

test("a plan within a running step says of which", async (t) => {
  const { context, sunny } = scene(t);
  const within = { run: "d-1", step: "tasks", digest: "sha256:0" };
  const called = { ...context, within: { plan: within } } as unknown as CliContext;
  assert.deepEqual((await makePlan(called, sunny, {})).within, within);
  assert.equal("within" in (await makePlan(context, sunny, {})), false);
});
