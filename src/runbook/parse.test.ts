import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { hasErrors } from "./diagnostic.ts";
import { allSteps, inOrder } from "./model.ts";
import type { Runbook } from "./model.ts";
import { parseRunbook } from "./parse.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const SEED = path.join(ROOT, "../shared/seeds/000_32263c6c18ea018c.txt");
const OWN = path.join(ROOT, "examples/payments/RUNBOOK.md");

function scriptsOf(runbook: Runbook): string[] {
  const paths = allSteps(runbook).flatMap((step) => (step.command.kind === "script" ? [step.command.path] : []));
  return [...new Set(paths)].toSorted();
}

const SCRIPTS = [
  "analyze-memory.sh",
  "backup-databases.sh",
  "check-db-connection.sh",
  "deploy-production.js",
  "migrate.js",
  "monitor-deployment.sh",
  "renew-ssl.sh",
  "reset-db-connections.sh",
  "restart-service.sh",
  "rollback-db.sh",
  "rollback.sh",
  "security-penetration-test.js",
  "verify-infrastructure.sh",
  "verify-migrations.sh",
  "verify-monitoring.sh",
  "verify-production-readiness.sh",
  "verify-rollback.sh",
  "verify-ssl.sh",
].map((name) => `./scripts/${name}`);

/** What the sample system's runbook holds, in the words of the first team as well as in the project's own. */
function assertComplete(runbook: Runbook): void {
  assert.equal(runbook.version, "2.1.0");
  assert.equal(runbook.lastUpdated, "2025-06-16");
  assert.equal(runbook.author, "DevOps Team");
  assert.equal(runbook.prerequisites.length, 5);
  assert.deepEqual(
    runbook.checklist.map((group) => group.gates.length),
    [4, 4, 4],
  );
  assert.deepEqual(
    runbook.phases.map((phase) => [phase.number, phase.steps.map((step) => step.command.kind).join(" ")]),
    [
      [1, "script script script"],
      [2, "terraform terraform script"],
      [3, "script script"],
      [4, "script script"],
      [5, "http http script"],
    ],
  );
  assert.deepEqual(scriptsOf(runbook), SCRIPTS);
  assert.equal(runbook.rollback.immediate?.steps.length, 3);
  assert.equal(runbook.rollback.gradual?.instructions.length, 4);
  assert.deepEqual(runbook.rollback.other, []);
  assert.deepEqual(
    runbook.metrics.map((metric) => metric.kind),
    ["response-time", "error-rate", "cpu-memory", "db-connections", "queue-length"],
  );
  assert.deepEqual(
    runbook.thresholds.map(({ metric, comparison, value, unit }) => `${metric} ${comparison} ${value} ${unit}`),
    ["response-time > 500 ms", "error-rate > 1 %", "cpu > 80 %", "memory > 85 %"],
  );
  assert.equal(runbook.issues.length, 3);
  assert.deepEqual(
    runbook.emergencies.map((emergency) => emergency.steps.length),
    [5, 5, 4],
  );
  assert.equal(runbook.contacts.length, 3);
  assert.equal(runbook.escalation.length, 4);
  assert.equal(runbook.compliance.length, 4);
  assert.equal(runbook.postDeployment.length, 3);
  assert.deepEqual(
    runbook.windows.map((one) =>
      one.kind === "approval" ? one.role : `${one.days.join()} ${one.start}-${one.end} ${one.zone}`,
    ),
    ["sunday 01:00-03:00 UTC", "wednesday 01:00-03:00 UTC", "CTO"],
  );
}

