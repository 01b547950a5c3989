import { isSunnyError } from "../errors.ts";
import type { Json } from "../json.ts";
import { changesOf, type Operation, type ReleaseRef, type Subject } from "../operation.ts";
import { isSafeMethod } from "../operations/http/method.ts";
import { diagnostic, type Diagnostic } from "../runbook/diagnostic.ts";
import type { Arg, Command, Placeholder, Step } from "../runbook/model.ts";
import { argText, PARAMETER_PATTERNS, placeholdersOf } from "../runbook/parameter.ts";
import type { System } from "../system/schema.ts";
import { argumentProblems } from "./argument-problems.ts";
import { optionsOf, rawArguments } from "./arguments.ts";
import type { PlannedWayBack, PlanStep, ScriptPlace, StepSource } from "./model.ts";
import { noScript } from "./no-script.ts";

/** A script as it was found; `operation` is set when its bytes are those of that operation's launcher. */
export interface ResolvedScript {
  readonly file: string;
  readonly found: ScriptPlace;
  readonly sha256: string;
  readonly operation: string | null;
  /** False: it cannot be started without naming an interpreter. Default true. */
  readonly executable?: boolean;
}

/** What a step is compiled against. */
export interface StepContext {
  readonly file: string;
  readonly system: System;
  readonly operations: ReadonlyMap<string, Operation>;
  /** By the path that the runbook writes. */
  readonly scripts: ReadonlyMap<string, ResolvedScript>;
  readonly release: ReleaseRef | null;
  readonly previous: ReleaseRef | null;
  /** Values that a person gave for parameters, by name. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, Json>>;
  /** Problems are added here. */
  readonly diagnostics: Diagnostic[];
}

/** Compiles one command of the runbook; null when it cannot be planned, with the reason among the diagnostics. */
export function compileStep(step: Step, phase: string, context: StepContext): PlanStep | null {
  const values = resolveParameters(step, context);
  if (values === null) return null;
  const bound = bind(step, values, context);
  if (bound === null) return null;
  const operation = context.operations.get(bound.operation);
  if (operation === undefined) throw new Error(`the catalogue lacks the operation ${bound.operation}`);
  const args = operation.args.safeParse(bound.args);
  if (!args.success) {
    const message = `\`${step.text}\`: ${argumentProblems(args.error, bound.args, optionsOf(operation))}`;
    context.diagnostics.push(diagnostic("PL206", context.file, step, { message }));
    return null;
  }
  const wrong = operation.check?.(args.data, context.system, context) ?? null;
  if (wrong !== null) {
    context.diagnostics.push(diagnostic("PL206", context.file, step, { message: `\`${step.text}\`: ${wrong}` }));
    return null;
  }
  const changes = bound.changes ?? changesOf(operation, args.data);
  return {
    id: step.id,
    title: step.title,
    phase,
    line: step.line,
    text: step.text,
    operation: operation.name,
    args: args.data as Json,
    when: step.when,
    direction: "run",
    changes,
    wayBack: bound.changes === undefined ? plannedWayBack(operation, changes) : foreignWayBack(changes),
    deadlineMs: step.annotations.timeoutMs ?? override(step, context.system)?.timeoutMs ?? operation.deadlineMs,
    source: bound.source,
    facts: context.facts[step.id] ?? null,
  };
}

/** The way back as the plan shows it; null for what only reads. */
export function plannedWayBack(operation: Operation, changes: readonly Subject[]): PlannedWayBack | null {
  if (changes.length === 0) return null;
  if (operation.wayBack === undefined)
    throw new Error(`${operation.name} changes something and has no way back declared`);
  return operation.wayBack.kind === "none"
    ? { kind: "none", why: operation.wayBack.why }
    : { kind: "revert", describe: operation.wayBack.describe };
}

function resolveParameters(step: Step, context: StepContext): ((one: Placeholder) => string) | null {
  const values = new Map<string, string>();
  let complete = true;
  for (const placeholder of placeholdersOf(step.command)) {
    const value = parameterValue(placeholder, context);
    if (value !== undefined && PARAMETER_PATTERNS[placeholder.parameter].test(value)) {
      values.set(placeholder.name, value);
      continue;
    }
    complete = false;
    const message =
      value === undefined
        ? `\`${placeholder.text}\` has no value: ${whyMissing(placeholder)}`
        : `\`${placeholder.text}\` cannot be "${value}": ${whyUnfit(placeholder)}`;
    context.diagnostics.push(diagnostic("PL205", context.file, placeholder, { message }));
  }
  return complete ? (placeholder) => values.get(placeholder.name) ?? "" : null;
}

function parameterValue(placeholder: Placeholder, context: StepContext): string | undefined {
  const given = context.parameters[placeholder.name];
  if (given !== undefined) return given;
  switch (placeholder.parameter) {
    case "version":
      return context.release?.version;
    case "previous-version":
      return context.previous?.version;
    case "environment":
      return context.system.environment;
    case "service":
    case "host":
    case "other":
      return undefined;
  }
}

