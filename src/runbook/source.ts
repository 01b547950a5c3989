import type { Place } from "./model.ts";

/** The text of a runbook with its lines, so that offsets can be told as places. */
export interface Source {
  readonly file: string;
  /** As read; offsets count UTF-16 code units in it. */
  readonly text: string;
  /** The same text, character for character, with line ends and NUL made uniform and front matter blanked. */
  readonly markdown: string;
  /** What stands between the `---` lines at the very top. */
  readonly frontMatter: readonly FrontMatterEntry[];
  readonly lineStarts: readonly number[];
}

/** `key: value` of the front matter; the key in lower case, the value without quotes. */
export interface FrontMatterEntry {
  readonly key: string;
  readonly value: string;
}

/** A place with the end of what is meant, on the same line. */
export interface Span extends Place {
  readonly endColumn: number;
}

/** Control characters but for tab and line feed: nothing read from the file may steer a terminal. */
const CONTROL = /(?![\t\n])\p{Cc}/gu;

/** The line below the header of a table, and rules of other kinds. */
const DELIMITERS = /^[ \t>|:-]*[ \t]$/gm;

/** White space after the last delimiter of a table, which the parser takes for no table, goes in front of it. */
function spacesInside(line: string): string {
  const bare = line.trimEnd();
  if (!bare.endsWith("|") || !bare.includes("-")) return line;
  return `${bare.slice(0, -1)}${line.slice(bare.length)}|`;
}

/** Prepares a text for parsing. Every transformation keeps the length, so that one offset is good for all forms. */
export function createSource(text: string, file: string): Source {
  const uniform = text
    .replace(/^\uFEFF/, " ")
    .replaceAll("\r\n", " \n")
    .replaceAll("\r", "\n")
    .replaceAll(CONTROL, "\uFFFD")
    .replaceAll(DELIMITERS, spacesInside);
  const matter = /^---[ \t]*\n([^]*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)/.exec(uniform);
  const markdown = matter === null ? uniform : matter[0].replaceAll(/[^\n]/g, " ") + uniform.slice(matter[0].length);
  return { file, text, markdown, frontMatter: readFrontMatter(matter?.[1] ?? ""), lineStarts: startsOf(uniform) };
}

function readFrontMatter(matter: string): FrontMatterEntry[] {
  return matter.split("\n").flatMap((line) => {
    const entry = /^([A-Za-z][\w -]*?)\s*:\s*(\S.*)$/.exec(line.trim());
    if (entry === null) return [];
    return [{ key: (entry[1] ?? "").toLowerCase(), value: (entry[2] ?? "").replace(/^(["'])(.*)\1$/, "$2").trim() }];
  });
}

function startsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** The line and column of an offset; offsets beyond the text mean its end. */
export function placeAt(source: Source, offset: number): Place {
  const line = lineIndex(source, offset);
  return { line: line + 1, column: Math.max(0, offset - (source.lineStarts[line] ?? 0)) + 1 };
}

/** The span from `from` to `to`, cut at the end of its first line. */
export function spanAt(source: Source, from: number, to: number): Span {
  const place = placeAt(source, from);
  const end = (source.lineStarts[place.line - 1] ?? 0) + lineText(source, place.line).length;
  return { ...place, endColumn: Math.max(place.column + 1, place.column + Math.min(to, end) - from) };
}

/** The text of a line, counted from 1, without its line end. */
export function lineText(source: Source, line: number): string {
  const from = source.lineStarts[line - 1];
  if (from === undefined) return "";
  const to = source.lineStarts[line] ?? source.text.length + 1;
  return source.text.slice(from, to - 1).replace(/\r$/, "");
}

function lineIndex(source: Source, offset: number): number {
  let low = 0;
  let high = source.lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((source.lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
