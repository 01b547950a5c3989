import { readAnnotation } from "./annotation.ts";
import type { Annotation } from "./annotation.ts";
import { holdsCode } from "./block.ts";
import type { Block, Comment, Heading } from "./block.ts";
import { recogniseTitle, splitNumbering, subjectWords } from "./heading.ts";
import type { SectionKind } from "./vocabulary.ts";

/** A heading with what stands below it. */
export interface Section {
  /** Without numbering and decoration. */
  readonly title: string;
  readonly number?: number;
  readonly isStep: boolean;
  /** Its heading names one of several alternatives, and not the first. */
  readonly isSecondOption?: true;
  /** 0 for the file itself, else 1 to 6. */
  readonly level: number;
  readonly at: number;
  readonly end: number;
  /** What its heading or its annotation says it is; the place in the file may decide otherwise. */
  readonly kind: SectionKind | undefined;
  readonly annotated: boolean;
  /** What stands before its first sub-section. */
  readonly blocks: readonly Block[];
  readonly children: readonly Section[];
}

export interface Outline {
  readonly title: string | undefined;
  /** The file itself: what stands before the first section, and the sections. */
  readonly root: Section;
}

interface Draft {
  readonly heading: Heading | undefined;
  readonly blocks: Block[];
  readonly children: Draft[];
  annotation: Annotation | undefined;
}

/** Arranges blocks below their headings and says what each heading means. */
export function createOutline(blocks: readonly Block[]): Outline {
  const root = arrange(blocks);
  const titled = root.children.length === 1 ? root.children[0] : undefined;
  const candidate = titled?.heading ?? root.children.find(isTitle)?.heading;
  const subject = subjectWords(candidate?.text ?? "");
  const title = candidate === undefined ? undefined : splitNumbering(candidate.text).title;
  if (titled === undefined) return { title, root: finish(root, subject, candidate) };
  // The only heading of the highest level is the file's title; what it holds is the file.
  const merged: Draft = { ...titled, heading: undefined, blocks: [...root.blocks, ...titled.blocks] };
  return { title, root: finish(merged, subject, undefined) };
}

/** Of several headings on the highest level, the first that names no section is the file's title. */
function isTitle(draft: Draft): boolean {
  const { heading, annotation } = draft;
  if (annotation !== undefined && annotation.kind !== "deployment") return false;
  return heading?.level === 1 && recogniseTitle(splitNumbering(heading.text).title, new Set()) === undefined;
}

function arrange(blocks: readonly Block[]): Draft {
  const root: Draft = { heading: undefined, blocks: [], children: [], annotation: undefined };
  const open: Draft[] = [root];
  let pending: Annotation | undefined;
  for (const [index, block] of blocks.entries()) {
    const current = open.at(-1) ?? root;
    if (block.kind === "heading") {
      while (open.length > 1 && (open.at(-1)?.heading?.level ?? 0) >= block.level) open.pop();
      const draft: Draft = { heading: block, blocks: [], children: [], annotation: pending };
      pending = undefined;
      (open.at(-1) ?? root).children.push(draft);
      open.push(draft);
      continue;
    }
    const annotation = kindOf(block);
    if (annotation !== undefined && current.blocks.length === 0 && current.heading !== undefined) {
      current.annotation = annotation;
    } else if (annotation !== undefined && blocks[index + 1]?.kind === "heading") {
      pending = annotation;
    }
    current.blocks.push(block);
  }
  return root;
}

/** The annotation of a comment that names the kind of a section. */
function kindOf(block: Block): Annotation | undefined {
  if (block.kind !== "comment") return undefined;
  const annotation = readAnnotation(block.text);
  return annotation?.kind === undefined ? undefined : annotation;
}

function finish(draft: Draft, subject: ReadonlySet<string>, titleHeading: Heading | undefined): Section {
  const { heading, annotation } = draft;
  const children = draft.children.map((child) => finish(child, subject, titleHeading));
  if (heading === undefined) {
    const kind = draft.annotation?.kind;
    return {
      title: "",
      isStep: false,
      level: 0,
      at: 0,
      end: 0,
      kind,
      annotated: false,
      blocks: draft.blocks,
      children,
    };
  }
  const numbered = splitNumbering(heading.text);
  const recognised = recogniseTitle(numbered.title, subject);
  const kind = annotation?.kind ?? recognised ?? (heading === titleHeading ? "overview" : undefined);
  return {
    ...numbered,
    level: heading.level,
    at: heading.at,
    end: heading.end,
    kind,
    annotated: annotation !== undefined,
    blocks: draft.blocks,
    children,
  };
}

/** True when the section or one below it holds a code block. */
export function hasCode(section: Section): boolean {
  return holdsCode(section.blocks) || section.children.some(hasCode);
}

/** True when the section or one below it holds a `- [ ]`. */
export function hasTasks(section: Section): boolean {
  return holdsTasks(section.blocks) || section.children.some(hasTasks);
}

function holdsTasks(blocks: readonly Block[]): boolean {
  return blocks.some(
    (block) =>
      block.kind === "list" && block.items.some((entry) => entry.checked !== undefined || holdsTasks(entry.blocks)),
  );
}

/** The blocks of the section and of all below it, in the order of the file. */
export function allBlocks(section: Section): Block[] {
  return [...section.blocks, ...section.children.flatMap(allBlocks)];
}

/** The annotation that stands directly before the block at `index`, and its comment. */
export function annotationBefore(
  blocks: readonly Block[],
  index: number,
): { readonly annotation: Annotation; readonly comment: Comment } | undefined {
  const comment = blocks[index - 1];
  if (comment?.kind !== "comment") return undefined;
  const annotation = readAnnotation(comment.text);
  return annotation === undefined ? undefined : { annotation, comment };
}
