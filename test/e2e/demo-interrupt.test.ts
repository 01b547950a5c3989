import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";
import { describe, it } from "node:test";

const DEMO = path.resolve(import.meta.dirname, "../../examples/payments/demo.ts");

/** Short, so that the canary is reached within seconds. */
const RUNBOOK = `# Interrupted

## Deployment

### 1. Service

\`\`\`bash
# Bring the release to every host
./scripts/deploy-production.js
\`\`\`

## Rollback

### Immediate rollback

\`\`\`bash
./scripts/rollback.sh --version <previous-version>
./scripts/verify-rollback.sh
\`\`\`

## Alert thresholds

- Error rate > 1%

## Maintenance window

- Sunday 01:00-03:00 UTC
- Any time with CTO approval
`;

/** Processes that work in a directory or were started with it as their temporary one. */
function processesIn(directory: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const works = readlinkSync(`/proc/${pid}/cwd`).startsWith(directory);
        const knows = readFileSync(`/proc/${pid}/environ`, "utf8").includes(directory);
        const names = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(directory);
        return works || knows || names ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8")}`] : [];
      } catch {
        return [];
      }
    });
}

/** Waits until there is a file: its path below the directory by what its parts match. */
async function written(directory: string, [first, ...rest]: readonly RegExp[]): Promise<void> {
  if (first === undefined) return;
  const watcher = watch(directory, { persistent: false });
  try {
    for (;;) {
      const found = readdirSync(directory).find((name) => first.test(name));
      if (found !== undefined) return await written(path.join(directory, found), rest);
      await once(watcher, "change");
    }
  } finally {
    watcher.close();
  }
}

/** Starts the demo with a temporary directory of its own, and interrupts it when its output matches, or a file appears. */
async function interruptedAt(
  moment: RegExp | readonly RegExp[],
  interrupt: (pid: number) => void,
): Promise<{ status: number | null; output: string; left: readonly string[]; processes: readonly string[] }> {
  const base = mkdtempSync(path.join(tmpdir(), "demo-interrupt-"));
  const [directory, runbook] = [path.join(base, "tmp"), path.join(base, "RUNBOOK.md")];
  mkdirSync(directory);
  writeFileSync(runbook, RUNBOOK);
  try {
    const child = spawn(process.execPath, [DEMO, "--runbook", runbook, "--release", "2.1.0"], {
      detached: true,
      env: { ...process.env, TMPDIR: directory, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let done = false;
    if (Array.isArray(moment)) void written(directory, moment).then(() => interrupt(child.pid ?? 0));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (done || !(moment instanceof RegExp) || !moment.test(output)) return;
        done = true;
        interrupt(child.pid ?? 0);
      });
    }
    const [status] = (await once(child, "close")) as [number | null];
    return { status, output, left: readdirSync(directory), processes: processesIn(directory) };
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

/** Interrupts the command that the demo waits for, as if its end were known before the demo's own signal. */
function interruptCommandOf(pid: number, verb: string): void {
  const command = readdirSync("/proc").find((name) => {
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0");
      return words.includes(verb) && readFileSync(`/proc/${name}/status`, "utf8").includes(`\nPPid:\t${pid}\n`);
    } catch {
      return false;
    }
  });
  if (command === undefined) setTimeout(() => interruptCommandOf(pid, verb), 10);
  else process.kill(Number(command), "SIGINT");
}

describe("the demo, interrupted", { skip: process.platform === "linux" ? false : "reads /proc" }, () => {
  const cases: [string, RegExp | readonly RegExp[], (pid: number) => void][] = [
    [
      "Ctrl-C while the system starts",
      // Written right before.
      [/^sunny-/, /^sunny\.config\.json$/],
      (pid) => process.kill(-pid, "SIGINT"),
    ],
    ["Ctrl-C while a plan is made", /\$ sunny plan/, (pid) => process.kill(-pid, "SIGINT")],
    ["Ctrl-C that ends the plan first", /\$ sunny plan/, (pid) => interruptCommandOf(pid, "plan")],
    [
      "Ctrl-C while the canary is watched",
      /canary.*(bak|watch)|web-1.*serving|traffic .*2\.1\.0/i,
      (pid) => process.kill(-pid, "SIGINT"),
    ],
    ["SIGTERM to the demo alone while it deploys", /\$ sunny deploy/, (pid) => process.kill(pid, "SIGTERM")],
  ];
  for (const [name, moment, interrupt] of cases) {
    it(`${name}: no process and no file stays, exit 130`, async () => {
      const { status, output, left, processes } = await interruptedAt(moment, interrupt);
      assert.deepEqual(processes, [], output);
      assert.deepEqual(
        left.filter((file) => file !== "node-compile-cache"),
        [],
        output,
      );
      assert.equal(status, 130, output);
    });
  }
});
