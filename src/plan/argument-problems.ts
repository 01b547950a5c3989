import type { z } from "zod";
import { closest } from "../system/closest.ts";
import type { RawArguments } from "./arguments.ts";

type Issue = z.core.$ZodIssue;

/**
 * What is wrong with the arguments of an operation, as the person who wrote them reads it: options with their dashes, the
 * value that was given, and the option that was probably meant. One clause each, separated by semicolons.
 */
export function argumentProblems(error: z.ZodError, raw: unknown, options: readonly string[] = []): string {
  const given = (typeof raw === "object" && raw !== null ? raw : {}) as Partial<RawArguments>;
  return error.issues.flatMap((issue) => problemsOf(issue, given, options)).join("; ");
}

function problemsOf(issue: Issue, given: Partial<RawArguments>, options: readonly string[]): string[] {
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownOption(key, options));
  const [name] = issue.path;
  if (typeof name !== "string") return [issue.message];
  if (name === "_") return [positionalProblem(issue, given._ ?? [])];
  const value = given[name];
  if (value === undefined) return [`--${name} is missing`];
  if (value === true) return [`--${name} lacks its value`];
  if (issue.code === "invalid_value" && issue.values.length === 1 && issue.values[0] === true) {
    return [`--${name} takes no value: ${String(value)}`];
  }
  const why = issue.code === "invalid_type" && issue.expected === "number" ? "that is no number" : issue.message;
  return [`--${name} cannot be "${String(value)}": ${why}`];
}

function unknownOption(key: string, options: readonly string[]): string {
  const near = closest(key, options);
  return `there is no option --${key}${near === undefined ? "" : `; did you mean --${near}?`}`;
}

/** The operation says by itself what it takes; what it was given says which word is too much. */
function positionalProblem(issue: Issue, words: readonly string[]): string {
  return issue.code === "too_big" && words.length > 0 ? `${words.join(" ")}: ${issue.message}` : issue.message;
}
