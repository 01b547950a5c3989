import type { Block } from "./block.ts";
import { holdsCode } from "./block.ts";
import type { Procedure, Rollback } from "./model.ts";
import { allBlocks } from "./outline.ts";
import type { Section } from "./outline.ts";
import { reportNothing, saysSomething } from "./phases.ts";
import { readProcedure } from "./procedure.ts";
import { report } from "./reading.ts";
import type { Reading } from "./reading.ts";
import type { Recognised } from "./recognise.ts";
import { isSecondOption } from "./titles.ts";
import { wordsOf } from "./heading.ts";

type Speed = "immediate" | "gradual" | undefined;

interface Piece {
  readonly speed: Speed;
  readonly isSecondOption: boolean;
  readonly title: string;
  readonly at: number;
  readonly end: number;
  readonly blocks: readonly Block[];
}

/** Reads the ways back. What no heading calls gradual is the immediate one, unless another is called so. */
export function readRollback(reading: Reading, sections: readonly Recognised[]): Rollback {
  const pieces = sections.flatMap(({ kind, section }): Piece[] => {
    if (kind === "rollback") return piecesOf(reading, section);
    if (kind === "immediate-rollback") return [toPiece(section, "immediate")];
    return kind === "gradual-rollback" ? [toPiece(section, "gradual")] : [];
  });
  for (const piece of pieces) {
    if (piece.speed !== undefined || !piece.isSecondOption) continue;
    report(reading, "RB211", piece, "The heading names one of several alternatives, but all of them would run.");
  }
  const named = pieces.filter((piece) => piece.speed === "immediate");
  const unnamed = pieces.filter((piece) => piece.speed === undefined);
  const immediate = named[0] === undefined ? merge(unnamed) : named[0];
  const [gradual, ...moreGradual] = pieces.filter((piece) => piece.speed === "gradual");
  const rest = [...(named[0] === undefined ? [] : unnamed), ...named.slice(1), ...moreGradual];
  return {
    ...(immediate === undefined ? {} : { immediate: read(reading, immediate, false) }),
    ...(gradual === undefined ? {} : { gradual: read(reading, gradual, true) }),
    other: rest.toSorted((a, b) => a.at - b.at).map((piece) => readOther(reading, piece)),
  };
}

function piecesOf(reading: Reading, section: Section): Piece[] {
  const own = doesSomething(section.blocks) ? [toPiece({ ...section, children: [] }, undefined)] : [];
  const children = section.children.filter((child) => doesSomething(allBlocks(child)));
  // Where nothing at all is executed, that is told of the section as a whole.
  const others =
    own.length + children.length === 0 ? [] : section.children.filter((child) => !children.includes(child));
  for (const child of others) {
    if (child.kind !== "overview" && child.kind !== "ignore" && saysSomething(allBlocks(child)))
      reportNothing(reading, child);
  }
  return [...own, ...children.map((child) => toPiece(child, speedOf(child)))];
}

function toPiece(section: Section, speed: Speed): Piece {
  const second = section.isSecondOption === true || isSecondOption(section.title);
  return {
    speed,
    isSecondOption: second,
    title: section.title,
    at: section.at,
    end: section.end,
    blocks: allBlocks(section),
  };
}

function doesSomething(blocks: readonly Block[]): boolean {
  return holdsCode(blocks) || blocks.some((block) => block.kind === "list" && block.ordered);
}

const IMMEDIATE = new Set("immediate immediately instant fast quick emergency full critical".split(" "));
const GRADUAL = new Set("gradual gradually partial phased staged progressive controlled slow".split(" "));

function speedOf(section: Section): Speed {
  if (section.kind === "immediate-rollback") return "immediate";
  if (section.kind === "gradual-rollback") return "gradual";
  const words = wordsOf(section.title);
  if (words.includes("non") && words.includes("critical")) return "gradual";
  if (words.some((word) => GRADUAL.has(word))) return "gradual";
  return words.some((word) => IMMEDIATE.has(word)) ? "immediate" : undefined;
}

/** Several parts without a name of their own (application, database, check) are one way back, in their order. */
function merge(pieces: readonly Piece[]): Piece | undefined {
  const [first, ...others] = pieces;
  if (first === undefined || others.length === 0) return first;
  return { ...first, title: "Rollback", blocks: pieces.flatMap((piece) => piece.blocks) };
}

function read(reading: Reading, piece: Piece, attended: boolean): Procedure {
  return readProcedure(reading, { ...piece, mode: "rollback", attended });
}

function readOther(reading: Reading, piece: Piece): Procedure {
  const message = `Nothing starts "${piece.title}" by itself: the immediate and the gradual rollback are others.`;
  report(reading, "RB119", piece, message);
  return read(reading, piece, true);
}