function whyUnfit({ parameter }: Placeholder): string {
  if (parameter !== "other") return `that is no ${parameter.replace("-", " ")}`;
  return "a value is one word of letters, digits and . _ : @ / + = , -";
}

function whyMissing(placeholder: Placeholder): string {
  if (placeholder.parameter === "version") return "the plan deploys no release";
  if (placeholder.parameter === "previous-version") return "no earlier release is active";
  return `it is asked for when the procedure is run (--param ${placeholder.name}=VALUE)`;
}

interface Bound {
  readonly operation: string;
  readonly args: unknown;
  readonly source: StepSource;
  /** For foreign commands, and for requests that do not only read: what the configuration declares that they change. */
  readonly changes?: readonly Subject[];
}

function foreignWayBack(changes: readonly Subject[]): PlannedWayBack | null {
  if (changes.length === 0) return null;
  return { kind: "none", why: "it is a command of your own: Sunny does not know what takes it back" };
}

function bind(step: Step, resolve: (one: Placeholder) => string, context: StepContext): Bound | null {
  const { command } = step;
  const words = (args: readonly Arg[]): string[] => args.map((arg) => argText(arg, resolve));
  switch (command.kind) {
    case "script":
      return bindScript(step, command, words(command.args), context);
    case "http":
      return {
        operation: "http-check",
        args: {
          url: argText(command.url, resolve),
          method: command.method,
          headers: Object.fromEntries(command.headers.map((header) => [header.name, header.value])),
          ...(command.body === undefined ? {} : { body: command.body }),
          ...(command.timeoutMs === undefined ? {} : { timeoutMs: command.timeoutMs }),
          retries: command.retries,
          followRedirects: command.followRedirects,
        },
        source: { kind: "operation" },
        ...(isSafeMethod(command.method) ? {} : { changes: foreignChanges(step, context) }),
      };
    case "terraform":
      if (command.verb === "plan" || command.verb === "apply") {
        return {
          operation: `terraform-${command.verb}`,
          args: { _: words(command.args) },
          source: { kind: "operation" },
        };
      }
      return bindSubprocess(step, { argv: [command.program, command.verb, ...words(command.args)] }, context);
    case "subprocess": {
      const variables = Object.fromEntries(command.placeholders.map((one) => [one.variable, resolve(one)]));
      const run = command.argv === undefined ? { source: command.source } : { argv: words(command.argv) };
      return bindSubprocess(step, { ...run, variables }, context);
    }
  }
}

function bindScript(
  step: Step,
  command: Extract<Command, { kind: "script" }>,
  args: readonly string[],
  context: StepContext,
): Bound | null {
  const script = context.scripts.get(command.path);
  if (script === undefined) {
    context.diagnostics.push(noScript(context.file, step, command, context.operations.values()));
    return null;
  }
  const { found, sha256 } = script;
  if (script.operation !== null) {
    try {
      const source: StepSource = { kind: "launcher", path: command.path, found, sha256 };
      return { operation: script.operation, args: rawArguments(args), source };
    } catch (error) {
      if (!isSunnyError(error, "USAGE")) throw error;
      context.diagnostics.push(
        diagnostic("PL206", context.file, step, { message: `\`${step.text}\`: ${error.message}` }),
      );
      return null;
    }
  }
  if (context.operations.has(command.name)) {
    const message = `\`${command.path}\` is not the script that Sunny generates; it runs as a subprocess`;
    context.diagnostics.push(diagnostic("PL202", context.file, step, { message }));
  }
  const { file, executable = true } = script;
  const { interpreter } = command;
  if (interpreter === undefined && !executable) {
    const message = `\`${command.path}\` is not executable`;
    context.diagnostics.push(diagnostic("PL210", context.file, step, { message }));
    return null;
  }
  const argv = [...(interpreter === undefined ? [] : [interpreter]), file, ...args];
  const bound = bindSubprocess(step, { argv, script: { file, sha256 } }, context);
  return { ...bound, source: { kind: "foreign", path: command.path, found, sha256 } };
}

function bindSubprocess(
  step: Step,
  run: Record<string, unknown>,
  context: StepContext,
): Bound & { changes: readonly Subject[] } {
  const declared = override(step, context.system);
  const disposition = step.annotations.disposition ?? declared?.disposition ?? "manual";
  const attempts = step.annotations.retries === undefined ? declared?.retry?.maxAttempts : step.annotations.retries + 1;
  const timeoutMs = step.annotations.timeoutMs ?? declared?.timeoutMs;
  return {
    operation: "subprocess",
    args: {
      ...run,
      title: step.title,
      disposition,
      maxAttempts: attempts ?? 1,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    },
    source: { kind: "operation" },
    changes: foreignChanges(step, context),
  };
}

/** What nobody declared may be anything. */
function foreignChanges(step: Step, { system }: StepContext): readonly Subject[] {
  return override(step, system)?.changes ?? ["unknown"];
}

function override(step: Step, system: System): System["commands"][string] | undefined {
  return system.commands[step.id] ?? system.commands[step.text];
}
