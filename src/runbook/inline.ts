import type { TreeCursor } from "@lezer/common";
import type { Block, Words } from "./block.ts";

const MARKS = new Set([
  "EmphasisMark",
  "CodeMark",
  "LinkMark",
  "LinkTitle",
  "LinkLabel",
  "StrikethroughMark",
  "Comment",
  "TaskMarker",
  "HeaderMark",
  "QuoteMark",
  "ListMark",
]);

const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&ge;": "≥",
  "&le;": "≤",
  "&quot;": '"',
  "&nbsp;": " ",
};

/** What stands between the marks of an HTML comment. */
export function commentText(comment: string): string {
  return comment
    .replace(/^<!--/, "")
    .replace(/-->\s*$/, "")
    .trim();
}

/**
 * The text of the node at the cursor without its marks; the target of a link counts only when the link has no text.
 * Comments inside of it, as in `## Going back <!-- sunny: rollback -->`, are handed over in `comments`.
 */
export function readWords(cursor: TreeCursor, text: string, comments: Block[]): Words {
  const { from, to } = cursor;
  const raw = text.slice(from, to);
  const start = from + leadingMarks(raw);
  const end = from + raw.trimEnd().length;
  if (!cursor.firstChild()) return { text: tidy(raw), at: start, end };
  cursor.parent();
  let out = "";
  let position = from;
  let links = 0;
  cursor.iterate(
    (node) => {
      const { name } = node;
      if (name === "Link" || name === "Image") links += 1;
      const replacement = replacementOf(name, text, node.from, node.to, links > 0);
      if (replacement === undefined) return;
      if (name === "Comment") {
        comments.push({
          kind: "comment",
          text: commentText(text.slice(node.from, node.to)),
          at: node.from,
          end: node.to,
        });
      }
      out += text.slice(position, node.from) + replacement;
      position = node.to;
    },
    (node) => {
      if (node.name === "Link" || node.name === "Image") links -= 1;
    },
  );
  return { text: tidy(out + text.slice(position, to)), at: start, end };
}

/** What stands for a node in plain text; undefined for a node whose text stays. */
function replacementOf(name: string, text: string, from: number, to: number, inLink: boolean): string | undefined {
  if (MARKS.has(name) || (inLink && name === "URL")) return "";
  if (name === "Escape") return text.slice(from + 1, to);
  if (name === "HardBreak") return " ";
  if (name !== "Entity") return undefined;
  const raw = text.slice(from, to);
  return ENTITIES[raw.toLowerCase()] ?? raw;
}

/** How many characters a heading's or a task's mark takes at the start. */
function leadingMarks(raw: string): number {
  const first = raw.charCodeAt(0);
  // "#", "[" and white space.
  if (first !== 35 && first !== 91 && first > 32) return 0;
  return /^(?:#{1,6}(?=\s)|\[[ xX]\](?=\s)|\s)*/.exec(raw)?.[0].length ?? 0;
}

function tidy(text: string): string {
  return /\s\s|[^\S ]/.test(text) ? text.replaceAll(/\s+/g, " ").trim() : text.trim();
}
