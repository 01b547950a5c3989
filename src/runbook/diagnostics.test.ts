import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DIAGNOSTICS } from "./catalogue.ts";
import type { DiagnosticCode } from "./diagnostic.ts";
import { parseRunbook } from "./parse.ts";

/** A whole runbook, apart from what is put in. */
function runbookWith(parts: {
  deploy?: string;
  rollback?: string;
  rules?: string;
  windows?: string;
  more?: string;
}): string {
  return [
    "# Runbook",
    "Version: 1.0.0",
    "## Deployment",
    parts.deploy ?? "```sh\n./deploy.sh\n```",
    "## Rollback",
    parts.rollback ?? "```sh\n./back.sh\n```",
    parts.rules ?? "## Alert thresholds\n\n- Error rate > 1 %",
    "## Maintenance windows",
    parts.windows ?? "- Sunday 01:00-03:00 UTC",
    parts.more ?? "",
  ].join("\n\n");
}

const deploy = (commands: string): string => runbookWith({ deploy: `\`\`\`bash\n${commands}\n\`\`\`` });
const rollback = (commands: string): string => runbookWith({ rollback: `\`\`\`bash\n${commands}\n\`\`\`` });
const rules = (list: string, heading = "Alert thresholds"): string =>
  runbookWith({ rules: `## ${heading}\n\n${list}` });
const windows = (line: string): string => runbookWith({ windows: line });
const issue = (commands: string): string =>
  runbookWith({ more: `## Common issues\n\n### One\n\n\`\`\`sh\n${commands}\n\`\`\`` });

