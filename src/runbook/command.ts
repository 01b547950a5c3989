import type { Statement as ShellStatement, Word } from "unbash";
import { readCurl } from "./curl.ts";
import type { Arg, Command, Placeholder } from "./model.ts";
import { STAND_IN_PATTERN } from "./placeholder.ts";
import type { FoundPlaceholder } from "./placeholder.ts";
import { quotingAt, reference } from "./quoting.ts";
import { isStatic, simpleCommand, wordsOfCommand } from "./shell.ts";

/** A placeholder with its offsets in the script that the statement was parsed from. */
export interface PlacedPlaceholder {
  readonly found: FoundPlaceholder;
  readonly placeholder: Placeholder;
}

export interface CommandInput {
  readonly node: ShellStatement;
  readonly at: number;
  readonly end: number;
  /** The shell text as written; offsets count in it. */
  readonly text: string;
  /** The placeholders inside of the statement, in order. */
  readonly placeholders: readonly PlacedPlaceholder[];
}

export interface BuiltCommand {
  readonly command: Command;
  /** Placeholders whose values cannot be put where they stand. */
  readonly unquotable: readonly Placeholder[];
}

/** Says what a statement is: a script, a request, a Terraform call, or a subprocess when it is anything else. */
export function buildCommand(input: CommandInput): BuiltCommand {
  const argv = argvOf(input);
  const known = argv === undefined ? undefined : recognise(argv);
  if (known !== undefined) return { command: known, unquotable: [] };
  const { source, unquotable } = quotedSource(input);
  const placeholders = input.placeholders.map((one) => one.placeholder);
  return {
    command: { kind: "subprocess", source, ...(argv === undefined ? {} : { argv }), placeholders },
    unquotable: argv === undefined ? unquotable : [],
  };
}

/** The words of a simple command whose words are all static. */
function argvOf(input: CommandInput): Arg[] | undefined {
  const command = simpleCommand(input.node);
  if (command === undefined) return undefined;
  const words = wordsOfCommand(command);
  const complete = words.length === command.args.length + 1 && words.every(isStatic);
  return complete ? words.map((word) => toArg(word, input.placeholders)) : undefined;
}

function toArg(word: Word, placed: readonly PlacedPlaceholder[]): Arg {
  const inside = placed.filter((one) => word.pos <= one.found.at && one.found.at < word.end);
  const [first] = inside;
  if (first === undefined) return { kind: "literal", value: word.value };
  const texts = word.value.split(STAND_IN_PATTERN);
  const parts = texts.flatMap((text, index): (string | Placeholder)[] => {
    const next = inside[index];
    return [...(text === "" ? [] : [text]), ...(next === undefined ? [] : [next.placeholder])];
  });
  return parts.length === 1 ? { kind: "placeholder", placeholder: first.placeholder } : { kind: "template", parts };
}

const INTERPRETERS = new Set(["bash", "sh", "node"]);

function recognise(argv: readonly Arg[]): Command | undefined {
  const [head, ...args] = argv;
  if (head?.kind !== "literal") return undefined;
  const program = head.value;
  if (program === "curl") return readCurl(args).http;
  if (program === "terraform" || program === "tofu") return readTerraform(program, args);
  if (isScriptPath(program)) return { kind: "script", path: program, name: scriptName(program), args };
  const [script, ...rest] = args;
  if (INTERPRETERS.has(program) && script?.kind === "literal" && isScriptPath(script.value)) {
    return { kind: "script", path: script.value, name: scriptName(script.value), args: rest, interpreter: program };
  }
  return undefined;
}

/** A relative path: what belongs to the runbook. `/usr/bin/x` belongs to the machine. */
function isScriptPath(word: string): boolean {
  return /^(?:\.{1,2}\/|[\w.-]+\/)[^\s:]+$/.test(word) && !word.endsWith("/");
}

function scriptName(path: string): string {
  return (path.split("/").at(-1) ?? path).replace(/(?<=.)\.[A-Za-z0-9]+$/, "");
}

function readTerraform(program: "terraform" | "tofu", args: readonly Arg[]): Command | undefined {
  let rest = [...args];
  let directory: string | undefined;
  const [first] = rest;
  if (first?.kind === "literal" && first.value.startsWith("-chdir=")) {
    directory = first.value.slice("-chdir=".length);
    rest = rest.slice(1);
  }
  const [verb, ...following] = rest;
  if (verb?.kind !== "literal" || verb.value.startsWith("-")) return undefined;
  return {
    kind: "terraform",
    program,
    verb: verb.value,
    ...(directory === undefined ? {} : { directory }),
    args: following,
  };
}

/** The statement with each placeholder replaced by a quoted reference to its environment variable. */
function quotedSource(input: CommandInput): { source: string; unquotable: Placeholder[] } {
  const unquotable: Placeholder[] = [];
  let source = "";
  let position = input.at;
  for (const { found, placeholder } of input.placeholders) {
    const quoting = quotingAt(input.node, found.at);
    if (quoting === "unsafe") unquotable.push(placeholder);
    source += input.text.slice(position, found.at);
    source += quoting === "unsafe" ? found.text : reference(placeholder.variable, quoting);
    position = found.end;
  }
  return { source: source + input.text.slice(position, input.end), unquotable };
}
