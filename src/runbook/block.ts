/** The blocks of a Markdown file, reduced to what a runbook is read for. Offsets count from 0 in the source. */
export type Block = Heading | Prose | Listing | Code | Table | Comment;

/** Text without Markdown marks, and where it stands. */
export interface Words {
  readonly text: string;
  readonly at: number;
  readonly end: number;
}

export interface Heading extends Words {
  readonly kind: "heading";
  /** 1 to 6. */
  readonly level: number;
}

export interface Prose extends Words {
  readonly kind: "prose";
  /** The whole paragraph is set in bold. */
  readonly bold: boolean;
}

/** A list; a change of its marks begins another. */
export interface Listing {
  readonly kind: "list";
  readonly ordered: boolean;
  readonly items: readonly ListEntry[];
  readonly at: number;
  readonly end: number;
}

export interface ListEntry extends Words {
  readonly ordered: boolean;
  /** Absent: not a task. */
  readonly checked?: boolean;
  /** What stands in the item below its first paragraph. */
  readonly blocks: readonly Block[];
}

export interface Code {
  readonly kind: "code";
  /** The first word after the opening marks, in lower case; empty when there is none. */
  readonly language: string;
  readonly lines: readonly CodeLine[];
  readonly at: number;
  readonly end: number;
  readonly closed: boolean;
}

/** One line of a code block without the indentation of what it stands in; `at` is where it begins. */
export interface CodeLine {
  readonly text: string;
  readonly at: number;
}

/** A GFM table. */
export interface Table {
  readonly kind: "table";
  readonly header: readonly Words[];
  readonly rows: readonly (readonly Words[])[];
  readonly at: number;
  readonly end: number;
}

/** An HTML comment; `text` is what stands between its marks. */
export interface Comment extends Words {
  readonly kind: "comment";
}

/** Every code block in the order of the file, those inside list items included. */
export function codesOf(blocks: readonly Block[], into: Code[] = []): readonly Code[] {
  for (const block of blocks) {
    if (block.kind === "code") into.push(block);
    if (block.kind === "list") for (const entry of block.items) codesOf(entry.blocks, into);
  }
  return into;
}

/** True when a code block is among them, or inside a list item. */
export function holdsCode(blocks: readonly Block[]): boolean {
  return blocks.some(
    (block) => block.kind === "code" || (block.kind === "list" && block.items.some((entry) => holdsCode(entry.blocks))),
  );
}

/** Items that hold no further items: what a list of requirements is made of. */
export function leavesOf(blocks: readonly Block[], into: ListEntry[] = []): readonly ListEntry[] {
  for (const block of blocks) {
    if (block.kind !== "list") continue;
    for (const entry of block.items) {
      const isParent = entry.blocks.some((inner) => inner.kind === "list");
      if (entry.text !== "" && !isParent) into.push(entry);
      leavesOf(entry.blocks, into);
    }
  }
  return into;
}

/** Entries with a box, also those that hold further items. */
export function tasksOf(blocks: readonly Block[]): readonly ListEntry[] {
  return blocks.flatMap((block) => {
    if (block.kind !== "list") return [];
    return block.items.flatMap((entry) => [
      ...(entry.text !== "" && entry.checked !== undefined ? [entry] : []),
      ...tasksOf(entry.blocks),
    ]);
  });
}