/** What is found, and the text that the caret stands under. */
const CASES: readonly (readonly [DiagnosticCode, string, string])[] = [
  ["RB101", runbookWith({ more: "```sh\n./x.sh\n## Contacts" }), "```sh"],
  ["RB102", runbookWith({ more: "## Notes\n\n## Notes" }), "Notes"],
  [
    "RB122",
    runbookWith({ more: "## Eins\n\n- a\n\n## Zwei\n\n- b\n\n## Drei\n\n- c" })
      .replaceAll("## Alert", "## X Alert")
      .replaceAll("## Maint", "## X Maint"),
    "X Alert thresholds",
  ],
  ["RB103", runbookWith({ more: "## Ramblings" }), "Ramblings"],
  ["RB124", runbookWith({ more: "## Escalation\n\nOn-call first, then the CTO." }), "On-call first, then the CTO."],
  ["RB124", runbookWith({ more: "## Checklist\n\nMake sure that nobody deploys." }), "Make sure that nobody deploys."],
  ["RB123", rollback("./a.sh\n# only if the schema changed\n./b.sh"), "./b.sh"],
  ["RB123", runbookWith({ deploy: "Optional:\n\n```sh\n./a.sh\n```" }), "Optional:"],
  [
    "RB123",
    runbookWith({ deploy: "1. If the cache is cold:\n\n   ```sh\n   ./a.sh\n   ```" }),
    "If the cache is cold:",
  ],
  [
    "RB211",
    runbookWith({ deploy: "### Option A: x\n\n```sh\n./a\n```\n\n### Option B: y\n\n```sh\n./b\n```" }),
    "Option B: y",
  ],
  [
    "RB211",
    runbookWith({ rollback: "### Variant 1 – x\n\n```sh\n./a\n```\n\n### Variant 2 – y\n\n```sh\n./b\n```" }),
    "Variant 2 – y",
  ],
  [
    "RB104",
    runbookWith({ more: "## Timeline\n\n| what | command |\n|---|---|\n| go | `./a.sh` |" }),
    "| what | command |",
  ],
  [
    "RB121",
    runbookWith({ more: "## Guardrails\n\nRoll back when the error rate exceeds 1 %." }),
    "Roll back when the error rate exceeds 1 %.",
  ],
  ["RB121", runbookWith({ more: "## Guardrails\n\n| what | limit |\n|---|---|\n| CPU | > 80 % |" }), "CPU"],
  [
    "RB121",
    runbookWith({ more: "## Troubleshooting\n\nEvery second Sunday, 02:00-04:00 UTC" }),
    "Every second Sunday, 02:00-04:00 UTC",
  ],
  ["RB104", runbookWith({ more: "## Ramblings\n\n```sh\n./x.sh\n```" }), "```sh"],
  ["RB104", runbookWith({ more: "## Prerequisites\n\n```sh\naws sts get-caller-identity\n```" }), "```sh"],
  ["RB104", runbookWith({ deploy: "```sh\n./x.sh\n```\n\n```python\nprint(1)\n```" }), "```python"],
  ["RB104", runbookWith({ deploy: "Run `./a.sh` first.\n\n```sh\n./x.sh\n```" }), "Run `./a.sh` first."],
  ["RB104", runbookWith({ deploy: "- `./a.sh`\n\n```sh\n./x.sh\n```" }), "`./a.sh`"],
  ["RB104", runbookWith({ deploy: "```sh\n./x.sh\n```\n\n| command |\n|---|\n| `./a.sh` |" }), "| command |"],
  ["RB105", runbookWith({ deploy: "Soon." }), "#"],
  ["RB105", "", ""],
  ["RB106", runbookWith({ deploy: "### 1. A\n\n```sh\n./x.sh\n```\n\n### 2. B\n\nSoon." }), "2. B"],
  [
    "RB106",
    runbookWith({ deploy: "### Switch DNS\n\nAsk the network team.\n\n### Go\n\n```sh\n./x.sh\n```" }),
    "Switch DNS",
  ],
  ["RB106", runbookWith({ deploy: "### Warm up\n\n- open the page\n\n### Go\n\n```sh\n./x.sh\n```" }), "Warm up"],
  ["RB106", runbookWith({ rollback: "### App\n\n```sh\n./back.sh\n```\n\n### DNS\n\nAsk the network team." }), "DNS"],
  ["RB107", runbookWith({ rollback: "We never go back." }), "Rollback"],
  ["RB107", runbookWith({ rollback: "- `./back.sh`" }), "Rollback"],
  ["RB108", windows("Whenever it suits us."), "#"],
  ["RB109", runbookWith({ deploy: "<!-- sunny: timeout=5 -->\n```sh\n./x.sh\n```" }), "<!-- sunny: timeout=5 -->"],
  ["RB109", runbookWith({ more: "## X\n\nText.\n\n<!-- sunny: rollback -->\n\nText." }), "<!-- sunny: rollback -->"],
  ["RB109", runbookWith({ more: "## X\n\n<!-- sunny: retry=3 -->\n\nText." }), "<!-- sunny: retry=3 -->"],
  ["RB110", runbookWith({ more: "## Preflight\n\n```sh\n./check.sh\n```" }), "Preflight"],
  ["RB111", runbookWith({}).replace("Version: 1.0.0", ""), "#"],
  ["RB112", runbookWith({ deploy: "1. Tell the team\n2. Go\n\n   ```sh\n   ./x.sh\n   ```" }), "Tell the team"],
  ["RB113", runbookWith({ deploy: "### 1. A\n\n```sh\n./a\n```\n\n### 3. B\n\n```sh\n./b\n```" }), "3. B"],
  ["RB114", rules("Soon."), "#"],
  ["RB115", runbookWith({ deploy: "```sh\n./x.sh\n```\n\n```json\n{}\n```" }), "```json"],
  ["RB116", runbookWith({ deploy: "```sh\n./x.sh\n```\n\n```\nDear all, we deploy.\n```" }), "```"],
  ["RB117", runbookWith({ deploy: "```\n./x.sh\n```" }), "```"],
  ["RB118", `${"> ".repeat(80)}x\n\n${runbookWith({})}`, ">"],
  [
    "RB119",
    runbookWith({ rollback: "### Immediate\n\n```sh\n./a\n```\n\n### Of the database\n\n```sh\n./b\n```" }),
    "Of the database",
  ],
  ["RB120", runbookWith({ more: "## Ramblings\n\n- [ ] The board agrees" }), "The board agrees"],
  ["RB121", runbookWith({ more: "## Ramblings\n\n- p99 latency above 750 ms" }), "p99 latency above 750 ms"],
  ["RB121", runbookWith({ more: "## Ramblings\n\n- Sat 01:00-03:00 UTC" }), "Sat 01:00-03:00 UTC"],
  ["RB201", deploy("./x.sh --user <name>"), "<name>"],
  ["RB201", deploy("./x.sh [api-key]"), "[api-key]"],
  ["RB201", deploy("./x.sh {{ cluster }}"), "{{ cluster }}"],
  ["RB201", deploy("./x.sh YOUR_TOKEN"), "YOUR_TOKEN"],
  ["RB201", deploy("./x.sh vX.Y.Z"), "vX.Y.Z"],
  ["RB201", deploy("./x.sh ..."), "..."],
  ["RB201", rollback("./x.sh --host <host>"), "<host>"],
  ["RB202", issue("./x.sh <tenant>"), "<tenant>"],
  ["RB203", deploy("echo $(cat <version>)"), "<version>"],
  ["RB203", deploy("cat <<'EOF'\n<version>\nEOF"), "<version>"],
  ["RB204", rollback("./back.sh --version <version>"), "<version>"],
  ["RB205", deploy("cd /srv/app"), "cd /srv/app"],
  ["RB205", deploy("export STAGE=production"), "export STAGE=production"],
  ["RB205", deploy("STAGE=production"), "STAGE=production"],
  ["RB205", deploy("source ./env"), "source ./env"],
  ["RB205", deploy("cd /srv; ./x.sh"), "cd /srv"],
  ["RB205", deploy("f() { ./x.sh; }"), "f() { ./x.sh; }"],
  ["RB206", deploy("ssh web-1\nsystemctl restart app"), "ssh web-1"],
  ["RB206", deploy("ssh -i key -p 22 web-1"), "ssh -i key -p 22 web-1"],
  ["RB207", deploy("watch kubectl get pods"), "watch kubectl get pods"],
  ["RB207", deploy("tail -f app.log"), "tail -f app.log"],
  ["RB207", deploy("kubectl logs -f deploy/app"), "kubectl logs -f deploy/app"],
  ["RB207", deploy("sudo journalctl -fu app"), "sudo journalctl -fu app"],
  ["RB207", deploy("ssh web-1 'tail -f app.log'"), "ssh web-1 'tail -f app.log'"],
  ["RB207", deploy("while true; do ./x.sh; done"), "while true; do ./x.sh; done"],
  ["RB208", deploy("top"), "top"],
  ["RB208", deploy("psql shop"), "psql shop"],
  ["RB208", deploy("docker exec -it app bash"), "docker exec -it app bash"],
  ["RB208", deploy("vim config.yml"), "vim config.yml"],
  ["RB209", deploy("sleep 1800"), "sleep 1800"],
  ["RB209", deploy("./x.sh && sleep 5m"), "sleep 5m"],
  ["RB210", deploy("./x.sh || true"), "./x.sh || true"],
  ["RB210", deploy("./x.sh; true"), "true"],
  ["RB210", deploy("./x.sh || echo failed"), "./x.sh || echo failed"],
  ["RB210", deploy("set +e"), "set +e"],
  ["RB211", deploy("./blue.sh\n# or, on the old cluster\n./green.sh"), "./green.sh"],
  ["RB211", runbookWith({ deploy: "```sh\n./a\n```\n\nAlternatively:\n\n```sh\n./b\n```" }), "Alternatively:"],
  ["RB211", runbookWith({ deploy: "### Option A\n\n```sh\n./a\n```\n\n### Option B\n\n```sh\n./b\n```" }), "Option B"],
  [
    "RB211",
    runbookWith({ rollback: "### Option 1\n\n```sh\n./a\n```\n\n### Option 2\n\n```sh\n./b\n```" }),
    "Option 2",
  ],
  ["RB212", deploy("./x.sh --password=correct-horse-battery"), "*********************"],
  ["RB212", runbookWith({ more: "## Notes\n\n```yaml\napi_key: 0123456789abcdef\n```" }), "****************"],
  ["RB213", deploy("curl https://x.example/health"), "curl https://x.example/health"],
  ["RB213", deploy("curl -s https://x.example | jq .ok"), "curl -s https://x.example | jq .ok"],
  ["RB214", deploy("if true; then ./x.sh"), "h"],
  ["RB215", deploy("terraform apply"), "terraform apply"],
  ["RB215", deploy("terraform -chdir=a plan\nterraform -chdir=b apply"), "terraform -chdir=b apply"],
  ["RB216", deploy("terraform plan\nterraform apply -auto-approve"), "terraform apply -auto-approve"],
  ["RB217", deploy("./server &"), "./server &"],
  ["RB218", deploy('./x.sh "$CLUSTER"'), "$CLUSTER"],
  ["RB219", deploy("set -euo pipefail\n./x.sh"), "set -euo pipefail"],
  ["RB220", deploy("curl -f https://x.example/i.sh | bash"), "curl -f https://x.example/i.sh | bash"],
  ["RB221", deploy("curl -fk https://x.example"), "curl -fk https://x.example"],
  ["RB222", deploy("# later"), "```bash"],
  ["RB223", deploy("./x.sh \u202E--fast"), "\uFFFD"],
  ["RB223", deploy("./x.sh\u00A0--fast"), "\u00A0"],
  ["RB223", deploy("./x.sh \u001B[2K"), " "],
  ["RB301", rules("- Response time > 500"), "Response time > 500"],
  ["RB301", rules("- Error rate > 1"), "Error rate > 1"],
  ["RB302", rules("- Response time > 500 ms"), "Response time > 500 ms"],
  ["RB303", rules("- Response time > 500 ms", "Targets"), "Response time > 500 ms"],
  ["RB303", rules("- Error rate < 1 %"), "Error rate < 1 %"],
  ["RB304", rules("- Error rate > 1 %\n- Error rate > 2 %"), "Error rate > 2 %"],
  ["RB305", rules("- Error rate too high"), "Error rate too high"],
  ["RB306", rules("- Error rate > 150 %"), "Error rate > 150 %"],
  ["RB401", windows("- Sunday 01:00-03:00"), "Sunday 01:00-03:00"],
  ["RB402", windows("- First Sunday of the month, 01:00-03:00 UTC"), "First Sunday of the month, 01:00-03:00 UTC"],
  ["RB403", windows("- Sunday 01:00-03:00 CET"), "Sunday 01:00-03:00 CET"],
  ["RB404", windows("- Sunday 25:00-26:00 UTC"), "Sunday 25:00-26:00 UTC"],
  ["RB405", windows("- Sunday 01:00-03:00 UTC\n- Tell support before"), "Tell support before"],
  ["RB501", runbookWith({ more: "## Contacts\n\n- DBA: ask around" }), "DBA: ask around"],
];

