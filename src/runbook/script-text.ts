import type { Code, CodeLine } from "./block.ts";

/** The commands of a code block as one shell text, with the way back to the source. */
export interface ScriptText {
  readonly text: string;
  readonly lines: readonly CodeLine[];
  /** Where each line begins in `text`. */
  readonly starts: readonly number[];
}

const PROMPT =
  /^\s*(?:[$❯➜%]|\[[^\]\s]+@[^\]]+\][$#%]|[\w.-]+@[\w.-]+(?::[^\s$#%]*)?\s?[$#%]|(?:ba|z)?sh-?[\d.]*[$#])\s+(?=\S)/u;

/** True when a line begins with a prompt, so that the block is a session: commands and what they printed. */
export function isSession(code: Code): boolean {
  return code.lines.some((line) => PROMPT.test(line.text));
}

/** Takes prompts and the output between them away; line by line, so that places stay known. */
export function readScriptText(code: Code): ScriptText {
  const lines = isSession(code) ? commandLines(code.lines) : code.lines;
  const starts: number[] = [];
  let length = 0;
  for (const line of lines) {
    starts.push(length);
    length += line.text.length + 1;
  }
  return { text: lines.map((line) => line.text).join("\n"), lines, starts };
}

function commandLines(lines: readonly CodeLine[]): CodeLine[] {
  let continued = false;
  return lines.map((line) => {
    const prompt = continued ? /^(?:\s*>\s)?/.exec(line.text)?.[0] : PROMPT.exec(line.text)?.[0];
    const isComment = !continued && /^\s*#/.test(line.text);
    if (prompt === undefined && !isComment) {
      // What was printed becomes an empty line, which also ends the reach of a comment.
      return { text: "", at: line.at };
    }
    const kept = prompt === undefined ? line : { text: line.text.slice(prompt.length), at: line.at + prompt.length };
    continued = kept.text.endsWith("\\");
    return kept;
  });
}

/** The offset in the source of an offset in the script. */
export function sourceOffset(script: ScriptText, offset: number): number {
  let low = 0;
  let high = script.starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((script.starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return (script.lines[low]?.at ?? 0) + offset - (script.starts[low] ?? 0);
}

const SHELLS = new Set(
  "bash sh shell zsh ksh dash console terminal shell-session shellsession sh-session shellscript".split(" "),
);

const PROGRAMS = new Set(
  "powershell ps1 pwsh cmd bat batch fish python py ruby rb perl sql psql mysql js javascript ts typescript go groovy".split(
    " ",
  ),
);

/** What a code block is: commands, a program in another language, or something to read. */
export type CodeForm = "shell" | "unnamed-shell" | "program" | "text" | "unnamed-text";

/** Decides by the named language; without one, a block reads like text when one of its lines does. */
export function formOf(code: Code): CodeForm {
  if (SHELLS.has(code.language)) return "shell";
  if (PROGRAMS.has(code.language)) return "program";
  if (code.language !== "") return "text";
  if (isSession(code)) return "unnamed-shell";
  let continued = false;
  for (const { text } of code.lines) {
    if (!continued && looksLikeText(text.trim())) return "unnamed-text";
    continued = text.endsWith("\\");
  }
  return "unnamed-shell";
}

/**
 * Text begins with a capitalised word, a word that ends in a colon or a comma, a bullet, a brace, a table or a picture;
 * a command does not.
 */
function looksLikeText(line: string): boolean {
  return (
    /^(?:[-*•|+]\s|[A-Z][a-z']+[,:!.]?(?:\s|$)|[\w-]+[:,](?:\s|$)|[{}[\]<](?:\s|"|$)|HTTP\/\d)/.test(line) ||
    /^[A-Z]{2,}(?:\s{2,}[A-Z]+)+/.test(line) ||
    /^\p{Extended_Pictographic}/u.test(line) ||
    /^#{2,}\s/.test(line)
  );
}
