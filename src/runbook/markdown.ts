import { Tree } from "@lezer/common";
import type { TreeCursor } from "@lezer/common";
import { Strikethrough, Table, TaskList, parser } from "@lezer/markdown";
import type { Block, CodeLine, Comment, ListEntry, Words } from "./block.ts";
import { commentText, readWords } from "./inline.ts";

/** GFM but for bare URLs: they are text here either way, and looking for them costs a fifth of the time. */
const markdown = parser.configure([Table, TaskList, Strikethrough]);

/** Deeper lists and quotes are cut off, so that no input can exhaust the stack. */
const MAX_DEPTH = 64;

export interface MarkdownBlocks {
  readonly blocks: readonly Block[];
  /** Where nesting was cut off, if it was. */
  readonly tooDeepAt?: number;
}

interface Reader {
  readonly text: string;
  readonly cursor: TreeCursor;
  tooDeepAt: number | undefined;
}

/**
 * A tree of the whole of a large file is copied again and again by the garbage collector while it grows; the trees of
 * pieces of this length die young, which halves the time.
 */
const PIECE_LENGTH = 32_768;

/**
 * Reads CommonMark with the GFM extensions into blocks. Any text has a reading; none throws. The result does not depend
 * on `pieceLength`, in characters.
 */
export function readMarkdown(text: string, pieceLength = PIECE_LENGTH): MarkdownBlocks {
  const blocks: Block[] = [];
  let tooDeepAt: number | undefined;
  for (let from = 0; from < text.length;) {
    const { tree, to } = parsePiece(text, from, pieceLength);
    // As the child of another tree it has its offsets in the whole text.
    const cursor = new Tree(tree.type, [tree], [from], to).cursor();
    const reader: Reader = { text, cursor, tooDeepAt };
    if (cursor.firstChild()) for (const block of readChildren(reader, 0)) blocks.push(block);
    tooDeepAt = reader.tooDeepAt;
    from = to;
  }
  return tooDeepAt === undefined ? { blocks } : { blocks, tooDeepAt };
}

/** A piece ends before a heading in the first column, which ends every block but an open fence and HTML. */
function parsePiece(text: string, from: number, pieceLength: number): { tree: Tree; to: number } {
  for (let length = pieceLength; ; length *= 2) {
    const to = headingAfter(text, from + length);
    const tree = markdown.parse(text.slice(from, to));
    // Twice the length at each further attempt keeps the work linear.
    if (to === text.length || isComplete(tree, text, from)) return { tree, to };
  }
}

function headingAfter(text: string, at: number): number {
  const heading = /\n#{1,6}[ \t]/g;
  heading.lastIndex = at;
  const found = at < text.length ? heading.exec(text) : null;
  return found === null ? text.length : found.index + 1;
}

/** The last block would also have ended if the text went on with a heading. */
function isComplete(tree: Tree, text: string, from: number): boolean {
  const last = tree.topNode.lastChild;
  switch (last?.name) {
    case "FencedCode":
      return last.getChildren("CodeMark").length > 1;
    case "CommentBlock":
      return text.slice(from + last.from, from + last.to).includes("-->");
    case "HTMLBlock":
    case "ProcessingInstructionBlock":
      return false;
    default:
      return true;
  }
}

function readChildren(reader: Reader, depth: number): Block[] {
  const blocks: Block[] = [];
  if (!reader.cursor.firstChild()) return blocks;
  do readBlock(reader, depth, blocks);
  while (reader.cursor.nextSibling());
  reader.cursor.parent();
  return blocks;
}

function readBlock(reader: Reader, depth: number, into: Block[]): void {
  const { cursor } = reader;
  const { name, from: at, to: end } = cursor;
  switch (name) {
    case "Paragraph":
    case "Task":
      readProse(reader, into);
      return;
    case "ATXHeading1":
    case "ATXHeading2":
    case "ATXHeading3":
    case "ATXHeading4":
    case "ATXHeading5":
    case "ATXHeading6":
    case "SetextHeading1":
    case "SetextHeading2":
      readHeading(reader, depth, into);
      return;
    case "BulletList":
    case "OrderedList":
      if (tooDeep(reader, depth)) return;
      into.push({ kind: "list", ordered: name === "OrderedList", items: readItems(reader, depth), at, end });
      return;
    case "Blockquote":
      if (!tooDeep(reader, depth)) into.push(...readChildren(reader, depth + 1));
      return;
    case "FencedCode":
    case "CodeBlock":
      into.push(readCode(reader));
      return;
    case "Table":
      into.push(readTable(reader));
      return;
    case "CommentBlock":
      into.push({ kind: "comment", text: commentText(reader.text.slice(at, end)), at, end });
      return;
    default:
  }
}

function tooDeep(reader: Reader, depth: number): boolean {
  if (depth < MAX_DEPTH) return false;
  reader.tooDeepAt ??= reader.cursor.from;
  return true;
}

