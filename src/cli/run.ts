import { createInterface } from "node:readline/promises";
import process from "node:process";
import { z } from "zod";
import type { PrepareRequest } from "../deployment/prepare.ts";
import { SunnyError } from "../errors.ts";
import type { Sunny } from "../main.ts";
import type { Operation } from "../operation.ts";
import { rawArguments } from "../plan/arguments.ts";
import { changesAnything, type Plan } from "../plan/model.ts";
import type { Procedure } from "../runbook/model.ts";
import { placeholdersOf } from "../runbook/parameter.ts";
import { closest } from "../system/closest.ts";
import { validArguments } from "./by-hand.ts";
import { carryOut } from "./carry-out.ts";
import type { CliContext } from "./context.ts";
import { planFor } from "./make-plan.ts";
import { runbookOf, type ReadRunbook } from "./read-runbook.ts";
import { requireFree } from "./occupied.ts";
import { runArguments, type RunOptions } from "./run-arguments.ts";
import type { Configure } from "./configure.ts";
import { requireDeclared, withinStep } from "./within.ts";

export const configure: Configure = (command, context) => {
  command
    .argument(
      "[name]",
      'an operation ("verify-ssl") or a procedure of the runbook ("high memory usage"); without one they are listed',
    )
    .argument("[args...]", "what the operation takes, after `--`")
    .option("--runbook <file>", "instead of the configured one")
    .option("--release <version>", "the release that the operation is about")
    .option("--param <name=value...>", "parameters of a procedure")
    .option("--reason <text>", "why, for the record")
    .passThroughOptions()
    .action(async (name: string | undefined, words: string[], given: RunOptions) => {
      const { args, options, help } = runArguments(words, given);
      const sunny = await context.sunny();
      const read = await runbookOf(context, sunny, options);
      if (name === undefined) return list(context, sunny, read);
      if (help) return tell(context, sunny, read, name);
      const called = withinStep(context, sunny);
      const about = args.some((arg) => /^--version\b/.test(arg)) ? undefined : called.within?.release;
      // Told before the world is read for the plan: what is being deployed would make it read strangely.
      if (((await sunny.operations()).get(name)?.changes.length ?? 0) > 0) requireFree(sunny, called.within?.host);
      const plan = await planByHand(called, sunny, read, name, args, {
        ...(typeof about === "string" ? { release: about } : {}),
        ...options,
      });
      if (called.within !== undefined) requireDeclared(called.within, plan);
      if (changesAnything(plan)) requireFree(sunny, called.within?.host);
      await carryOut(called, sunny, plan);
    });
};

async function list(context: CliContext, sunny: Sunny, read: ReadRunbook): Promise<void> {
  const operations = [...(await sunny.operations()).values()].toSorted((a, b) => a.name.localeCompare(b.name));
  const width = Math.max(...operations.map((operation) => operation.name.length));
  const effect = (operation: Operation): string =>
    operation.changes.length === 0 ? "" : `  [changes ${operation.changes.join(", ")}]`;
  context.output.text("Operations");
  for (const operation of operations) {
    context.output.event("operation", { name: operation.name, title: operation.title, changes: operation.changes });
    context.output.text(`  ${operation.name.padEnd(width)}  ${operation.title}${effect(operation)}`);
  }
  if (read.runbook.issues.length > 0) context.output.text("\nProcedures of the runbook");
  for (const procedure of read.runbook.issues) {
    context.output.event("procedure", { name: procedure.title, steps: procedure.steps.map((step) => step.title) });
    context.output.text(`  ${procedure.title}: ${procedure.steps.map((step) => step.title).join("; ")}`);
  }
  context.output.summary({ operations: operations.length, procedures: read.runbook.issues.length });
}

/** What an operation takes, or the steps of a procedure and what they ask for. */
async function tell(context: CliContext, sunny: Sunny, read: ReadRunbook, name: string): Promise<void> {
  const operations = await sunny.operations();
  const operation = operations.get(name);
  if (operation !== undefined) {
    const takes = argumentsOf(operation);
    const usage = takes.map(({ form, required }) => (required ? form : `[${form}]`));
    context.output.text(`sunny run ${[name, ...usage].join(" ")}\n\n${operation.title}.`);
    return context.output.summary({ operation: name, arguments: takes });
  }
  const procedure = procedureOf(operations, read, name);
  const names = [...new Set(procedure.steps.flatMap((step) => placeholdersOf(step.command).map((one) => one.name)))];
  const usage = names.map((one) => ` --param ${one}=VALUE`).join("");
  const steps = procedure.steps.map((step) => `  ${step.text}`);
  context.output.text([`sunny run '${procedure.title}'${usage}`, "", ...steps].join("\n"));
  context.output.summary({ procedure: procedure.title, parameters: names });
}

