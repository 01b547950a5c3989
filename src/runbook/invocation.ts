import type { Command as ShellCommand, Statement as ShellStatement } from "unbash";
import { walk, wordsOfCommand } from "./shell.ts";

/** A program that a statement starts, with what was put in front of it taken away. */
export interface Invocation {
  readonly program: string;
  readonly args: readonly string[];
  /** Where it stands in the script. */
  readonly at: number;
  readonly end: number;
  /** `timeout` or a like wrapper ends it. */
  readonly bounded: boolean;
  /** Its input comes from a pipe, a file or a here-document. */
  readonly fed: boolean;
  /** Variables in front of it: `NAME=value program`. */
  readonly assigns: boolean;
}

/** Every program that a statement starts, also inside of pipes, conditions, loops and substitutions. */
export function invocationsOf(statement: ShellStatement): Invocation[] {
  const found: Invocation[] = [];
  const piped = new Set<unknown>();
  walk(statement, (node) => {
    if (node.type === "Pipeline") for (const command of node.commands.slice(1)) piped.add(command);
    if (node.type === "Redirected" && node.redirects.some(isInput)) piped.add(node.command);
    if ((node.type === "While" || node.type === "BraceGroup" || node.type === "Subshell") && piped.has(node)) {
      walk(node, (inner) => piped.add(inner));
    }
    if (node.type === "Command" && node.name !== undefined) found.push(unwrap(node, piped.has(node)));
  });
  return found;
}

function isInput(redirect: { readonly operator: string }): boolean {
  return redirect.operator.startsWith("<");
}

/** Wrappers that run the rest of the line, with the options of theirs that take a value. */
const WRAPPERS: Readonly<Record<string, readonly string[]>> = {
  sudo: ["-u", "-g", "-h", "-p"],
  doas: ["-u"],
  env: ["-u"],
  nohup: [],
  nice: ["-n"],
  ionice: ["-c", "-n"],
  time: [],
  command: [],
  exec: [],
  stdbuf: ["-i", "-o", "-e"],
  timeout: ["-s", "-k", "--signal", "--kill-after"],
  gtimeout: ["-s", "-k", "--signal", "--kill-after"],
};

function unwrap(command: ShellCommand, piped: boolean): Invocation {
  let words = wordsOfCommand(command).map((word) => word.value);
  let bounded = false;
  for (let wrapper = words[0] ?? ""; Object.hasOwn(WRAPPERS, wrapper); wrapper = words[0] ?? "") {
    const rest = afterOptions(words.slice(1), WRAPPERS[wrapper] ?? []);
    const isTimeout = wrapper.endsWith("timeout");
    if (isTimeout) bounded = true;
    const inner = isTimeout ? rest.slice(1) : rest.slice(rest.findIndex((word) => !/^\w+=/.test(word)));
    if (inner.length === 0) break;
    words = inner;
  }
  return {
    program: (words[0] ?? "").split("/").at(-1) ?? "",
    args: words.slice(1),
    at: command.pos,
    end: command.end,
    bounded,
    fed: piped || command.redirects.some(isInput),
    assigns: command.prefix.some((part) => part.type === "Assignment"),
  };
}

function afterOptions(words: readonly string[], withValue: readonly string[]): string[] {
  let index = 0;
  while (index < words.length && (words[index] ?? "").startsWith("-")) {
    index += withValue.includes(words[index] ?? "") ? 2 : 1;
  }
  return words.slice(index);
}

/** True when one of the options is given, alone or in a bundle of letters (`-it`), or as `--name=value`. */
export function hasOption(args: readonly string[], ...names: string[]): boolean {
  return args.some((arg) =>
    names.some((name) =>
      name.startsWith("--") || name.length > 2
        ? arg === name || arg.startsWith(`${name}=`)
        : /^-[A-Za-z0-9]+$/.test(arg) && !arg.startsWith("--") && arg.includes(name.charAt(1)),
    ),
  );
}