function readHeading(reader: Reader, depth: number, into: Block[]): void {
  const comments: Comment[] = [];
  const level = Number(reader.cursor.name.at(-1));
  const words = readWords(reader.cursor, reader.text, comments);
  // Below a list item or a quote, a heading is a part of that item's text: it opens no section.
  const { text, at, end } = words;
  into.push(depth === 0 ? { kind: "heading", level, text, at, end } : { kind: "prose", bold: true, text, at, end });
  into.push(...comments);
}

function readProse(reader: Reader, into: Block[]): void {
  const words = readWords(reader.cursor, reader.text, into);
  if (words.text === "") return;
  const { text, at, end } = words;
  const bold = reader.text.startsWith("**", at) || reader.text.startsWith("__", at);
  into.push({ kind: "prose", bold: bold && isAllBold(reader.text.slice(at, end)), text, at, end });
}

function isAllBold(raw: string): boolean {
  return /^(\*\*|__)[^*_]+\1:?$/.test(raw.trim());
}

function readItems(reader: Reader, depth: number): ListEntry[] {
  const { cursor } = reader;
  const ordered = cursor.name === "OrderedList";
  const items: ListEntry[] = [];
  if (!cursor.firstChild()) return items;
  do if (cursor.name === "ListItem") items.push(readItem(reader, ordered, depth));
  while (cursor.nextSibling());
  cursor.parent();
  return items;
}

function readItem(reader: Reader, ordered: boolean, depth: number): ListEntry {
  const { cursor } = reader;
  const { from, to } = cursor;
  const blocks = readChildren(reader, depth + 1);
  const first = blocks.findIndex((block) => block.kind !== "comment");
  const head = blocks[first];
  const words = head?.kind === "prose" ? head : { text: "", at: from, end: to };
  const rest = head?.kind === "prose" ? blocks.toSpliced(first, 1) : blocks;
  const checked = isChecked(reader.text, words.at);
  return {
    ordered,
    text: words.text,
    at: words.at,
    end: words.end,
    blocks: rest,
    ...(checked === undefined ? {} : { checked }),
  };
}

/** Whether the box in front of a task's text is ticked; undefined without a box. */
function isChecked(text: string, at: number): boolean | undefined {
  const box = /\[([ xX])\]\s+$/.exec(text.slice(Math.max(0, at - 8), at))?.[1];
  return box === undefined ? undefined : box !== " ";
}

function readCode(reader: Reader): Block {
  const { cursor, text } = reader;
  const { from: at, to: end, name } = cursor;
  const lines: CodeLine[] = [];
  let language = "";
  let marks = 0;
  if (cursor.firstChild()) {
    do {
      if (cursor.name === "CodeMark") marks += 1;
      if (cursor.name === "CodeInfo") language = /^\{?\.?([\w+-]*)/.exec(text.slice(cursor.from, cursor.to))?.[1] ?? "";
      if (cursor.name === "CodeText") pushLines(lines, text.slice(cursor.from, cursor.to), cursor.from);
    } while (cursor.nextSibling());
    cursor.parent();
  }
  return { kind: "code", language: language.toLowerCase(), lines, at, end, closed: name === "CodeBlock" || marks > 1 };
}

function pushLines(lines: CodeLine[], chunk: string, at: number): void {
  let from = at;
  for (const line of chunk.replace(/\n$/, "").split("\n")) {
    lines.push({ text: line.trimEnd(), at: from });
    from += line.length + 1;
  }
}

function readTable(reader: Reader): Block {
  const { cursor } = reader;
  const { from: at, to: end } = cursor;
  const rows: Words[][] = [];
  let header: Words[] = [];
  if (cursor.firstChild()) {
    do {
      if (cursor.name === "TableHeader") header = readCells(reader);
      if (cursor.name === "TableRow") rows.push(readCells(reader));
    } while (cursor.nextSibling());
    cursor.parent();
  }
  return { kind: "table", header, rows, at, end };
}

/** The cells of a row; an empty one has no node, so they are told apart by the delimiters. */
function readCells(reader: Reader): Words[] {
  const { cursor, text } = reader;
  const cells: Words[] = [];
  const leading = text.slice(cursor.from, cursor.to).trimStart().startsWith("|");
  let open: Words = { text: "", at: cursor.from, end: cursor.from };
  let delimiters = 0;
  if (!cursor.firstChild()) return cells;
  do {
    if (cursor.name === "TableCell") open = readWords(cursor, text, []);
    if (cursor.name !== "TableDelimiter") continue;
    delimiters += 1;
    if (!leading || delimiters > 1) cells.push(open);
    open = { text: "", at: cursor.to, end: cursor.to };
  } while (cursor.nextSibling());
  cursor.parent();
  if (open.text !== "") cells.push(open);
  return cells;
}