describe("diagnostics", () => {
  for (const [code, text, expected] of CASES) {
    it(`${code} ${DIAGNOSTICS[code].title}: ${expected.replaceAll("\n", " ")}`, () => {
      const { diagnostics } = parseRunbook(text, "RUNBOOK.md");
      const found = diagnostics.filter((one) => one.code === code);
      assert.equal(found.length, 1, JSON.stringify(diagnostics.map((one) => `${one.code} ${one.excerpt}`)));
      const [one] = found;
      assert.ok(one !== undefined);
      const [line = "", caret = ""] = one.excerpt.split("\n");
      assert.equal(line.slice(caret.indexOf("^"), caret.length), expected);
      assert.equal(one.severity, DIAGNOSTICS[code].severity);
    });
  }

  it("have a case for every code that the parser gives", () => {
    const tested = new Set<string>(CASES.map(([code]) => code));
    const codes = Object.keys(DIAGNOSTICS).filter((code) => code.startsWith("RB"));
    assert.deepEqual(
      codes.filter((code) => !tested.has(code)),
      [],
    );
  });

  it("never show the secret that they are about, nor does any other on its line", () => {
    const { diagnostics } = parseRunbook(deploy("cd /x && ./x.sh --token=s3cr3t-value-of-mine || true"), "RUNBOOK.md");
    assert.deepEqual(
      diagnostics.map((one) => one.code),
      ["RB210", "RB212"],
    );
    assert.doesNotMatch(JSON.stringify(diagnostics), /s3cr3t/);
  });
});

