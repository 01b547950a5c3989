import { parameterKind } from "./parameter.ts";
import type { ParameterKind } from "./model.ts";

/** A placeholder in a piece of text, by offsets into it. */
export interface FoundPlaceholder {
  readonly text: string;
  readonly name: string;
  readonly parameter: ParameterKind;
  readonly at: number;
  readonly end: number;
}

/**
 * What people write for a value that is to be filled in. Shell syntax that looks alike is left alone: redirections
 * with a space (`sort < in > out`), here-documents, tests and patterns (`[ -f x ]`, `[0-9]`), Go templates
 * (`{{.State}}`) and package patterns (`./...`).
 */
const FORMS: readonly RegExp[] = [
  // <previous-version>
  /(?<![<$&])<([A-Za-z](?:[\w .:/|-]*[\w.)])?)>(?!\()/g,
  // {{ version }}
  /\{\{\s*((?!(?:end|else|range|if|with|block|define|template)\b)[A-Za-z][\w-]*)\s*\}\}/g,
  // [version], as a word or as a part of a path, an option or a string
  /(?<=^|[\s=/:@"'-])\[([A-Za-z][A-Za-z]*(?:[ _-][A-Za-z]+)+|[A-Za-z]{4,})\](?=$|[\s/.:"'@-])/gm,
  /(?<=^|\s)\[([A-Za-z][\w-]*)\](?=\s|$)/gm,
  // YOUR_TOKEN, CHANGEME, INSERT_NAME_HERE
  /(?<![$\w{])((?:YOUR|MY|INSERT|REPLACE|ENTER)_[A-Z0-9_]+|CHANGE_?ME|REPLACE_?ME|TODO|TBD|XXX+)(?!\w)/g,
  // vX.Y.Z, x.x.x
  /(?<![\w.])([vV]?(?:X\.Y(?:\.Z)?|x\.y(?:\.z)?|[Xx]\.[Xx](?:\.[Xx])?))(?![\w.])/g,
  // an ellipsis that stands for the rest
  /(?<=^|\s)(\.{3}|…)(?=\s|$)/gm,
];

/** Most commands hold no placeholder, and are done with one look. */
const HINT = /[<[…]|\{\{|\.\.\.|[A-Z]_[A-Z]|CHANGE|REPLACE|TODO|TBD|XXX|[xX]\.[xXyY]/;

/** The placeholders of a shell text in its order; comment lines hold none. */
export function findPlaceholders(text: string): FoundPlaceholder[] {
  const found: FoundPlaceholder[] = [];
  if (!HINT.test(text)) return found;
  for (const form of FORMS) {
    for (const match of text.matchAll(form)) {
      const raw = match[0];
      found.push({ text: raw, at: match.index, end: match.index + raw.length, ...named(match[1] ?? raw) });
    }
  }
  if (found.length === 0) return found;
  const comments = [...text.matchAll(/^[ \t]*#.*$/gm)];
  let comment = 0;
  let last = 0;
  return found
    .toSorted((a, b) => a.at - b.at || b.end - a.end)
    .filter((one) => {
      while (comment < comments.length && endOf(comments[comment]) <= one.at) comment += 1;
      const inComment = (comments[comment]?.index ?? Infinity) <= one.at;
      if (one.at < last || inComment) return false;
      last = one.end;
      return true;
    });
}

function endOf(match: RegExpExecArray | undefined): number {
  return match === undefined ? 0 : match.index + match[0].length;
}

function named(raw: string): { name: string; parameter: ParameterKind } {
  const name = raw
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_]+/g, "-");
  return { name, parameter: parameterKind(name) };
}

/** The environment variable that carries the value: `SUNNY_PREVIOUS_VERSION`. */
export function variableOf(name: string): string {
  const word = name
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, "_")
    .replaceAll(/^_+|_+$/g, "");
  return `SUNNY_${word === "" ? "VALUE" : word}`;
}

/** Stands for the first character of a placeholder while a shell parser looks at the text. */
export const STAND_IN = "\uE000";
const STAND_IN_REST = "\uE001";

/** A word with stand-ins, cut where they are. */
export const STAND_IN_PATTERN = /\uE000\uE001*/;

/** The text with each placeholder replaced by as many characters that mean nothing to a shell. */
export function maskPlaceholders(text: string, found: readonly FoundPlaceholder[]): string {
  let masked = "";
  let position = 0;
  const clean = text.replaceAll(/[\uE000\uE001]/g, "\uFFFD");
  for (const one of found) {
    masked += clean.slice(position, one.at) + STAND_IN + STAND_IN_REST.repeat(one.end - one.at - 1);
    position = one.end;
  }
  return masked + clean.slice(position);
}
