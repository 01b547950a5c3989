import process from "node:process";
import { Command, CommanderError } from "commander";
import { systemClock } from "../clock.ts";
import { messageOf, placeInModule, renderError, SunnyError } from "../errors.ts";
import { closest } from "../system/closest.ts";
import { VERSION } from "../version.ts";
import { createContext, type ContextState, type GlobalOptions } from "./context.ts";
import { createOutput, errorData, EXIT, exitStatusOf } from "./output.ts";
import { VERBS } from "./verbs.ts";

/** Runs one command line and returns its exit status. Loads only the verb that is called. */
export async function runCli(args: readonly string[]): Promise<number> {
  const abort = new AbortController();
  const stop = (signal: NodeJS.Signals): void => abort.abort(new SunnyError("INTERRUPTED", `Interrupted by ${signal}`));
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, stop);
  // Who reads only the beginning of a help text has what they wanted.
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
  const state: ContextState = { status: EXIT.done, opened: undefined, output: undefined };
  try {
    const program = await buildProgram(args, abort.signal, state);
    await program.parseAsync([...args], { from: "user" });
    return state.status;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    return await fail(brokenModule(error) ?? error, args, state);
  } finally {
    await close(state);
  }
}

/** What cannot be tidied up is said, and changes nothing about what was done: its outcome is on record already. */
async function close({ opened, output }: ContextState): Promise<void> {
  try {
    await opened?.close();
  } catch (error) {
    output?.note(renderError(error));
  }
}

/** A module of Sunny's own, or a package's, that cannot be read: what is there was changed, or came half. */
function brokenModule(error: unknown): SunnyError | undefined {
  const place = placeInModule(error);
  if (place === undefined) return undefined;
  return new SunnyError("INTERNAL", `A module of Sunny cannot be loaded: ${messageOf(error)}`, {
    place,
    hint: "`git status` in the clone shows what was changed; `npm ci` brings the packages back as they were.",
    cause: error,
  });
}

/** Shows what went wrong, as the last thing that the command says. */
async function fail(error: unknown, args: readonly string[], { output }: ContextState): Promise<number> {
  const { stdout, stderr } = process;
  const json = args.includes("--json");
  const shown = output ?? createOutput({ json, stdout, stderr, clock: systemClock });
  const isUsage = error instanceof CommanderError;
  const status = isUsage ? EXIT.usage : exitStatusOf(error);
  // Commander has told people already.
  if (isUsage) shown.event("error", { code: "USAGE", message: usageMessage(error) });
  else shown.error(await told(error));
  shown.summary({ outcome: OUTCOMES[status], status, error: isUsage ? "USAGE" : errorData(error)["code"] });
  return status;
}

/** With what to do about it; where the remedies themselves cannot be loaded the error is told without. */
async function told(error: unknown): Promise<unknown> {
  try {
    const { withRemedy } = await import("../error-remedies.ts");
    return withRemedy(error);
  } catch {
    return error;
  }
}

function usageMessage({ code, message }: CommanderError): string {
  return code === "commander.help" ? "No verb was given" : message.replace(/^error: /, "");
}

/** What the summary of a command calls the ways in which it failed. */
const OUTCOMES: Readonly<Record<number, string>> = {
  [EXIT.refused]: "refused",
  [EXIT.usage]: "usage",
  [EXIT.interrupted]: "interrupted",
};

async function buildProgram(args: readonly string[], signal: AbortSignal, state: ContextState): Promise<Command> {
  const program = new Command("sunny")
    .description("Runs a team's own deployment runbook: checked, durable, watched, reversible, audited.")
    .version(VERSION, "-V, --version")
    .option("-c, --config <file>", "the system's description (default: sunny.config.* here or above, or $SUNNY_CONFIG)")
    .option("--json", "one event a line on stdout; the last one is the summary")
    .option("--no-color", "no colours (also $NO_COLOR)")
    .option("--as <name>", "the person on whose behalf this is done (default: $SUNNY_ACTOR or the user)")
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError("`sunny --help` lists the verbs, `sunny VERB --help` their options.")
    .addHelpText(
      "after",
      "\nEverything is documented under docs/; exit statuses: 0 done, 1 refused, 2 usage, 3 rolled back, 4 held, 130 interrupted.",
    );
  const called = calledVerb(args);
  for (const [name, verb] of Object.entries(VERBS)) {
    // The others are only ever listed.
    if (called !== undefined && name !== called) continue;
    const command = program.command(name).summary(verb.summary).helpGroup(`${verb.group}:`).exitOverride();
    command.description(`${verb.summary[0]?.toUpperCase() ?? ""}${verb.summary.slice(1)}.`);
    if (name !== called) continue;
    takeGlobals(command, name !== ANSWERING);
    const { needsInventory = false, connectsAnew = false } = verb;
    const options = { ...globalOptions(args, name), needsInventory, connectsAnew };
    (await verb.load()).configure(command, await createContext(options, process, signal, state));
    for (const part of command.commands) takeGlobals(part, true);
  }
  if (called === undefined && args.some((arg) => !arg.startsWith("-"))) unknownVerb(args);
  return program;
}

/** Lets a verb, or a part of one such as `audit verify`, take the options of every verb; they are read before it is called. */
function takeGlobals(command: Command, withAs: boolean): void {
  const own = command.options.length;
  command.option("-c, --config <file>").option("--json").option("--no-color").option("--by <name>");
  if (withAs) command.option("--as <name>");
  for (const option of command.options.slice(own)) option.hideHelp();
}

/** The first word that is a verb; options before it and their values are skipped. */
function calledVerb(args: readonly string[]): string | undefined {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (["-c", "--config", "--as", "--by"].includes(arg)) i++;
    else if (!arg.startsWith("-")) return Object.hasOwn(VERBS, arg) ? arg : undefined;
  }
  return undefined;
}

/** After this verb `--as` is the answer; the person is said before it, or with `--by`. */
const ANSWERING = "resolve";

/** Global options may stand before the verb or after it, up to `--`. */
function globalOptions(args: readonly string[], verb: string): GlobalOptions {
  const end = args.indexOf("--");
  const own = end === -1 ? args : args.slice(0, end);
  const valueOf = (names: readonly string[], within = own): string | undefined => {
    for (const [i, arg] of within.entries()) {
      const name = names.find((one) => arg === one || (one.startsWith("--") && arg.startsWith(`${one}=`)));
      if (name !== undefined) return arg === name ? within[i + 1] : arg.slice(name.length + 1);
    }
    return undefined;
  };
  const config = valueOf(["--config", "-c"]);
  const before = verb === ANSWERING ? own.slice(0, own.indexOf(verb)) : own;
  const as = valueOf(["--by"]) ?? valueOf(["--as"], before);
  return {
    ...(config === undefined ? {} : { config }),
    ...(as === undefined ? {} : { as }),
    json: own.includes("--json"),
    color: !own.includes("--no-color"),
  };
}

function unknownVerb(args: readonly string[]): void {
  const word = args.find((arg) => !arg.startsWith("-")) ?? "";
  if (word === "help") return;
  const near = closest(word, Object.keys(VERBS));
  throw new SunnyError("USAGE", `There is no verb "${word}"${near === undefined ? "" : `; did you mean "${near}"?`}`, {
    hint: "`sunny --help` lists the verbs.",
  });
}
