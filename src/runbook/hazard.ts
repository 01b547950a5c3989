import type { CommandNode, PipelineNode } from "unbash";
import type { DiagnosticCode } from "./catalogue.ts";
import { neverEnds, sleepSeconds, waitsForPerson } from "./endless.ts";
import { hasOption, invocationsOf } from "./invocation.ts";
import type { Invocation } from "./invocation.ts";
import { readShell } from "./shell.ts";
import type { ShellStep } from "./shell.ts";
import { STAND_IN } from "./placeholder.ts";
import { unsetVariables } from "./variables.ts";

/** Something about a statement that its author should know, by offsets into the script. */
export interface Hazard {
  readonly code: DiagnosticCode;
  readonly at: number;
  readonly end: number;
  readonly message: string;
}

/** What is wrong with a statement by itself; `before` is the text on its line in front of it. */
export function hazardsOf(step: ShellStep, before: string, usesVariables = true): Hazard[] {
  const calls = invocationsOf(step.node);
  const hazards = [...stateHazards(step, before), ...outcomeHazards(step, before)];
  for (const call of calls) hazards.push(...callHazards(call));
  hazards.push(...downloadHazards(step, calls), ...(usesVariables ? variableHazards(step) : []));
  return hazards;
}

const STATE: Readonly<Record<string, string>> = {
  cd: "changes the directory",
  pushd: "changes the directory",
  popd: "changes the directory",
  export: "sets a variable",
  unset: "removes a variable",
  declare: "sets a variable",
  readonly: "sets a variable",
  source: "reads settings",
  ".": "reads settings",
  alias: "defines an alias",
  umask: "changes the shell",
  shopt: "changes the shell",
};

/** True for `set -euo pipefail` and the like, which hold for every step anyway. */
export function isImpliedOption(step: ShellStep): boolean {
  const command = step.node.command;
  if (command.type !== "Command" || command.name?.value !== "set") return false;
  return command.args.length > 0 && command.args.every((arg) => !arg.text.startsWith("+"));
}

function stateHazards(step: ShellStep, before: string): Hazard[] {
  const { node, at } = step;
  const command = node.command;
  const whole = { at, end: firstLineEnd(step) };
  if (command.type === "Function")
    return [{ code: "RB205", ...whole, message: "A function is gone in the next step." }];
  if (command.type !== "Command") return [];
  const name = command.name?.value;
  if (name === undefined && command.prefix.length > 0) {
    return [{ code: "RB205", ...whole, message: "A variable set on a line of its own is gone in the next step." }];
  }
  if (name === "set" && command.args.some((arg) => arg.text.startsWith("+e"))) {
    return [{ code: "RB210", ...whole, message: "`set +e` makes failures pass unnoticed." }];
  }
  if (isImpliedOption(step)) {
    return [{ code: "RB219", ...whole, message: "Steps stop at the first error without being told to." }];
  }
  const what = name === undefined || !Object.hasOwn(STATE, name) ? undefined : STATE[name];
  if (what === undefined) return [];
  const joined = before.trim() === "" ? "on a line of its own" : "as a command of its own";
  return [{ code: "RB205", ...whole, message: `\`${name}\` ${what} for its own step only: it stands ${joined}.` }];
}

function firstLineEnd(step: ShellStep): number {
  return Math.min(step.end, step.node.end);
}

/** What throws the exit status away. */
function outcomeHazards(step: ShellStep, before: string): Hazard[] {
  const { node, at } = step;
  const whole = { at, end: firstLineEnd(step) };
  const command = node.command;
  if (node.background === true) {
    return [{ code: "RB217", ...whole, message: "The command is put in the background, where its outcome is lost." }];
  }
  if (/;\s*$/.test(before) && isNoOp(command)) {
    return [{ code: "RB210", ...whole, message: "What follows the semicolon always succeeds, whatever came before." }];
  }
  const tail =
    command.type === "Subshell" || command.type === "BraceGroup" ? command.body.commands.at(-1)?.command : command;
  if (tail?.type === "AndOr" && tail.operators.at(-1) === "||" && cannotFail(tail.commands.at(-1))) {
    return [{ code: "RB210", ...whole, message: "What follows `||` always succeeds, so the step cannot fail." }];
  }
  if (command.type === "While" && isForever(command.kind, command.clause.commands[0]?.command)) {
    return [{ code: "RB207", ...whole, message: "The loop has no end." }];
  }
  if (command.type === "ArithmeticFor" || command.type === "Select") {
    const isSelect = command.type === "Select";
    if (isSelect) return [{ code: "RB208", ...whole, message: "`select` waits for a choice." }];
  }
  return [];
}

