import type { Arg, Command, ParameterKind, Placeholder } from "./model.ts";

const KNOWN: Readonly<Record<string, ParameterKind>> = {
  version: "version",
  "new-version": "version",
  release: "version",
  "new-release": "version",
  "previous-version": "previous-version",
  "previous-release": "previous-version",
  environment: "environment",
  env: "environment",
  service: "service",
  "service-name": "service",
  host: "host",
  hostname: "host",
};

/** What the placeholder of this name stands for; `other` for names that Sunny does not know. */
export function parameterKind(name: string): ParameterKind {
  return Object.hasOwn(KNOWN, name) ? (KNOWN[name] ?? "other") : "other";
}

/**
 * What a value must look like. No pattern admits white space, a leading hyphen or a character that any shell treats
 * specially, so a value stays one word even where a remote shell reads it a second time.
 */
export const PARAMETER_PATTERNS: Readonly<Record<ParameterKind, RegExp>> = {
  version: /^v?\d+(?:\.\d+){0,3}(?:[-+][0-9A-Za-z.+-]+)?$/,
  "previous-version": /^v?\d+(?:\.\d+){0,3}(?:[-+][0-9A-Za-z.+-]+)?$/,
  environment: /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  service: /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/,
  host: /^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$/,
  other: /^[A-Za-z0-9][A-Za-z0-9._:@/+=,-]{0,252}$/,
};

/** The text of a word with its placeholders filled in by `resolve`. */
export function argText(arg: Arg, resolve: (placeholder: Placeholder) => string): string {
  switch (arg.kind) {
    case "literal":
      return arg.value;
    case "placeholder":
      return resolve(arg.placeholder);
    case "template":
      return arg.parts.map((part) => (typeof part === "string" ? part : resolve(part))).join("");
  }
}

/** The placeholders of a command in the order of the text, repeated ones included. */
export function placeholdersOf(command: Command): readonly Placeholder[] {
  switch (command.kind) {
    case "script":
    case "terraform":
      return command.args.flatMap(placeholdersOfArg);
    case "http":
      return placeholdersOfArg(command.url);
    case "subprocess":
      return command.placeholders;
  }
}

function placeholdersOfArg(arg: Arg): readonly Placeholder[] {
  switch (arg.kind) {
    case "literal":
      return [];
    case "placeholder":
      return [arg.placeholder];
    case "template":
      return arg.parts.filter((part) => typeof part !== "string");
  }
}