describe("parseRunbook", () => {
  it("reads the first team's runbook, unchanged", { skip: existsSync(SEED) ? false : "../shared is not here" }, () => {
    const { runbook, diagnostics } = parseRunbook(readFileSync(SEED, "utf8"), "RUNBOOK.md");
    assertComplete(runbook);
    assert.deepEqual(
      diagnostics.map((one) => `${one.severity} ${one.code} ${one.line}:${one.column}`),
      ["warning RB213 85:1", "warning RB213 86:1", "warning RB302 128:6"],
    );
  });

  it("reads the project's own runbook", () => {
    const { runbook, diagnostics } = parseRunbook(readFileSync(OWN, "utf8"), "RUNBOOK.md");
    assertComplete(runbook);
    assert.deepEqual(
      diagnostics.map((one) => one.code),
      ["RB213", "RB213"],
    );
  });

  it("keeps placeholders out of the words that a shell sees", () => {
    const { runbook } = parseRunbook(readFileSync(OWN, "utf8"), "RUNBOOK.md");
    const command = runbook.rollback.immediate?.steps[0]?.command;
    assert.ok(command?.kind === "script");
    assert.deepEqual(command.args, [
      { kind: "literal", value: "--version" },
      {
        kind: "placeholder",
        placeholder: {
          text: "<previous-version>",
          name: "previous-version",
          parameter: "previous-version",
          variable: "SUNNY_PREVIOUS_VERSION",
          line: 99,
          column: 33,
        },
      },
    ]);
  });

  it("marks steps as conditional where the comment above says so", () => {
    const { runbook } = parseRunbook(readFileSync(OWN, "utf8"), "RUNBOOK.md");
    const conditional = allSteps(runbook).flatMap((step) => (step.when === "if-needed" ? [step.id] : []));
    assert.deepEqual(conditional, [
      "infrastructure/apply-infrastructure-changes-if-needed-terraform-plan",
      "infrastructure/apply-infrastructure-changes-if-needed-terraform-apply",
      "immediate-rollback/take-the-schema-back-if-needed",
      "database-connections-run-out/drain-and-refill-the-pool-if-needed",
      "certificate-trouble/order-a-new-certificate-if-needed",
    ]);
  });

  it("gives a digest of the text and the same result for the same text", () => {
    const text = readFileSync(OWN, "utf8");
    const first = parseRunbook(text, "RUNBOOK.md");
    assert.deepEqual(parseRunbook(text, "RUNBOOK.md"), first);
    assert.match(first.runbook.digest, /^sha256:[0-9a-f]{64}$/);
    assert.notEqual(parseRunbook(`${text}\n`, "RUNBOOK.md").runbook.digest, first.runbook.digest);
  });

  it("reads a file with CRLF line ends and a byte order mark like any other", () => {
    const text = readFileSync(OWN, "utf8");
    const { runbook, diagnostics } = parseRunbook(`\uFEFF${text.replaceAll("\n", "\r\n")}`, "RUNBOOK.md");
    const { digest, ...plain } = runbook;
    const { digest: otherDigest, ...expected } = parseRunbook(text, "RUNBOOK.md").runbook;
    assert.notEqual(digest, otherDigest);
    assert.deepEqual(plain, expected);
    assert.ok(!hasErrors(diagnostics));
  });

  it("reads the same runbook in other clothes", () => {
    const text = readFileSync(OWN, "utf8");
    const clothes: Record<string, (text: string) => string> = {
      deeper: (own) => own.replaceAll(/^##/gm, "###"),
      "sections on the highest level": (own) => own.replaceAll(/^##/gm, "#"),
      "in capitals": (own) => own.replaceAll(/^#+ .*$/gm, (line) => line.toUpperCase()),
      "with emoji and colons": (own) => own.replaceAll(/^(#+) (.*)$/gm, "$1 🔥 $2:"),
      "with closed headings": (own) => own.replaceAll(/^(#+) (.*)$/gm, "$1 $2 $1"),
      "with numbered sections": (own) => own.replaceAll(/^## (.*)$/gm, "## 7. $1"),
      "with named phases": (own) => own.replaceAll(/^### (\d)\. /gm, "### Phase $1 — "),
      "in the opposite order": (own) =>
        own
          .split(/^(?=## )/m)
          .toReversed()
          .join("\n"),
      "with other fences": (own) => own.replaceAll("```bash", "~~~ sh").replaceAll("```", "~~~"),
      "with prompts": (own) => own.replaceAll(/^(\.\/|terraform|curl)/gm, "$ $1"),
      "with other bullets": (own) => own.replaceAll(/^(\s*)- /gm, "$1* "),
      "with groups as headings": (own) =>
        own.replaceAll(/^\d\. \*\*(.*)\*\*$/gm, "### $1").replaceAll(/^ {3}- /gm, "- "),
    };
    for (const [name, dress] of Object.entries(clothes)) {
      const { runbook, diagnostics } = parseRunbook(dress(text), "RUNBOOK.md");
      assert.ok(!hasErrors(diagnostics), name);
      assertComplete(runbook);
    }
  });

  it("reads the sections of a runbook whose headings are all worded otherwise", () => {
    const words: readonly (readonly [string, string])[] = [
      ["## Prerequisites", "## What you need"],
      ["## Pre-Deployment Checklist", "## Go/no-go"],
      ["## Deployment\n", "## How we deploy\n"],
      ["## Rollback\n", "## Backout plan\n"],
      ["## Monitoring during deployment", "## What to watch"],
      ["**Key metrics**", "**Golden signals**"],
      ["**Alert thresholds**", "**Alarms**"],
      ["## Common issues", "## Troubleshooting"],
      ["## Emergency procedures", "## Incident response"],
      ["## Contacts", "## On-call"],
      ["## Compliance", "## Audit requirements"],
      ["## Post-deployment", "## After the deployment"],
      ["## Maintenance window", "## Change windows"],
      ["## Version control", "## About this document"],
    ];
    const text = words.reduce((own, [from, to]) => own.replace(from, to), readFileSync(OWN, "utf8"));
    assertComplete(parseRunbook(text, "RUNBOOK.md").runbook);
  });

  it("takes every box before the deployment for a gate, under whatever heading", () => {
    const { runbook } = parseRunbook(
      [
        "# R\n\n## Before you start\n\n- VPN access\n- [ ] Change ticket approved\n\n## Sign-off\n\n- [ ] The board agrees",
        "\n\n## Deployment\n\n```sh\n./x.sh\n```\n\n## Verification\n\n- [ ] Receipts arrive\n",
      ].join(""),
      "RUNBOOK.md",
    );
    assert.deepEqual(
      runbook.checklist.flatMap((group) => group.gates.map((gate) => gate.text)),
      ["Change ticket approved", "The board agrees"],
    );
    assert.deepEqual(
      runbook.prerequisites.map((item) => item.text),
      ["VPN access"],
    );
    assert.deepEqual(
      runbook.postDeployment.flatMap((group) => group.items.map((item) => item.text)),
      ["Receipts arrive"],
    );
  });

  it("interleaves instructions and loose commands as they stand in the file", () => {
    const text =
      "# T\n\n## Deploy\n\n```sh\n./a.sh\n```\n\n1. Ask\n2. Run\n\n   ```sh\n   ./b.sh\n   ```\n\n```sh\n./c.sh\n```\n";
    const [phase] = parseRunbook(text, "x").runbook.phases;
    assert.ok(phase !== undefined);
    assert.deepEqual(
      inOrder(phase).map((one) => one.id),
      ["deploy/a", "deploy/1-ask", "deploy/2-run", "deploy/c"],
    );
  });

  it("gives every step and every gate an id of its own", () => {
    const text = readFileSync(OWN, "utf8");
    const { runbook } = parseRunbook(`${text}\n${text}`, "RUNBOOK.md");
    const ids = [
      ...allSteps(runbook).map((step) => step.id),
      ...runbook.checklist.flatMap((group) => group.gates.map((gate) => gate.id)),
    ];
    assert.equal(new Set(ids).size, ids.length);
  });
});

describe("parseRunbook on any input", () => {
  const pieces = [
    "# Title\n",
    "## Deployment\n",
    "## Rollback\n",
    "### 1. A\n",
    "## Maintenance window\n",
    "## Alert thresholds\n",
    "## Contacts\n",
    "```bash\n",
    "```\n",
    "~~~\n",
    "$ ./x.sh <version>\n",
    "./x.sh \\\n",
    "cat <<EOF\n",
    "EOF\n",
    "a && b || true\n",
    "$(",
    "`",
    "'",
    '"',
    "- [ ] gate\n",
    "1. one\n",
    "   - two\n",
    "> quote\n",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "<!-- sunny: timeout=5m -->\n",
    "<!--",
    "-->\n",
    "- Response time > 500ms\n",
    "- p99 < 1\n",
    "- Sunday 01:00-03:00 UTC\n",
    "- Mon 25:99 Foo/Bar\n",
    "[x](y)",
    "\r\n",
    "\t",
    "\0",
    "\uFEFF",
    "\uD800",
    "---\nversion: 1\n---\n",
    "===\n",
    "\n\n",
    "for i in x; do\n",
    "done\n",
    "curl -k https://x\n",
    "terraform apply\n",
    "password=hunter2secret\n",
  ];
  const texts = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join("")),
  );

  it("never throws, and every diagnostic has its place inside the text", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const { diagnostics } = parseRunbook(text, "x");
        const lines = text.split(/\r\n|\n|\r/);
        for (const one of diagnostics) {
          assert.ok(one.line >= 1 && one.line <= lines.length, `${one.code} at line ${one.line}`);
          assert.ok(
            one.column >= 1 && one.column <= (lines[one.line - 1]?.length ?? 0) + 1,
            `${one.code} ${one.column}`,
          );
          assert.ok(one.endColumn > one.column);
          assert.notEqual(one.excerpt, "");
        }
      }),
      { numRuns: 2000, seed: 20260101 },
    );
  });

  it("never throws on the project's runbook with pieces taken out, doubled and put in", () => {
    const own = readFileSync(OWN, "utf8");
    const edit = fc.tuple(fc.nat(own.length), fc.nat(200), fc.constantFrom(...pieces, ""));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let text = own;
        for (const [at, length, piece] of edits) text = text.slice(0, at) + piece + text.slice(at + length);
        parseRunbook(text, "x");
      }),
      { numRuns: 300, seed: 20260102 },
    );
  });

  it("survives deep nesting and long lines", () => {
    for (const text of [
      "> ".repeat(5000),
      "- ".repeat(5000),
      "#".repeat(100_000),
      `\`\`\`sh\n${"(".repeat(20_000)}\n\`\`\``,
    ]) {
      const nested = Array.from({ length: 300 }, (_, depth) => `${"  ".repeat(depth)}- a`).join("\n");
      parseRunbook(`## Deployment\n\n${text}\n${nested}`, "x");
    }
  });

  it("takes time in proportion to the length of the text", () => {
    const own = readFileSync(OWN, "utf8");
    const time = (copies: number): number => {
      const text = own.repeat(copies);
      const runs = Array.from({ length: 3 }, () => {
        const start = process.cpuUsage();
        parseRunbook(text, "x");
        const { user, system } = process.cpuUsage(start);
        return user + system;
      });
      return Math.min(...runs);
    };
    time(20);
    // Eight times the text; a quadratic step would need 64 times as long.
    const ratio = time(80) / time(10);
    assert.ok(ratio < 24, `8 times the text takes ${ratio.toFixed(1)} times as long`);
  });
});