function argumentsOf(operation: Operation): { readonly form: string; readonly required: boolean }[] {
  const { properties = {}, required = [] } = z.toJSONSchema(operation.args, { io: "input", unrepresentable: "any" });
  return Object.entries(properties).flatMap(([key, value]) => {
    const { type, maxItems, minItems } = typeof value === "boolean" ? {} : value;
    if (key === "_") return maxItems === 0 ? [] : [{ form: "-- VALUE...", required: (minItems ?? 0) > 0 }];
    return [{ form: type === "boolean" ? `--${key}` : `--${key} VALUE`, required: required.includes(key) }];
  });
}

async function planByHand(
  context: CliContext,
  sunny: Sunny,
  read: ReadRunbook,
  name: string,
  args: readonly string[],
  options: RunOptions,
): Promise<Plan> {
  const reason = options.reason ?? "";
  const operations = await sunny.operations();
  const operation = operations.get(name);
  if (operation !== undefined) {
    const raw = rawArguments(args);
    const request = {
      subject: { kind: "run", operation, args: validArguments(operation, raw, sunny.system) },
      reason,
    } as const;
    // By hand nothing of the runbook but its windows and gates matters: what is wrong elsewhere in it may stay so.
    return planFor(
      context,
      sunny,
      { ...read, diagnostics: [] },
      { ...request, ...releaseFor(operation, read, options, raw) },
    );
  }
  const procedure = procedureOf(operations, read, name);
  if (args.length > 0) {
    throw new SunnyError("USAGE", `The procedure "${procedure.title}" takes no arguments: ${args.join(" ")}`, {
      hint: "What its commands ask for is given by name: --param service-name=payments.",
    });
  }
  const parameters = await ask(context, procedure, known(procedure, given(options.param ?? [])));
  return planFor(
    context,
    sunny,
    { ...read, diagnostics: [] },
    { subject: { kind: "procedure", procedure }, reason, parameters },
  );
}

/** What is deployed by hand: the named release, or the one that the runbook is for. Other operations are about the active one. */
function releaseFor(
  operation: Operation,
  read: ReadRunbook,
  options: RunOptions,
  raw: ReturnType<typeof rawArguments>,
): Pick<PrepareRequest, "release" | "target"> {
  const version = raw["version"];
  if (operation.name === "rollback" || operation.name === "rollback-db") {
    return typeof version === "string" ? { target: version } : {};
  }
  if (options.release !== undefined) return { release: options.release };
  if (operation.name !== "deploy-production") return {};
  const release = typeof version === "string" ? version : read.runbook.version;
  return release === undefined ? {} : { release };
}

function procedureOf(operations: ReadonlyMap<string, Operation>, read: ReadRunbook, name: string): Procedure {
  const fold = (text: string): string =>
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, " ")
      .trim();
  const { issues } = read.runbook;
  const exact = issues.find((one) => fold(one.title) === fold(name) || one.id === name);
  const partial = issues.filter((one) => fold(one.title).includes(fold(name)));
  const found = exact ?? (partial.length === 1 ? partial[0] : undefined);
  if (found !== undefined) return found;
  const near = closest(name, [...operations.keys(), ...issues.map((one) => one.title)]);
  throw new SunnyError(
    "USAGE",
    `There is no operation or procedure "${name}"${near === undefined ? "" : `; did you mean "${near}"?`}`,
    {
      hint: "`sunny run` lists them.",
    },
  );
}

function given(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
      throw new SunnyError("USAGE", `--param ${pair} is not NAME=VALUE`, {
        hint: "For example --param service-name=payments.",
      });
    }),
  );
}

/** A misspelt parameter would leave the one that was meant open. @throws USAGE */
function known(procedure: Procedure, values: Record<string, string>): Record<string, string> {
  const names = procedure.steps.flatMap((step) => placeholdersOf(step.command).map((one) => one.name));
  const unknown = Object.keys(values).find((name) => !names.includes(name));
  if (unknown === undefined) return values;
  const near = closest(unknown, names);
  throw new SunnyError(
    "USAGE",
    `"${procedure.title}" has no parameter ${unknown}${near === undefined ? "" : `; did you mean ${near}?`}`,
    { hint: `\`sunny run '${procedure.title}' --help\` lists them.` },
  );
}

/** Asks for parameters that were not given, when somebody is there to answer; else compiling the plan names them. */
async function ask(
  context: CliContext,
  procedure: Procedure,
  known: Record<string, string>,
): Promise<Record<string, string>> {
  const values = { ...known };
  const open = procedure.steps
    .flatMap((step) => placeholdersOf(step.command))
    .filter((one) => values[one.name] === undefined);
  if (open.length === 0 || !context.interactive || !process.stdin.isTTY) return values;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    for (const placeholder of open) {
      values[placeholder.name] ??= await terminal.question(`${placeholder.name}: `, { signal: context.signal });
    }
  } finally {
    terminal.close();
  }
  return values;
}
