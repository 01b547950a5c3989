/** How a piece of text is meant; the theme turns it into colour. */
export type Tone = "plain" | "bold" | "dim" | "accent" | "good" | "bad";

/** A piece of a line. */
export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

/** One line of the view; never holds a line feed or an escape sequence. */
export type Line = readonly Span[];

/** A piece of text that was written by others: control and formatting characters cannot reach the terminal. */
export function span(text: string, tone: Tone = "plain"): Span {
  return { text: clean(text), tone };
}

/** Text on one line, without escape sequences, control characters and characters that change the direction of text. */
export function clean(text: string): string {
  return text
    .replaceAll(ESCAPES, "")
    .replaceAll(/[\n\r\t]+/g, " ")
    .replaceAll(/[\p{Cc}\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/gu, "");
}

// CSI and OSC sequences of ECMA-48; whatever else starts with ESC loses its ESC below and is shown as text.
const ESCAPES = new RegExp(
  String.raw`(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|\u001B\][^\u0007\u001B]*(?:\u0007|\u001B\\)?`,
  "g",
);

/** Cells that a text takes in a terminal: wide East Asian characters and emoji take two, combining marks none. */
export function cells(text: string): number {
  let sum = 0;
  for (const character of text) sum += cellsOf(character);
  return sum;
}

function cellsOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  if (/[\p{Mn}\p{Me}]/u.test(character)) return 0;
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1;
}

/* Unicode Standard Annex 11, wide and full-width, in coarse blocks. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
];

/** Cells of a whole line. */
export function lineCells(line: Line): number {
  return line.reduce((sum, piece) => sum + cells(piece.text), 0);
}

/** Cuts a text to `width` cells, with `ellipsis` (one cell) at its end when something was cut. */
export function cut(text: string, width: number, ellipsis: string): string {
  if (cells(text) <= width) return text;
  if (width <= 0) return "";
  let out = "";
  let used = 0;
  for (const character of text) {
    const size = cellsOf(character);
    if (used + size > width - 1) break;
    out += character;
    used += size;
  }
  return out + ellipsis;
}

/** A text on at most `most` lines of `width` cells, broken at spaces; what is left over is cut from the last one. */
export function wrap(text: string, width: number, most: number, ellipsis: string): string[] {
  const lines: string[] = [];
  let rest = clean(text).trim();
  while (lines.length < most - 1 && cells(rest) > width) {
    const head = firstCells(rest, width);
    const space = rest[head.length] === " " ? head.length : head.lastIndexOf(" ");
    const end = space > 0 ? space : head.length;
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return rest === "" ? lines : [...lines, cut(rest, width, ellipsis)];
}

/** As much of a text as fits, at least one character. */
function firstCells(text: string, width: number): string {
  let out = "";
  for (const character of text) {
    if (out !== "" && cells(out + character) > width) break;
    out += character;
  }
  return out;
}

/** Cuts a line to `width` cells; later pieces go first. */
export function cutLine(line: Line, width: number, ellipsis: string): Line {
  if (lineCells(line) <= width) return line;
  const out: Span[] = [];
  let left = width;
  for (const [index, piece] of line.entries()) {
    const rest = line.slice(index + 1).some(({ text }) => text.trim() !== "");
    const room = rest && cells(piece.text) >= left ? left - 1 : left;
    const text = cut(piece.text, room, ellipsis);
    out.push({ ...piece, text: room < left && text === piece.text ? text + ellipsis : text });
    left -= cells(piece.text);
    if (left <= 0) break;
  }
  return out;
}

/** Text in a column of exactly `width` cells. */
export function column(text: string, width: number, ellipsis: string, align: "left" | "right" = "left"): string {
  const short = cut(clean(text), width, ellipsis);
  const space = " ".repeat(Math.max(0, width - cells(short)));
  return align === "left" ? short + space : space + short;
}

/** `left` and `right` at the two ends of `width` cells; `left` is cut when they would touch. */
export function spread(left: Line, right: Line, width: number, ellipsis: string): Line {
  const room = width - lineCells(right) - (right.length > 0 ? 1 : 0);
  const fitted = cutLine(left, Math.max(0, room), ellipsis);
  const gap = " ".repeat(Math.max(0, width - lineCells(fitted) - lineCells(right)));
  return right.length === 0 ? fitted : [...fitted, span(gap), ...right];
}
