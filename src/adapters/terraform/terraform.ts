import { rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { rfc3339, type Clock } from "../../clock.ts";
import { TerminalError, type StepScope } from "../../engine/context.ts";
import type { SavedPlan, Terraform } from "../../operations/infrastructure/ports.ts";
import type { ProcessResult, ProcessRunner } from "../../operations/subprocess/ports.ts";
import { findBinary, terraformEnvironment } from "./environment.ts";
import { readPlanJson } from "./plan-json.ts";
import {
  digestOfFile,
  prepare,
  readOrNull,
  workspaceOf,
  writeConfiguration,
  writeWhole,
  type Workspace,
} from "./workspace.ts";

const COMMAND_MS = 3_600_000;
const SHORT_MS = 120_000;

/** How long another run of the program may hold the state. */
const LOCK_WAIT = "-lock-timeout=60s";

export interface TerraformOptions {
  readonly clock: Clock;
  readonly processes: ProcessRunner;
  /** Names or paths, tried in this order. */
  readonly binaries: readonly string[];
  readonly workDir: string;
  /** Sunny's own environment; what providers need of it is passed on. */
  readonly environment: NodeJS.ProcessEnv;
}

const savedSchema = z.object({
  sha256: z.string(),
  program: z.string(),
  changes: z.array(
    z.object({
      address: z.string(),
      action: z.enum(["create", "update", "delete", "replace", "read", "forget"]),
      attributes: z.array(z.string()),
    }),
  ),
});
const appliedSchema = z.object({ digest: z.string(), releaseId: z.string(), version: z.string(), at: z.string() });

/** Terraform or OpenTofu as a child process. State of local backends, plans and records stay in `workDir`, mode 0700. */
export function terraformCli(options: TerraformOptions): Terraform {
  const workspace = workspaceOf(options.workDir);
  const run = (
    args: readonly string[],
    scope: StepScope,
    show: boolean,
    expected: readonly number[] = [0],
  ): Promise<ProcessResult> => execute(options, workspace, args, scope, show, expected);
  const saved = async (): Promise<SavedPlan | null> => {
    const text = await readOrNull(workspace.planSummary);
    const plan = text === null ? null : savedSchema.parse(JSON.parse(text.toString("utf8")));
    return plan !== null && (await digestOfFile(workspace.plan)) === plan.sha256 ? plan : null;
  };
  return {
    program: async () => findBinary(options.binaries, options.environment),
    hasState: async () => (await readOrNull(workspace.applied)) !== null,
    async applied() {
      const text = await readOrNull(workspace.applied);
      return text === null ? null : appliedSchema.parse(JSON.parse(text.toString("utf8")));
    },
    async remember(record) {
      await prepare(workspace);
      await writeWhole(
        workspace.applied,
        `${JSON.stringify({ ...record, at: rfc3339(options.clock.now()) }, null, 2)}\n`,
      );
    },
    async plan(files, scope) {
      await rm(workspace.planSummary, { force: true });
      await rm(workspace.plan, { force: true });
      // A new plan begins from what the state says, whatever became of the one before.
      await rm(workspace.begun, { force: true });
      await writeConfiguration(workspace, files);
      await run(["init", "-input=false", "-no-color"], scope, true);
      await run(
        ["plan", "-input=false", "-no-color", LOCK_WAIT, "-detailed-exitcode", `-out=${workspace.plan}`],
        scope,
        true,
        [0, 2],
      );
      const shown = await run(["show", "-json", workspace.plan], scope, false);
      const sha256 = (await digestOfFile(workspace.plan)) ?? "";
      const plan: SavedPlan = {
        changes: readPlanJson(shown.stdout).resources,
        sha256,
        program: await versionOf(run, scope),
      };
      await writeWhole(workspace.planSummary, `${JSON.stringify(plan, null, 2)}\n`);
      return plan;
    },
    saved,
    async apply(sha256, scope) {
      const plan = await saved();
      if (plan?.sha256 !== sha256) {
        throw new TerminalError(
          "TERRAFORM_PLAN_STALE",
          "The saved plan is gone or is another one; nothing was applied. Plan again",
        );
      }
      await writeWhole(workspace.begun, `${sha256}\n`);
      await run(["apply", "-input=false", "-no-color", LOCK_WAIT, workspace.plan], scope, true);
      // In this order: a plan without the mark of its begin was not begun, or is done when it is gone.
      await rm(workspace.plan, { force: true });
      await rm(workspace.begun, { force: true });
    },
    interrupted: async () => (await readOrNull(workspace.begun))?.toString("utf8").trim() ?? null,
    async drift(scope) {
      await prepare(workspace);
      const args = [
        "plan",
        "-input=false",
        "-no-color",
        "-lock=false",
        "-detailed-exitcode",
        `-out=${workspace.driftPlan}`,
      ];
      const { status } = await run(args, scope, true, [0, 2]);
      if (status === 0) return { drifted: false, changes: [] };
      const { resources, outputs } = readPlanJson(
        (await run(["show", "-json", workspace.driftPlan], scope, false)).stdout,
      );
      await rm(workspace.driftPlan, { force: true });
      const changes = [
        ...resources.map(({ action, address }) => `${address} (${action})`),
        ...outputs.map((name) => `output ${name}`),
      ];
      return { drifted: true, changes };
    },
  };
}

async function execute(
  { processes, binaries, environment }: TerraformOptions,
  workspace: Workspace,
  args: readonly string[],
  scope: StepScope,
  show: boolean,
  expected: readonly number[],
): Promise<ProcessResult> {
  const program = findBinary(binaries, environment);
  if (program === null)
    throw new TerminalError("TERRAFORM_MISSING", `None of ${binaries.join(", ")} is on this machine`);
  scope.requireLease?.();
  const result = await processes.run(
    {
      argv: [program, ...args],
      cwd: workspace.config,
      env: { ...terraformEnvironment(environment), TF_CLI_CONFIG_FILE: workspace.cliConfig },
      deadlineMs: ["show", "version"].includes(args[0] ?? "") ? SHORT_MS : COMMAND_MS,
      // What `show -json` prints has secrets in clear.
      ...(show ? { onOutput: scope.log } : {}),
    },
    scope.signal,
  );
  if (result.ended === "aborted") scope.signal.throwIfAborted();
  const what = `${path.basename(program)} ${args[0] ?? ""}`;
  if (result.ended !== null) throw new Error(`${what} did not end in time and was ended`);
  if (result.status !== null && expected.includes(result.status)) return result;
  const stale = /saved plan is stale/i.test(result.stderr);
  const why = reasonIn(result.stderr);
  if (stale)
    throw new TerminalError(
      "TERRAFORM_PLAN_STALE",
      "The world changed since the plan was saved; nothing was applied. Plan again",
    );
  const state = args[0] === "apply" ? "; part of the plan may be applied, as the state records" : "";
  throw new TerminalError("TERRAFORM_FAILED", `${what} ended with ${result.status ?? result.signal}${state}: ${why}`);
}

/** The first error out of the box that the program draws around it. */
function reasonIn(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.replaceAll(/[│╷╵]/g, "").trim());
  const from = Math.max(
    0,
    lines.findIndex((line) => line.startsWith("Error:")),
  );
  return (
    lines
      .slice(from)
      .filter((line) => line !== "")
      .slice(0, 6)
      .join(" ")
      .slice(0, 600) || "it says nothing"
  );
}

async function versionOf(
  run: (args: readonly string[], scope: StepScope, show: boolean) => Promise<ProcessResult>,
  scope: StepScope,
): Promise<string> {
  const { stdout } = await run(["version"], scope, false);
  return stdout.split("\n")[0]?.trim() ?? "Terraform";
}
