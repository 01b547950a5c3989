import { z } from "zod";
import { SunnyError } from "../errors.ts";
import type { Operation } from "../operation.ts";

/** Arguments as operations get them: long options by name, everything else under `_`, in order. */
export interface RawArguments {
  readonly _: readonly string[];
  readonly [option: string]: string | true | readonly string[];
}

/**
 * Reads the words after a command: `--name value`, `--name=value`, `--flag`, and positionals. `--` ends the options. An
 * option takes the next word as its value unless that begins with a hyphen.
 * @throws USAGE when an option is given twice
 */
export function rawArguments(words: readonly string[]): RawArguments {
  const options: Record<string, string | true> = {};
  const positionals: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (word === "--") {
      positionals.push(...words.slice(i + 1));
      break;
    }
    const match = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(word);
    const name = match?.[1];
    if (name === undefined) {
      positionals.push(word);
      continue;
    }
    if (Object.hasOwn(options, name)) {
      throw new SunnyError("USAGE", `The option --${name} is given twice`, { hint: `Keep one --${name}.` });
    }
    const next = words[i + 1];
    if (match?.[2] !== undefined) options[name] = match[2];
    else if (next !== undefined && !next.startsWith("-")) [options[name], i] = [next, i + 1];
    else options[name] = true;
  }
  return { ...options, _: positionals };
}

/** The long options that an operation takes, without dashes. */
export function optionsOf({ args }: Pick<Operation, "args">): readonly string[] {
  const { properties = {} } = z.toJSONSchema(args, { io: "input", unrepresentable: "any" });
  return Object.keys(properties).filter((name) => name !== "_");
}
