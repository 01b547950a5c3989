import path from "node:path";
import process from "node:process";
import { SunnyError } from "../errors.ts";
import { noScript } from "../plan/no-script.ts";
import { diagnostic, hasErrors, type Diagnostic } from "../runbook/diagnostic.ts";
import { allSteps, type Runbook } from "../runbook/model.ts";
import { renderDiagnostics } from "../runbook/render.ts";
import { summarise } from "../runbook/summarise.ts";
import type { CliContext } from "./context.ts";
import { readRunbook } from "./read-runbook.ts";
import { EXIT } from "./output.ts";
import type { Configure } from "./configure.ts";

const FORMATS = ["text", "json", "sarif"] as const;
type Format = (typeof FORMATS)[number];

export const configure: Configure = (command, context) => {
  command
    .argument("<file>", "the runbook")
    .option("--format <format>", FORMATS.join(", "), "text")
    .option("--scripts <dir>", "where scripts are looked for after the runbook's own folder")
    .action((file: string, options: { format: string; scripts?: string }) => lint(context, file, options));
};

async function lint(context: CliContext, file: string, options: { format: string; scripts?: string }): Promise<void> {
  const format = FORMATS.find((one) => one === options.format);
  if (format === undefined) {
    throw new SunnyError("USAGE", `There is no format "${options.format}"`, {
      hint: `Choose one of: ${FORMATS.join(", ")}.`,
    });
  }
  const full = path.resolve(context.cwd, file);
  const { runbook, diagnostics, text } = await readRunbook(full, file);
  const scripts = options.scripts === undefined ? undefined : path.resolve(context.cwd, options.scripts);
  const found = [await unknownScripts(runbook, scripts), await unwatchable(runbook)];
  const all = [...diagnostics, ...found.flat()].map((one) => ({ ...one, file }));
  show(context, format, all, { runbook, file, text });
  context.exit(hasErrors(all) ? EXIT.refused : EXIT.done);
}

function show(
  context: CliContext,
  format: Format,
  diagnostics: readonly Diagnostic[],
  { runbook, file, text }: { runbook: Runbook; file: string; text: string },
): void {
  const rendered = renderDiagnostics(diagnostics, { file, text }, format, {
    color: context.color && format === "text",
  });
  if (context.output.json && format === "text") {
    for (const one of diagnostics) context.output.event("diagnostic", { ...one });
    const count = (severity: string): number => diagnostics.filter((one) => one.severity === severity).length;
    context.output.summary({ file, errors: count("error"), warnings: count("warning"), infos: count("info") });
    return;
  }
  if (format !== "text") {
    // One document on stdout, nothing else: other programs read it.
    process.stdout.write(`${rendered.trimEnd()}\n`);
    return;
  }
  context.output.text(`${summarise(runbook).trimEnd()}\n`);
  context.output.text(rendered);
}

/** Limits that no configuration can have watched, as the plan would tell them. */
async function unwatchable(runbook: Runbook): Promise<Diagnostic[]> {
  if (runbook.thresholds.length === 0) return [];
  const { unsupportedThresholds } = await import("../operations/monitor/unsupported.ts");
  return unsupportedThresholds(runbook);
}

/** Scripts that are nowhere: lint needs no configuration, so it looks beside the runbook and among Sunny's own. */
async function unknownScripts(runbook: Runbook, configured: string | undefined): Promise<Diagnostic[]> {
  const { resolveScripts } = await import("../adapters/files/scripts.ts");
  const { LAUNCHERS } = await import("../operations/launcher.ts");
  const names = LAUNCHERS.map((launcher) => launcher.name);
  const found = resolveScripts(runbook, configured, new Set(names));
  return allSteps(runbook).flatMap((step) => {
    if (step.command.kind !== "script") return [];
    const script = found.get(step.command.path);
    if (script !== undefined) {
      const edited = script.operation === null && names.includes(step.command.name);
      if (!edited) return [];
      const message = `\`${step.command.path}\` is not the script that Sunny generates; it runs as a subprocess`;
      return [diagnostic("PL202", runbook.file, step, { message })];
    }
    return [noScript(runbook.file, step, step.command, LAUNCHERS)];
  });
}
