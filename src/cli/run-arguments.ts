import { SunnyError } from "../errors.ts";

/** Options of `sunny run` itself. */
export interface RunOptions {
  readonly runbook?: string;
  readonly release?: string;
  readonly reason?: string;
  readonly param?: readonly string[];
}

/** What follows the name in `sunny run NAME ...`, told apart. */
export interface RunCall {
  readonly options: RunOptions;
  /** What the operation takes. */
  readonly args: readonly string[];
  /** Only tell what it takes. */
  readonly help: boolean;
}

/** Options of every verb, read before the verb is called: they may stand anywhere before `--`. */
const GLOBAL_FLAGS = ["--json", "--no-color"];
const GLOBAL_VALUES = ["--config", "-c", "--as"];

/**
 * Tells the options of `sunny run` and of every verb from what the operation takes. Everything behind `--` is the
 * operation's; a script of Sunny's hands all that it is given over behind it.
 *
 * @throws USAGE when an option lacks its value
 */
export function runArguments(words: readonly string[], given: RunOptions): RunCall {
  const end = words.indexOf("--");
  const own = end === -1 ? [...words] : words.slice(0, end);
  const args: string[] = [];
  const params = [...(given.param ?? [])];
  const values: Record<string, string> = {};
  let help = false;
  for (let word = own.shift(); word !== undefined; word = own.shift()) {
    const [name, inline] = word.startsWith("--") ? split(word) : [word, undefined];
    const value = (): string => inline ?? own.shift() ?? missing(name);
    if (name === "--help" || name === "-h") help = true;
    else if (GLOBAL_FLAGS.includes(name)) continue;
    else if (GLOBAL_VALUES.includes(name)) value();
    else if (name === "--param") params.push(value(), ...takePairs(own));
    else if (name === "--runbook" || name === "--release" || name === "--reason") values[name.slice(2)] = value();
    else args.push(word);
  }
  const behind = end === -1 ? [] : words.slice(end + 1);
  // By hand: `./scripts/migrate.js --help`.
  if (behind[0] === "--help") help = true;
  return { options: { ...given, ...values, param: params }, args: [...args, ...behind], help };
}

function split(word: string): [string, string | undefined] {
  const at = word.indexOf("=");
  return at === -1 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function takePairs(words: string[]): string[] {
  const pairs: string[] = [];
  while (/^[a-z][\w-]*=/i.test(words[0] ?? "")) pairs.push(words.shift() ?? "");
  return pairs;
}

function missing(name: string): never {
  throw new SunnyError("USAGE", `${name} lacks its value`, { hint: `Write ${name} VALUE.` });
}
