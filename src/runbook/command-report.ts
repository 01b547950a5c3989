import type { BuiltCommand, PlacedPlaceholder } from "./command.ts";
import { readCurl } from "./curl.ts";
import type { Arg, Command, Placeholder } from "./model.ts";
import { report } from "./reading.ts";
import type { Range, Reading } from "./reading.ts";

/** What surrounds a command and decides how it is judged and named. */
export interface Frame {
  readonly procedureId: string;
  /** `deploy` and `rollback` run by themselves; in `operator` procedures a person is asked for parameters. */
  readonly mode: "deploy" | "rollback" | "operator";
  /** A person is there and carries out what has no command. */
  readonly attended?: boolean;
  /** Directories in which a Terraform plan stands before; shared by everything that runs in one go. */
  readonly planned: Set<string>;
  /** The instruction or the list item that the command belongs to. */
  readonly label?: string;
  /** It is the only command there. */
  readonly single?: boolean;
}

/** A command with its placeholders and the stretch of the source that it takes. */
export interface JudgedCommand {
  readonly built: BuiltCommand;
  readonly placeholders: readonly PlacedPlaceholder[];
  readonly range: Range;
}

/** Says what is wrong with a command as a whole: its placeholders, its curl and Terraform calls. */
export function reportCommand(reading: Reading, judged: JudgedCommand, frame: Frame): void {
  for (const { placeholder } of judged.placeholders) reportPlaceholder(reading, placeholder, frame);
  for (const placeholder of judged.built.unquotable) {
    const message = `\`${placeholder.text}\` stands where its value cannot be quoted.`;
    report(reading, "RB203", rangeOf(reading, placeholder), message);
  }
  reportTerraform(reading, judged, frame);
  reportCurl(reading, judged);
}

function rangeOf(reading: Reading, placeholder: Placeholder): Range {
  const at = (reading.source.lineStarts[placeholder.line - 1] ?? 0) + placeholder.column - 1;
  return { at, end: at + placeholder.text.length };
}

/** What Sunny knows by itself when it deploys or goes back. */
const RESOLVED = new Set(["version", "previous-version", "environment", "service"]);

function reportPlaceholder(reading: Reading, placeholder: Placeholder, frame: Frame): void {
  const range = rangeOf(reading, placeholder);
  const { text, name, parameter } = placeholder;
  if (/^[.…]+$/.test(text)) {
    report(reading, "RB201", range, `\`${text}\` leaves out a part of the command.`, "Write the command in full.");
  } else if (frame.mode === "operator") {
    if (parameter === "other") report(reading, "RB202", range, `\`${text}\` is asked for when the procedure is run.`);
  } else if (frame.mode === "rollback" && name === "version") {
    report(reading, "RB204", range, `\`${text}\` in a rollback can mean the new release or the one before it.`);
  } else if (!RESOLVED.has(parameter)) {
    report(reading, "RB201", range, `Nothing says what \`${text}\` stands for.`);
  }
}

function reportTerraform(reading: Reading, judged: JudgedCommand, frame: Frame): void {
  const { command } = judged.built;
  const calls = terraformCalls(command);
  for (const { verb, directory } of calls) {
    if (verb === "plan") frame.planned.add(directory);
    if (verb === "apply" && !frame.planned.has(directory)) {
      report(reading, "RB215", judged.range, "Nothing shows what this apply would change: no plan stands before it.");
    }
  }
}

function terraformCalls(command: Command): { verb: string; directory: string }[] {
  if (command.kind === "terraform") return [{ verb: command.verb, directory: command.directory ?? "" }];
  if (command.kind !== "subprocess") return [];
  const calls = command.source.matchAll(
    /(?:^|[\s;&|(])(?:terraform|tofu)\s+(?:-chdir=(\S+)\s+)?(plan|apply)(?=$|[\s;&|)])/g,
  );
  const moved = /(?:^|[\s;&(])cd\s+([^\s;&|]+)/.exec(command.source)?.[1];
  return [...calls].map((call) => ({ verb: call[2] ?? "", directory: call[1] ?? moved ?? "" }));
}

function reportCurl(reading: Reading, judged: JudgedCommand): void {
  const { command } = judged.built;
  if (command.kind === "http") {
    if (!command.failFlag) {
      const message = "curl exits 0 on an error status. Sunny makes the request itself and fails on such a status.";
      report(reading, "RB213", judged.range, message);
    }
    return;
  }
  if (command.kind !== "subprocess") return;
  const call = curlCall(command.argv, command.source);
  if (call === undefined) return;
  if (call.insecure) report(reading, "RB221", judged.range, "The server's certificate is not checked.");
  if (!call.fails) {
    const message =
      "curl exits 0 on an error status, and this call runs as it is written: the step passes on such a status.";
    report(reading, "RB213", judged.range, message, "Write `curl --fail`.");
  }
}

/** The first curl call of a command; by its words when they are known, else by its text. */
function curlCall(argv: readonly Arg[] | undefined, source: string): { fails: boolean; insecure: boolean } | undefined {
  const [head, ...args] = argv ?? [];
  if (head?.kind === "literal") return head.value === "curl" ? readCurl(args) : undefined;
  const text = /(?:^|[\s;&|(])curl\s([^|;&\n]*(?:\\\n[^|;&\n]*)*)/.exec(source)?.[1];
  if (text === undefined) return undefined;
  return {
    fails: /(?:^|\s)(?:--fail\b|--fail-with-body\b|-[A-Za-z]*f[A-Za-z]*(?=\s|$))/.test(text),
    insecure: /(?:^|\s)(?:--insecure\b|-[A-Za-z]*k[A-Za-z]*(?=\s|$))/.test(text),
  };
}
