import type { Annotation } from "./annotation.ts";
import type { Code } from "./block.ts";
import { buildCommand } from "./command.ts";
import type { PlacedPlaceholder } from "./command.ts";
import { hazardsOf, isImpliedOption } from "./hazard.ts";
import type { Step, StepAnnotations } from "./model.ts";
import { reportCommand } from "./command-report.ts";
import type { Frame } from "./command-report.ts";
import { findPlaceholders, maskPlaceholders, variableOf } from "./placeholder.ts";
import { reportCondition } from "./prose-report.ts";
import { report, slug, uniqueId } from "./reading.ts";
import type { Reading } from "./reading.ts";
import { formOf, readScriptText, sourceOffset } from "./script-text.ts";
import type { ScriptText } from "./script-text.ts";
import { readShell } from "./shell.ts";
import type { ShellStep } from "./shell.ts";
import { placeAt, spanAt } from "./source.ts";
import { deriveTitle, isChoice, isConditional, isIfNeeded } from "./titles.ts";

/** Reads a code block of an executed section into steps, and says what is wrong with it. */
export function readSteps(reading: Reading, code: Code, annotation: Annotation | undefined, frame: Frame): Step[] {
  if (annotation?.kind === "ignore" || !code.closed || !isExecuted(reading, code)) return [];
  const script = readScriptText(code);
  const found = annotation?.literal === true ? [] : findPlaceholders(script.text);
  const shell = readShell(maskPlaceholders(script.text, found));
  if (shell.error !== undefined) {
    const at = sourceOffset(script, Math.min(shell.error.at, Math.max(0, script.text.length - 1)));
    report(reading, "RB214", { at, end: at + 1 }, `This is not valid shell: ${shell.error.message}.`);
    return [];
  }
  if (shell.steps.length === 0) report(reading, "RB222", code, "The block holds no command.");
  const placed = found.map((one): PlacedPlaceholder => {
    const place = placeAt(reading.source, sourceOffset(script, one.at));
    const { text, name, parameter } = one;
    return { found: one, placeholder: { text, name, parameter, variable: variableOf(name), ...place } };
  });
  let next = 0;
  const steps: Step[] = [];
  for (const statement of shell.steps) {
    while (next < placed.length && (placed[next]?.found.at ?? 0) < statement.at) next += 1;
    const first = next;
    while (next < placed.length && (placed[next]?.found.at ?? 0) < statement.end) next += 1;
    const step = readStep(reading, { script, statement, placeholders: placed.slice(first, next), annotation }, frame);
    if (step !== undefined) steps.push(step);
  }
  return steps;
}

function isExecuted(reading: Reading, code: Code): boolean {
  const first = { at: code.at, end: code.at + 160 };
  switch (formOf(code)) {
    case "shell":
      return true;
    case "unnamed-shell":
      report(reading, "RB117", first, "The block names no language and is read as shell commands.");
      return true;
    case "program":
      report(
        reading,
        "RB104",
        first,
        `Sunny does not execute ${code.language}.`,
        "Put it into a script and call that.",
      );
      return false;
    case "text":
      report(reading, "RB115", first, `The block is ${code.language}, not shell; it is not executed.`);
      return false;
    case "unnamed-text":
      report(reading, "RB116", first, "The block names no language and reads like text; it is not executed.");
      return false;
  }
}

interface StepInput {
  readonly script: ScriptText;
  readonly statement: ShellStep;
  readonly placeholders: readonly PlacedPlaceholder[];
  readonly annotation: Annotation | undefined;
}

function readStep(reading: Reading, input: StepInput, frame: Frame): Step | undefined {
  const { script, statement, annotation } = input;
  const lineStart = script.text.lastIndexOf("\n", statement.at - 1) + 1;
  const before = script.text.slice(Math.max(lineStart, statement.at - 200), statement.at);
  for (const hazard of hazardsOf(statement, before, script.text.includes("$"))) {
    const end = sourceOffset(script, Math.max(hazard.at, hazard.end - 1)) + 1;
    report(reading, hazard.code, { at: sourceOffset(script, hazard.at), end }, hazard.message);
  }
  if (isImpliedOption(statement)) return undefined;
  const { at, end } = statement;
  const built = buildCommand({ node: statement.node, at, end, text: script.text, placeholders: input.placeholders });
  const offset = sourceOffset(script, at);
  const range = { at: offset, end: sourceOffset(script, Math.max(at, Math.min(end, statement.node.end) - 1)) + 1 };
  if (statement.comments.some(isChoice)) {
    report(reading, "RB211", range, "The comment offers a choice, but both commands would run.");
  }
  const comment = statement.comments.find(isConditional);
  if (comment !== undefined) reportCondition(reading, { text: comment, ...range }, frame);
  reportCommand(reading, { built, placeholders: input.placeholders, range }, frame);
  const title = annotation?.title ?? titleOf(input, deriveTitle(built.command, script.text.slice(at, end)), frame);
  const conditional = [...statement.comments, frame.label ?? ""].some(isIfNeeded);
  return {
    id: uniqueId(reading, `${frame.procedureId}/${slug(title)}`),
    title,
    ...spanAt(reading.source, range.at, range.end),
    text: script.text.slice(at, end),
    when: annotation?.when ?? (conditional ? "if-needed" : "always"),
    command: built.command,
    annotations: annotationsOf(annotation),
  };
}

function titleOf(input: StepInput, derived: string, frame: Frame): string {
  const { comment, shared } = input.statement;
  if (comment !== undefined) return shared ? `${comment}: ${derived}` : comment;
  if (frame.label === undefined) return derived;
  return frame.single === true ? frame.label : `${frame.label}: ${derived}`;
}

function annotationsOf(annotation: Annotation | undefined): StepAnnotations {
  if (annotation === undefined) return {};
  const { timeoutMs, disposition, retries } = annotation;
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(disposition === undefined ? {} : { disposition }),
    ...(retries === undefined ? {} : { retries }),
  };
}
