import { forEachChild, parse } from "unbash";
import type { Command as ShellCommand, Statement as ShellStatement, SyntaxNode, Word, WordPart } from "unbash";

/** A statement of a shell text: what becomes one step. */
export interface ShellStep {
  readonly node: ShellStatement;
  readonly at: number;
  /** Here-documents included. */
  readonly end: number;
  /** The first line of the comment directly above. */
  readonly comment?: string;
  /** Every line of that comment. */
  readonly comments: readonly string[];
  /** More than one statement stands under that comment. */
  readonly shared: boolean;
}

export interface ShellScript {
  readonly steps: readonly ShellStep[];
  /** The first thing that is not shell. */
  readonly error?: { readonly message: string; readonly at: number };
}

/** Deeper constructs are not looked into. */
const MAX_DEPTH = 60;

/** Parses a shell text into statements with the comments above them. Any text has a reading; none throws. */
export function readShell(text: string): ShellScript {
  const script = parse(text);
  const hasDocuments = text.includes("<<");
  const ranges = mergeOverlaps(
    script.commands.map((node) => ({ node, at: node.pos, end: hasDocuments ? fullEnd(node) : node.end })),
  );
  const steps = withComments(text, ranges);
  const error = script.errors?.[0] ?? (/[`(]/.test(text) ? nestedError(script.commands) : undefined);
  return error === undefined ? { steps } : { steps, error: { message: error.message, at: error.pos } };
}

function nestedError(statements: readonly ShellStatement[]): { message: string; pos: number } | undefined {
  let found: { message: string; pos: number } | undefined;
  for (const statement of statements) {
    walk(statement, (node) => {
      if (found === undefined && node.type === "Script" && "errors" in node) found = node.errors?.[0];
    });
    if (found !== undefined) return { message: found.message, pos: statement.pos };
  }
  return undefined;
}

interface Range {
  readonly node: ShellStatement;
  readonly at: number;
  readonly end: number;
}

/** The end of a statement with the here-documents that belong to it. */
function fullEnd(statement: ShellStatement): number {
  let end = statement.end;
  walk(statement, (node) => {
    if (node.type === "HereDoc") end = Math.max(end, node.closing?.end ?? node.body.end);
  });
  return end;
}

/** `cat <<EOF; ls` begins a second statement before the first one's document: both stay one step. */
function mergeOverlaps(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last !== undefined && range.at < last.end)
      merged[merged.length - 1] = { ...last, end: Math.max(last.end, range.end) };
    else if (range.end > range.at) merged.push(range);
  }
  return merged;
}

interface Comments {
  readonly lines: string[];
  uses: number;
}

function withComments(text: string, ranges: readonly Range[]): ShellStep[] {
  let position = 0;
  let current: Comments = { lines: [], uses: 0 };
  const owners = ranges.map((range) => {
    // The rest of the line on which the statement before ended is no comment of the next one.
    current = commentsBetween((position === 0 ? "\n" : "") + text.slice(position, range.at), current);
    current.uses += 1;
    position = range.end;
    return current;
  });
  return ranges.map(({ node, at, end }, index) => {
    const owner = owners[index] ?? current;
    const comment = owner.lines[0];
    return {
      node,
      at,
      end,
      comments: owner.lines,
      shared: owner.uses > 1,
      ...(comment === undefined ? {} : { comment }),
    };
  });
}

/** What holds after the gap between two statements: new comment lines, none after an empty line, else the ones before. */
function commentsBetween(gap: string, before: Comments): Comments {
  const lines = gap.split("\n");
  let current = before;
  let fresh = false;
  for (const [index, line] of lines.entries()) {
    const trimmed = line.trim();
    if (index === 0 || (index === lines.length - 1 && trimmed === "")) continue;
    if (!trimmed.startsWith("#")) {
      if (trimmed === "") current = { lines: [], uses: 0 };
      fresh = false;
      continue;
    }
    const comment = trimmed.replace(/^[#!\s]+/, "").trim();
    if (trimmed.startsWith("#!") || !/[\p{L}\p{N}]/u.test(comment)) continue;
    if (fresh) current.lines.push(comment);
    else current = { lines: [comment], uses: 0 };
    fresh = true;
  }
  return current;
}

/** Calls `visit` for a node and everything below it, outer nodes first. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode) => void, depth = 0): void {
  visit(node);
  if (depth < MAX_DEPTH) forEachChild(node, (child) => walk(child, visit, depth + 1));
}

/** The one simple command that a statement consists of, without redirections and variables of its own. */
export function simpleCommand(statement: ShellStatement): ShellCommand | undefined {
  const command = statement.command;
  if (command.type !== "Command" || statement.background === true) return undefined;
  return command.prefix.length === 0 && command.redirects.length === 0 ? command : undefined;
}

/** All words of a simple command, its name first. Assignments among the arguments (`a=b`) have no words. */
export function wordsOfCommand(command: ShellCommand): Word[] {
  const words = command.name === undefined ? [] : [command.name];
  for (const arg of command.args) if (arg.type === "Word") words.push(arg);
  return words;
}

/** True when a word means the same wherever it is read: no expansion, no pattern, no `~`. */
export function isStatic(word: Word): boolean {
  if (word.text.startsWith("~")) return false;
  return (word.parts ?? []).every((part) => isStaticPart(part));
}

function isStaticPart(part: WordPart): boolean {
  switch (part.type) {
    case "Literal":
    case "SingleQuoted":
    case "AnsiCQuoted":
      return true;
    case "DoubleQuoted":
      return part.parts.every((child) => child.type === "Literal");
    default:
      return false;
  }
}
