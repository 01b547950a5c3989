import path from "node:path";
import type { Command } from "commander";
import type { PrepareRequest } from "../deployment/prepare.ts";
import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import type { Plan } from "../plan/model.ts";
import type { Diagnostic } from "../runbook/diagnostic.ts";
import type { CliContext } from "./context.ts";
import { runbookOf, type ReadRunbook } from "./read-runbook.ts";

/** What `planOptions` reads from the command line. */
export interface PlanOptions {
  readonly runbook?: string;
  readonly release?: string;
  readonly reason?: string;
  readonly acceptNoWayBack?: boolean;
}

/** The options of every verb that makes a plan for a release. */
export function planOptions(command: Command): Command {
  return command
    .option("--runbook <file>", "instead of the configured one")
    .option("--release <version>", "version in the release store (default: the one that the runbook is for)")
    .option("--reason <text>", "why, for the record")
    .option("--accept-no-way-back", "a first deployment, with nothing to go back to, is meant");
}

/** Makes the plan of a deployment; what is weak is shown, what is wrong refuses. */
export async function makePlan(context: CliContext, sunny: Sunny, options: PlanOptions): Promise<Plan> {
  // Hosts answer while the runbook is read.
  const ports = await sunny.prepare();
  const read = await runbookOf(context, sunny, options);
  const release = options.release ?? read.runbook.version;
  if (release === undefined) {
    throw new SunnyError("USAGE", "No release is named, and the runbook says no version", {
      hint: "Add --release VERSION.",
    });
  }
  return planFor(context, { ...sunny, prepare: () => Promise.resolve(ports) }, read, {
    subject: { kind: "deploy" },
    release,
    reason: options.reason ?? "",
    acceptNoWayBack: options.acceptNoWayBack ?? false,
  });
}

/** Makes any plan from a runbook that was read, and shows its diagnostics on the way. */
export async function planFor(
  context: CliContext,
  sunny: Sunny,
  read: ReadRunbook,
  request: Omit<PrepareRequest, "runbook" | "diagnostics" | "system" | "author">,
): Promise<Plan> {
  // Another runbook than the configured one is part of what is planned: foreign commands run in its folder.
  const system = { ...sunny.system, runbook: read.runbook.file };
  const { preparePlan, requirePlan } = await import("../deployment/prepare.ts");
  const compiled = await preparePlan(
    {
      ...request,
      runbook: read.runbook,
      diagnostics: read.diagnostics,
      system,
      author: context.actor,
      ...(context.within === undefined ? {} : { within: context.within.plan }),
    },
    await sunny.prepare(),
  );
  for (const one of compiled.diagnostics) context.output.event("diagnostic", { ...one });
  if (!context.output.json) await showDiagnostics(context, read, compiled.diagnostics);
  return requirePlan(compiled);
}

/** Errors in full; of what is only weak a line each, when there is a plan to read beside it. */
async function showDiagnostics(
  context: CliContext,
  read: ReadRunbook,
  diagnostics: readonly Diagnostic[],
): Promise<void> {
  const errors = diagnostics.filter((one) => one.severity === "error");
  if (errors.length > 0) {
    const { renderDiagnostics } = await import("../runbook/render.ts");
    const source = { file: read.runbook.file, text: read.text };
    return context.output.note(renderDiagnostics(errors, source, "text", { color: context.color }));
  }
  for (const { severity, code, line, column, message } of diagnostics) {
    if (severity === "warning")
      context.output.note(`warning[${code}] ${path.basename(read.runbook.file)}:${line}:${column} ${message}`);
  }
}