function isForever(kind: "while" | "until", clause: PipelineNode | { type: "AndOr" } | undefined): boolean {
  if (clause?.type !== "Command") return false;
  const name = clause.name?.value;
  return kind === "while" ? name === "true" || name === ":" : name === "false";
}

function isNoOp(node: { readonly type: string }): boolean {
  return cannotFail(node as CommandNode, /^(?:true|:|exit)$/);
}

const HARMLESS = /^(?:true|:|echo|printf|exit|logger|warn|log)$/;

function cannotFail(node: PipelineNode | undefined, harmless = HARMLESS): boolean {
  if (node?.type === "BraceGroup" || node?.type === "Subshell") {
    const last = node.body.commands.at(-1)?.command;
    return last?.type === "Command" && cannotFail(last, harmless);
  }
  if (node?.type !== "Command") return false;
  const name = (node.name?.value ?? "").split("/").at(-1) ?? "";
  const [status] = node.args;
  if (name === "exit") return status?.type === "Word" && status.value === "0";
  return harmless.test(name);
}

function callHazards(call: Invocation): Hazard[] {
  const whole = { at: call.at, end: call.end };
  const name = call.program;
  const hazards: Hazard[] = [];
  if (neverEnds(call))
    hazards.push({ code: "RB207", ...whole, message: `\`${name}\` as it is called here never ends.` });
  else if (waitsForPerson(call)) hazards.push({ code: "RB208", ...whole, message: `\`${name}\` waits for a person.` });
  const seconds = sleepSeconds(call);
  if (seconds >= 60) {
    const last = `The sleep lasts ${Math.round(seconds)} s, and starts again after a crash.`;
    hazards.push({ code: "RB209", ...whole, message: last });
  }
  if ((name === "terraform" || name === "tofu") && call.args.some((arg) => /^--?auto-approve(?:=true)?$/.test(arg))) {
    hazards.push({ code: "RB216", ...whole, message: "`-auto-approve` skips the question before changes are made." });
  }
  const remote = remoteCommand(call);
  if (remote === "" && !call.fed && !hasOption(call.args, "-N", "-O", "-V", "-G", "-Q")) {
    hazards.push({
      code: "RB206",
      ...whole,
      message: "`ssh` without a command: what follows would run on this machine.",
    });
  }
  if (remote !== undefined && remote !== "") hazards.push(...remoteHazards(remote, call));
  return hazards;
}

const SSH_VALUES = new Set("-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w -B".split(" "));

/** What another shell is told to run: the words after the host of `ssh`, the text after `bash -c`. */
function remoteCommand(call: Invocation): string | undefined {
  const { program, args } = call;
  if (/^(?:ba|z)?sh$/.test(program)) {
    const at = args.findIndex((arg) => /^-[a-z]*c$/.test(arg));
    return at === -1 ? undefined : args[at + 1];
  }
  if (program !== "ssh") return undefined;
  let index = 0;
  while (index < args.length && (args[index] ?? "").startsWith("-")) index += SSH_VALUES.has(args[index] ?? "") ? 2 : 1;
  return args.slice(index + 1).join(" ");
}

function remoteHazards(text: string, call: Invocation): Hazard[] {
  const found: Hazard[] = [];
  for (const step of readShell(text).steps) {
    for (const inner of invocationsOf(step.node)) {
      const program = inner.program;
      if (neverEnds(inner) && !call.bounded) {
        found.push({
          code: "RB207",
          at: call.at,
          end: call.end,
          message: `\`${program}\` on the other side never ends.`,
        });
      } else if (waitsForPerson(inner)) {
        const message = `\`${program}\` on the other side waits for a person.`;
        found.push({ code: "RB208", at: call.at, end: call.end, message });
      }
    }
  }
  return found;
}

function downloadHazards(step: ShellStep, calls: readonly Invocation[]): Hazard[] {
  const command = step.node.command;
  if (command.type !== "Pipeline") return [];
  const [first] = calls;
  const shell = calls.find((call) => call.fed && /^(?:ba|z|da)?sh$|^python3?$|^node$/.test(call.program));
  if (shell === undefined || (first?.program !== "curl" && first?.program !== "wget")) return [];
  const message = `What ${first.program} fetches is handed to \`${shell.program}\` unseen.`;
  return [{ code: "RB220", at: step.at, end: firstLineEnd(step), message }];
}

function variableHazards(step: ShellStep): Hazard[] {
  return unsetVariables(step.node)
    .filter((variable) => !variable.name.includes(STAND_IN))
    .map(({ name, at, end }) => ({ code: "RB218", at, end, message: `Nothing in this command sets \`${name}\`.` }));
}