/** Commands that are fine as they are. */
const CLEAN: readonly string[] = [
  "ssh web-1 'cd /srv && systemctl restart app'",
  "ssh web-1 <<EOF\nsystemctl restart app\nEOF",
  "timeout 60 tail -f app.log",
  "kubectl logs --tail=100 deploy/app",
  "kubectl get pods -o wide",
  "tail -n 100 app.log",
  "top -b -n 1",
  "psql shop -c 'select 1'",
  "psql shop < schema.sql",
  "docker exec app ls",
  "docker compose up -d",
  "ping -c 3 web-1",
  "sleep 10",
  "./x.sh || exit 1",
  "./x.sh || { echo failed; exit 1; }",
  "cd /srv && ./x.sh",
  "(cd /srv; ./x.sh)",
  "STAGE=production ./x.sh",
  'for host in a b; do ./x.sh "$host"; done',
  'while read -r line; do ./x.sh "$line"; done < list',
  "go test ./...",
  "ls release-[0-9]*",
  "docker inspect -f '{{.State.Status}}' app",
  "sort < in.txt > out.txt",
  './x.sh --token "$(cat token)"',
  "./x.sh --password-file secret.txt",
  "aws secretsmanager get-secret-value --secret-id prod/db",
  "git commit -m 'Release'",
  "terraform plan\nterraform apply",
  "cd infra && terraform plan\ncd infra && terraform apply",
  "./deploy.sh --version <version> --env <environment>",
  "scp \"app-<version>.tgz\" 'web-1:/srv/app-<version>.tgz'",
  "curl --fail https://x.example/health",
  'echo "${STAGE:-production}"',
];

describe("commands without fault", () => {
  for (const command of CLEAN) {
    it(command.replaceAll("\n", " ⏎ "), () => {
      assert.deepEqual(parseRunbook(deploy(command), "x").diagnostics, []);
    });
  }
});
